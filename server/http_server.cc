#include "server/http_server.h"

#include <httplib.h>
#include <sys/socket.h>

#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "kernels/base/status_macros.h"
#include "server/host_port.h"

namespace quantd {
namespace {

constexpr int kThreads = 4;
constexpr size_t kMaxQueuedConnections = 64;
constexpr int kBacklog = 128;
constexpr size_t kMaxBodyBytes = 1024;  // no request here has a body
constexpr int kTimeoutSeconds = 2;      // of one read or write
constexpr char kMetricsType[] = "text/plain; version=0.0.4; charset=utf-8";
constexpr char kTextType[] = "text/plain; charset=utf-8";
constexpr char kIndex[] =
    "quantd\n\n"
    "/metrics  Prometheus text\n"
    "/healthz  200 while the process and every engine loop live\n"
    "/readyz   200 when every configured model can serve\n";

// A fixed number of threads behind a bounded queue: when it is full the acceptor waits, and
// connections wait in the system's backlog.
class BoundedTaskQueue : public httplib::TaskQueue {
 public:
  BoundedTaskQueue() {
    for (int i = 0; i < kThreads; ++i) threads_.emplace_back([this] { Work(); });
  }

  void enqueue(std::function<void()> task) override {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [this] { return tasks_.size() < kMaxQueuedConnections; });
    tasks_.push_back(std::move(task));
    changed_.notify_all();
  }

  void shutdown() override {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      closed_ = true;
      changed_.notify_all();
    }
    for (std::thread& thread : threads_) thread.join();
  }

 private:
  void Work() {
    std::unique_lock<std::mutex> lock(mutex_);
    while (true) {
      changed_.wait(lock, [this] { return closed_ || !tasks_.empty(); });
      if (tasks_.empty()) return;
      const std::function<void()> task = std::move(tasks_.front());
      tasks_.pop_front();
      changed_.notify_all();
      lock.unlock();
      task();
      lock.lock();
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> tasks_;
  bool closed_ = false;
  std::vector<std::thread> threads_;
};

// The library lets only five connections wait to be accepted; a sixth would be retried by its
// client a second later, too late for a probe.
class Server : public httplib::Server {
 public:
  void WidenBacklog() { ::listen(svr_sock_.load(), kBacklog); }
};

// Without SO_REUSEPORT, the library's default, which would let two servers share a port unnoticed.
void ReuseAddressOnly(socket_t socket) {
  const int yes = 1;
  setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
}

void Answer(const absl::Status& status, httplib::Response& response) {
  response.status = status.ok() ? 200 : 503;
  response.set_content(status.ok() ? "ok\n" : absl::StrCat(status.message(), "\n"), kTextType);
}

}  // namespace

struct HttpServer::Impl {
  Handlers handlers;
  Server server;
  int port = 0;
  std::thread acceptor;

  void SetUp() {
    server.new_task_queue = [] { return new BoundedTaskQueue; };
    server.set_socket_options(ReuseAddressOnly);
    server.set_payload_max_length(kMaxBodyBytes);
    server.set_read_timeout(kTimeoutSeconds);
    server.set_write_timeout(kTimeoutSeconds);
    // One request per connection: an idle connection would hold one of few threads.
    server.set_keep_alive_max_count(1);
    server.set_exception_handler(
        [](const httplib::Request&, httplib::Response& response, std::exception_ptr) {
          response.status = 500;
          response.set_content("internal error\n", kTextType);
        });
    server.Get("/metrics", [this](const httplib::Request&, httplib::Response& response) {
      response.set_content(handlers.metrics(), kMetricsType);
    });
    server.Get("/healthz", [this](const httplib::Request&, httplib::Response& response) {
      Answer(handlers.live(), response);
    });
    server.Get("/readyz", [this](const httplib::Request&, httplib::Response& response) {
      Answer(handlers.ready(), response);
    });
    server.Get("/", [](const httplib::Request&, httplib::Response& response) {
      response.set_content(kIndex, kTextType);
    });
  }
};

HttpServer::HttpServer() : impl_(std::make_unique<Impl>()) {}

absl::StatusOr<std::unique_ptr<HttpServer>> HttpServer::Start(const std::string& address,
                                                              Handlers handlers) {
  QUANTD_ASSIGN_OR_RETURN(const HostPort where, ParseHostPort(address));
  std::unique_ptr<HttpServer> http(new HttpServer);
  Impl& impl = *http->impl_;
  impl.handlers = std::move(handlers);
  impl.SetUp();
  impl.port = where.port;
  const bool bound = where.port == 0 ? (impl.port = impl.server.bind_to_any_port(where.host)) > 0
                                     : impl.server.bind_to_port(where.host, where.port);
  if (!bound) {
    return absl::UnavailableError(absl::StrCat(
        "http.address: cannot listen on ", address,
        "; the port is taken, or the host is no address of this machine: choose another"));
  }
  impl.server.WidenBacklog();
  impl.acceptor = std::thread([&impl] { impl.server.listen_after_bind(); });
  // stop() does nothing before the loop runs.
  while (!impl.server.is_running()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  return http;
}

HttpServer::~HttpServer() {
  if (!impl_->acceptor.joinable()) return;
  impl_->server.stop();
  impl_->acceptor.join();
}

int HttpServer::port() const { return impl_->port; }

}  // namespace quantd
