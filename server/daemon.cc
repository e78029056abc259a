#include "server/daemon.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "grpc/support/log.h"
#include "grpcpp/ext/proto_server_reflection_plugin.h"
#include "grpcpp/health_check_service_interface.h"
#include "grpcpp/server.h"
#include "grpcpp/server_builder.h"
#include "kernels/base/status_macros.h"
#include "server/hardware_service.h"
#include "server/http_server.h"
#include "server/inference_service.h"
#include "server/logging.h"
#include "server/models_service.h"
#include "server/readiness.h"
#include "server/version.h"

namespace quantd {
namespace {

// How long the gRPC server waits, once nothing of ours runs, for health watches and the like.
constexpr std::chrono::milliseconds kShutdownGrace{100};
// How long a drain waits for cancelled calls to take their last message.
constexpr absl::Duration kCancelGrace = absl::Seconds(2);
// How often the log tells how far a load is.
constexpr absl::Duration kProgressInterval = absl::Seconds(5);
constexpr int64_t kMaxTokenizingJobs = 1024;
constexpr int kTokenizingMessages = 4;  // largest messages that may wait to be tokenized
constexpr int kAdminThreads = 2;
constexpr int kMaxAdminJobs = 32;

int Milliseconds(absl::Duration duration) {
  return static_cast<int>(std::clamp<int64_t>(absl::ToInt64Milliseconds(duration), 0, INT32_MAX));
}

// What gRPC itself has to say, as events of our log.
void LogFromGrpc(gpr_log_func_args* args) {
  const LogLevel level = args->severity == GPR_LOG_SEVERITY_ERROR  ? LogLevel::kWarn
                         : args->severity == GPR_LOG_SEVERITY_INFO ? LogLevel::kInfo
                                                                   : LogLevel::kDebug;
  Log(level, "grpc", {{"text", args->message}, {"file", args->file}, {"line", args->line}});
}

// Process-wide switches of gRPC, which must be set before the first server is built.
void SetUpGrpc(bool reflection) {
  static std::mutex mutex;
  std::lock_guard<std::mutex> lock(mutex);
  gpr_set_log_function(LogFromGrpc);
  grpc::EnableDefaultHealthCheckService(true);
  if (reflection) grpc::reflection::InitProtoReflectionServerBuilderPlugin();
}

void SetServerOptions(const ServerConfig::Grpc& config, grpc::ServerBuilder* builder) {
  builder->SetMaxReceiveMessageSize(
      static_cast<int>(std::min<int64_t>(config.max_receive_bytes, INT32_MAX)));
  // Compressed messages are refused: a small one could unfold to any size.
  builder->SetCompressionAlgorithmSupportStatus(GRPC_COMPRESS_DEFLATE, false);
  builder->SetCompressionAlgorithmSupportStatus(GRPC_COMPRESS_GZIP, false);
  builder->AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, config.max_concurrent_streams);
  // Without this a second server could share the port, and the system would deal out connections.
  builder->AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder->AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
                              Milliseconds(config.keepalive_min_interval));
  if (config.max_connection_age > absl::ZeroDuration()) {
    builder->AddChannelArgument(GRPC_ARG_MAX_CONNECTION_AGE_MS,
                                Milliseconds(config.max_connection_age));
  }
}

// The address with the port that was opened for it, which may have been 0.
std::string WithPort(const std::string& address, int port) {
  return absl::StrCat(address.substr(0, address.rfind(':')), ":", port);
}

ModelManager::Options ManagerOptions(const ServerConfig& config, const RuntimeContext& runtime) {
  ModelManager::Options options;
  options.memory_limit_bytes = config.runtime.memory_limit_bytes;
  options.unload_drain = config.shutdown.drain;
  options.tuner = &runtime.tuner();
  return options;
}

