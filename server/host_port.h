#ifndef QUANTD_SERVER_HOST_PORT_H_
#define QUANTD_SERVER_HOST_PORT_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace quantd {

/// Where to listen.
struct HostPort {
  std::string host;  ///< without the brackets of an IPv6 address
  int port = 0;      ///< 0 = any free one
};

/// Parses "HOST:PORT" or "[IPV6]:PORT", the port in decimal. INVALID_ARGUMENT naming what is wrong.
absl::StatusOr<HostPort> ParseHostPort(absl::string_view address);

}  // namespace quantd

#endif  // QUANTD_SERVER_HOST_PORT_H_
