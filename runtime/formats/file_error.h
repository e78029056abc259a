#ifndef QUANTD_RUNTIME_FORMATS_FILE_ERROR_H_
#define QUANTD_RUNTIME_FORMATS_FILE_ERROR_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace quantd {

/// DATA_LOSS "PATH: FIELD: what": how every reader of this folder says that a file is malformed.
absl::Status FileError(absl::string_view path, absl::string_view field, absl::string_view what);

/// UNIMPLEMENTED "PATH: FIELD: what": well-formed, but not read by this build.
absl::Status UnsupportedError(absl::string_view path, absl::string_view field,
                              absl::string_view what);

/// Text from a file as it may appear in a message: ASCII, of bounded length.
std::string Printable(absl::string_view text);

}  // namespace quantd

#endif  // QUANTD_RUNTIME_FORMATS_FILE_ERROR_H_