void LogTuning(const TuningEvent& event) {
  using Kind = TuningEvent::Kind;
  const std::string formats = absl::StrJoin(event.formats, ",");
  switch (event.kind) {
    case Kind::kCalibrated:
      return Log(LogLevel::kInfo, "kernels measured",
                 {{"formats", formats},
                  {"milliseconds", absl::ToInt64Milliseconds(event.duration)},
                  {"cache", event.path}});
    case Kind::kReused:
      return Log(LogLevel::kInfo, "kernels chosen as measured before",
                 {{"formats", formats}, {"cache", event.path}});
    case Kind::kCacheUnreadable:
      return Log(LogLevel::kWarn, "tuning cache not used; measuring again",
                 {{"error", event.status.message()}});
    case Kind::kCacheUnwritable:
      return Log(LogLevel::kWarn, "tuning cache not written", {{"error", event.status.message()}});
  }
}

KernelTuner::Options TuningOptions(const ServerConfig& config) {
  KernelTuner::Options options;
  options.calibrate = config.runtime.calibrate;
  const auto* const mode =
      std::find(kTuningCacheModes.begin(), kTuningCacheModes.end(), config.runtime.tuning_cache);
  options.cache = static_cast<TuningCacheMode>(mode - kTuningCacheModes.begin());
  options.folder = config.runtime.tuning_folder;
  options.version = Version();
  options.listener = LogTuning;
  return options;
}

WorkQueue::Options TokenizingOptions(const ServerConfig& config) {
  return {"the tokenizing queue", config.runtime.tokenizer_threads, kMaxTokenizingJobs,
          kTokenizingMessages * config.grpc.max_receive_bytes};
}

// What the start-up probe found, and every kernel that failed its self-check.
void LogRuntime(const RuntimeContext& runtime) {
  const Hardware& hardware = runtime.hardware();
  std::vector<absl::string_view> isas;
  for (const IsaInfo& isa : Isas()) {
    if (hardware.Supports(isa.isa)) isas.push_back(isa.name);
  }
  Log(LogLevel::kInfo, "hardware",
      {{"cpu", hardware.cpu_name},
       {"isas", absl::StrJoin(isas, ",")},
       {"threads", runtime.pool().size()},
       {"forced_isa", runtime.kernels().forced().isa},
       {"gpu", hardware.cuda_status}});
  for (const KernelStatus& kernel : runtime.kernels().Report()) {
    if (!kernel.quarantined) continue;
    Log(LogLevel::kError, "kernel quarantined",
        {{"kernel", kernel.kernel}, {"op", kernel.op}, {"reason", kernel.reason}});
  }
}

}  // namespace

// Members stand in the order of their making; Stop takes them down in the order that their users
// allow.
struct Daemon::Impl {
  Impl(const ServerConfig& config, std::unique_ptr<RuntimeContext> runtime, Authenticator auth);

  absl::Status OpenHttp();
  absl::Status OpenGrpc();
  void LoadModels();
  void OnModelState(const ModelStatus& status);
  LoadResult AwaitSettled();
  absl::Status Live() const;
  bool Drain();
  void CancelAll();
  void Stop();

  const ServerConfig config;
  const std::unique_ptr<RuntimeContext> runtime;
  const Authenticator auth;
  Metrics metrics;
  Readiness readiness;
  CallRegistry calls;
  std::mutex listener_mutex;  // makes readiness see the states in their order
  bool listening = false;     // under it: OnModelState may use what is below
  std::atomic<bool> cancelled{false};
  ModelManager models;
  WorkQueue tokenizing;
  WorkQueue admin;
  const ServiceContext context;
  InferenceService inference;
  ModelsService models_service;
  HardwareService hardware;
  std::unique_ptr<HttpServer> http;
  std::unique_ptr<grpc::Server> server;
  int grpc_port = 0;
};

