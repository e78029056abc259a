#ifndef QUANTD_RUNTIME_CHAT_FORMAT_H_
#define QUANTD_RUNTIME_CHAT_FORMAT_H_

#include "absl/status/statusor.h"
#include "runtime/chat/builtin.h"
#include "runtime/chat/value.h"

// Python's two ways to fill values into a string, as far as templates go. What is filled into
// markup is escaped, and the result is markup.
namespace quantd::jinja {

/// format % values: %s %r %d %i %x %f %%, with flags '-' and '0', width and precision. `values` is
/// a tuple or the only value.
absl::StatusOr<Value> FormatPercent(const Value& format, const Value& values, Budget& budget);

/// format.format(...): {} {0} {name}, with !s or !r, and {{ }}. No attributes, no format
/// specifications: those are told as an error.
absl::StatusOr<Value> FormatBraces(const Value& format, const Arguments& arguments, Budget& budget);

}  // namespace quantd::jinja

#endif  // QUANTD_RUNTIME_CHAT_FORMAT_H_
