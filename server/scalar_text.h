#ifndef QUANTD_SERVER_SCALAR_TEXT_H_
#define QUANTD_SERVER_SCALAR_TEXT_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace quantd {

// Strict conversions between configuration values and text. Each Parse is the inverse of its
// Format. Errors: INVALID_ARGUMENT saying what the text is and what it should look like.

/// Decimal digits with an optional minus: no sign +, no hexadecimal, no exponent, no underscores.
absl::StatusOr<int64_t> ParseWholeNumber(absl::string_view text);

/// true or false; not yes, on or 1.
absl::StatusOr<bool> ParseTruth(absl::string_view text);

/// "0", "4096", "16MiB": whole bytes with an optional B, KiB, MiB, GiB or TiB. Not negative.
absl::StatusOr<int64_t> ParseByteSize(absl::string_view text);
std::string FormatByteSize(int64_t bytes);  ///< in the largest unit that divides it

/// "0", "500ms", "30s", "5m", "1h". Not negative.
absl::StatusOr<absl::Duration> ParseSpan(absl::string_view text);
std::string FormatSpan(absl::Duration duration);  ///< in the largest unit that divides it

}  // namespace quantd

#endif  // QUANTD_SERVER_SCALAR_TEXT_H_
