#ifndef QUANTD_SERVER_LOGGING_H_
#define QUANTD_SERVER_LOGGING_H_

#include <initializer_list>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace quantd {

enum class LogLevel { kDebug, kInfo, kWarn, kError };

/// A key and value of a structured log line.
struct LogField {
  LogField(absl::string_view key, absl::string_view value);
  LogField(absl::string_view key, const char* value);
  LogField(absl::string_view key, const std::string& value);
  LogField(absl::string_view key, int64_t value);
  LogField(absl::string_view key, int value);
  LogField(absl::string_view key, uint64_t value);
  LogField(absl::string_view key, double value);
  LogField(absl::string_view key, bool value);
  std::string key;
  std::string text;     ///< the value as it stands in text output
  bool quoted = false;  ///< a string in JSON output
};

/// Sets level ("debug" ... "error") and format ("text" or "json") of the process's log, which goes
/// to standard error without ever blocking on a full disk. Errors: INVALID_ARGUMENT.
absl::Status SetUpLogging(absl::string_view level, absl::string_view format);

/// Writes one event: a short constant message and fields. JSON: one object per line with ts,
/// level, msg and the fields.
void Log(LogLevel level, absl::string_view message, std::initializer_list<LogField> fields = {});

}  // namespace quantd

#endif  // QUANTD_SERVER_LOGGING_H_
