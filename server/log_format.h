#ifndef QUANTD_SERVER_LOG_FORMAT_H_
#define QUANTD_SERVER_LOG_FORMAT_H_

#include <string>

#include "absl/strings/string_view.h"

namespace quantd {

/// Appends `text` as the inside of a JSON string: always valid JSON and valid UTF-8. Ill-formed
/// parts become U+FFFD; control characters are escaped.
void AppendJsonEscaped(absl::string_view text, std::string* out);

/// Appends `text` for a line of `key=value` pairs: as it stands when that is unambiguous, else
/// quoted and escaped as in JSON, so that an event is always one line.
void AppendTextValue(absl::string_view text, std::string* out);

}  // namespace quantd

#endif  // QUANTD_SERVER_LOG_FORMAT_H_
