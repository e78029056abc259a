#include "server/host_port.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace quantd {
namespace {

constexpr int kMaxPort = 65535;

absl::Status Wrong(absl::string_view address, absl::string_view what) {
  return absl::InvalidArgumentError(
      absl::StrCat("'", absl::CHexEscape(address), "' ", what, "; write HOST:PORT"));
}

}  // namespace

absl::StatusOr<HostPort> ParseHostPort(absl::string_view address) {
  const size_t colon = address.rfind(':');
  if (colon == absl::string_view::npos) return Wrong(address, "has no port");
  absl::string_view host = address.substr(0, colon);
  const absl::string_view port = address.substr(colon + 1);
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  } else if (host.find_first_of("[]:") != absl::string_view::npos) {
    return Wrong(address, "is no host name or address (an IPv6 address needs brackets)");
  }
  const auto unusable = [](unsigned char c) { return !absl::ascii_isgraph(c); };
  if (host.empty() || std::any_of(host.begin(), host.end(), unusable)) {
    return Wrong(address, "has no usable host");
  }
  HostPort result;
  const bool decimal = !port.empty() && port.size() <= 5 &&
                       std::all_of(port.begin(), port.end(), absl::ascii_isdigit);
  if (!decimal || !absl::SimpleAtoi(port, &result.port) || result.port > kMaxPort) {
    return Wrong(address, absl::StrCat("has a port that is not 0 to ", kMaxPort));
  }
  result.host = std::string(host);
  return result;
}

}  // namespace quantd