Daemon::Impl::Impl(const ServerConfig& config, std::unique_ptr<RuntimeContext> runtime_context,
                   Authenticator authenticator)
    : config(config),
      runtime(std::move(runtime_context)),
      auth(std::move(authenticator)),
      metrics(runtime->kernels()),
      readiness(config.models),
      models(
          runtime->kernels(), runtime->pool(), ManagerOptions(config, *runtime),
          [this](const ModelStatus& status) { OnModelState(status); },
          [this](const std::string& name) { return metrics.MakeObserver(name); }),
      tokenizing(TokenizingOptions(config)),
      admin({"the queue of model changes", kAdminThreads, kMaxAdminJobs}),
      context{this->config, *runtime, auth, metrics, models, calls, tokenizing, admin},
      inference(context),
      models_service(context, &readiness),
      hardware(context) {}

absl::Status Daemon::Impl::OpenHttp() {
  if (config.http.address.empty()) return absl::OkStatus();
  HttpServer::Handlers handlers;
  handlers.metrics = [this] { return metrics.Serialize(models); };
  handlers.live = [this] { return Live(); };
  handlers.ready = [this] { return readiness.Ready(); };
  QUANTD_ASSIGN_OR_RETURN(http, HttpServer::Start(config.http.address, std::move(handlers)));
  return absl::OkStatus();
}

absl::Status Daemon::Impl::OpenGrpc() {
  QUANTD_ASSIGN_OR_RETURN(auto credentials, MakeServerCredentials(config.grpc));
  SetUpGrpc(config.grpc.reflection);
  grpc::ServerBuilder builder;
  SetServerOptions(config.grpc, &builder);
  builder.AddListeningPort(config.grpc.address, credentials, &grpc_port);
  builder.RegisterService(&inference);
  builder.RegisterService(&models_service);
  builder.RegisterService(&hardware);
  server = builder.BuildAndStart();
  if (server == nullptr || grpc_port == 0) {
    return absl::UnavailableError(absl::StrCat("grpc.address: cannot listen on ",
                                               config.grpc.address,
                                               "; is the port taken, or the TLS pair wrong?"));
  }
  // Until here, some microseconds, gRPC's own default for "" is SERVING.
  readiness.Bind(server->GetHealthCheckService());
  return absl::OkStatus();
}

void Daemon::Impl::LoadModels() {
  for (const ModelSpec& spec : config.models) {
    const absl::Status status = models.StartLoad(spec);
    if (status.ok()) continue;
    Log(LogLevel::kError, "model load failed", {{"model", spec.name}, {"error", status.message()}});
    readiness.SetFailed(spec.name, status);
  }
}

void Daemon::Impl::OnModelState(const ModelStatus& status) {
  const bool failed = status.state == ModelState::kFailed;
  Log(failed ? LogLevel::kError : LogLevel::kInfo, "model state",
      {{"model", status.name},
       {"state", ModelStateName(status.state)},
       {"path", status.path},
       {"error", status.error.message()}});
  std::lock_guard<std::mutex> lock(listener_mutex);
  if (!listening) return;
  readiness.Update(models.List());
  models_service.OnModelState(status);
}

Daemon::LoadResult Daemon::Impl::AwaitSettled() {
  while (true) {
    const LoadResult result = readiness.AwaitSettled(kProgressInterval);
    if (result.loading == 0 || result.draining) return result;
    for (const ModelStatus& status : models.List()) {
      if (status.state != ModelState::kLoading) continue;
      Log(LogLevel::kInfo, "model loading",
          {{"model", status.name}, {"percent", static_cast<int>(100 * status.progress)}});
    }
  }
}

absl::Status Daemon::Impl::Live() const {
  for (const ModelStatus& status : models.List()) {
    if (status.model == nullptr || status.model->engine().Snapshot().alive) continue;
    return absl::UnavailableError(
        absl::StrCat("the engine of model '", status.name, "' is stuck in a step"));
  }
  return absl::OkStatus();
}

