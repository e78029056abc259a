#ifndef QUANTD_SERVER_HTTP_SERVER_H_
#define QUANTD_SERVER_HTTP_SERVER_H_

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"

namespace quantd {

/// Plain HTTP for machines: GET /metrics (Prometheus text), /healthz (200 while the process and
/// every engine loop live, 503 naming the stuck one) and /readyz (200 when every configured model
/// can serve and the server does not drain). Runs on threads of its own, so that it answers while a
/// step runs.
class HttpServer {
 public:
  struct Handlers {
    std::function<std::string()> metrics;
    std::function<absl::Status()> live;  ///< not OK: its message is the body of the 503
    std::function<absl::Status()> ready;
  };
  /// `address` is HOST:PORT; port 0 picks one. Errors: INVALID_ARGUMENT, UNAVAILABLE when the
  /// port is taken.
  static absl::StatusOr<std::unique_ptr<HttpServer>> Start(const std::string& address,
                                                           Handlers handlers);
  ~HttpServer();
  int port() const;

 private:
  HttpServer();
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace quantd

#endif  // QUANTD_SERVER_HTTP_SERVER_H_
