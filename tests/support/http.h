#ifndef QUANTD_TESTS_SUPPORT_HTTP_H_
#define QUANTD_TESTS_SUPPORT_HTTP_H_

#include <string>

namespace quantd {

/// A TCP connection to 127.0.0.1:`port`, for the caller to close; -1 if there is none to be had.
int ConnectTo(int port);
/// Sends `bytes` and returns all that comes back until the server closes; "(no connection)".
std::string Exchange(int port, const std::string& bytes);
/// The whole answer to a GET of `path`, from its status line on.
std::string HttpGet(int port, const std::string& path);

}  // namespace quantd

#endif  // QUANTD_TESTS_SUPPORT_HTTP_H_