bool Daemon::Impl::Drain() {
  Log(LogLevel::kInfo, "draining", {{"open_requests", calls.open()}});
  const auto start = std::chrono::steady_clock::now();
  const auto left = [&] {
    const auto used = absl::FromChrono(std::chrono::steady_clock::now() - start);
    return std::max(config.shutdown.drain - used, absl::ZeroDuration());
  };
  readiness.StartDrain();
  calls.StartDrain();
  // What was accepted reaches its engine before the engines refuse.
  tokenizing.AwaitIdle(left());
  models.StartDrain();
  bool finished = calls.AwaitEmpty(left());
  if (!finished && !cancelled) {
    Log(LogLevel::kWarn, "drain time is over", {{"open_requests", calls.open()}});
    calls.CancelAll();
    calls.AwaitEmpty(kCancelGrace);
  }
  finished = finished && !cancelled;
  Log(LogLevel::kInfo, "drained", {{"all_finished", finished}});
  return finished;
}

void Daemon::Impl::CancelAll() {
  readiness.StartDrain();
  calls.StartDrain();
  const int open = calls.CancelAll();
  if (open > 0) cancelled = true;
  models.StartDrain();
  models.CancelAll();
}

void Daemon::Impl::Stop() {
  CancelAll();
  // Waits until every RPC is over: those of ours were just cancelled, the rest is after a while.
  if (server != nullptr) server->Shutdown(std::chrono::system_clock::now() + kShutdownGrace);
  http.reset();
  {
    std::lock_guard<std::mutex> lock(listener_mutex);
    listening = false;
  }
  readiness.Bind(nullptr);
  server.reset();
}

Daemon::Daemon() = default;

Daemon::~Daemon() {
  if (impl_ == nullptr) return;
  impl_->Stop();
  // The queues end before the models whose requests they prepare, the models before the metrics
  // that their engines feed: the reverse of the members' order.
  impl_.reset();
  Log(LogLevel::kInfo, "stopped");
}

absl::StatusOr<std::unique_ptr<Daemon>> Daemon::Start(const ServerConfig& config) {
  QUANTD_RETURN_IF_ERROR(ValidateConfig(config));
  QUANTD_ASSIGN_OR_RETURN(Authenticator auth, Authenticator::FromFile(config.grpc.auth_token_file));
  RuntimeContext::Options options;
  options.threads = config.runtime.threads;
  options.placement = config.runtime.placement;
  options.force_isa = config.runtime.force_isa;
  options.force_kernel = config.runtime.force_kernel;
  options.tuning = TuningOptions(config);
  QUANTD_ASSIGN_OR_RETURN(auto runtime, RuntimeContext::Create(options));
  LogRuntime(*runtime);

  std::unique_ptr<Daemon> daemon(new Daemon);
  daemon->impl_ = std::make_unique<Impl>(config, std::move(runtime), std::move(auth));
  Impl& impl = *daemon->impl_;
  {
    std::lock_guard<std::mutex> lock(impl.listener_mutex);
    impl.listening = true;
  }
  QUANTD_RETURN_IF_ERROR(impl.OpenHttp());
  QUANTD_RETURN_IF_ERROR(impl.OpenGrpc());
  Log(LogLevel::kInfo, "listening",
      {{"grpc", daemon->grpc_address()},
       {"http", daemon->http_address()},
       {"tls", !config.grpc.tls_cert.empty()},
       {"auth", !config.grpc.auth_token_file.empty()},
       {"threads", impl.runtime->pool().size()}});
  impl.LoadModels();
  return daemon;
}

int Daemon::grpc_port() const { return impl_->grpc_port; }
int Daemon::http_port() const { return impl_->http == nullptr ? 0 : impl_->http->port(); }

std::string Daemon::grpc_address() const {
  return WithPort(impl_->config.grpc.address, grpc_port());
}
std::string Daemon::http_address() const {
  return impl_->http == nullptr ? "" : WithPort(impl_->config.http.address, http_port());
}

Daemon::LoadResult Daemon::AwaitSettled() { return impl_->AwaitSettled(); }
absl::Status Daemon::AwaitModels(absl::Duration timeout) { return impl_->readiness.Await(timeout); }
bool Daemon::Drain() { return impl_->Drain(); }
void Daemon::CancelAll() { impl_->CancelAll(); }

}  // namespace quantd
