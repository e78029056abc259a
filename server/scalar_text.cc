#include "server/scalar_text.h"

#include <algorithm>
#include <array>
#include <limits>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"

namespace quantd {
namespace {

constexpr size_t kShownBytes = 64;  // of a wrong value in an error

// A unit and how many of the base unit (bytes, milliseconds) it is; smallest first.
struct Unit {
  absl::string_view name;
  int64_t scale;
};
constexpr std::array<Unit, 5> kByteUnits = {{{"B", 1},
                                             {"KiB", int64_t{1} << 10},
                                             {"MiB", int64_t{1} << 20},
                                             {"GiB", int64_t{1} << 30},
                                             {"TiB", int64_t{1} << 40}}};
constexpr std::array<Unit, 4> kTimeUnits = {
    {{"ms", 1}, {"s", 1000}, {"m", 60 * 1000}, {"h", 3600 * 1000}}};

absl::Status Wrong(absl::string_view text, absl::string_view what) {
  return absl::InvalidArgumentError(
      absl::StrCat("'", absl::CHexEscape(text.substr(0, kShownBytes)), "' is ", what));
}

// Splits "16MiB" into digits and unit and multiplies; `bare` is the scale of a missing unit, 0 if
// it may not be missing.
absl::StatusOr<int64_t> ParseWithUnit(absl::string_view text, absl::Span<const Unit> units,
                                      int64_t bare, absl::string_view expected) {
  size_t digits = 0;
  while (digits < text.size() && absl::ascii_isdigit(text[digits])) ++digits;
  int64_t count = 0;
  if (digits == 0) return Wrong(text, expected);
  if (!absl::SimpleAtoi(text.substr(0, digits), &count)) return Wrong(text, "too large");
  const absl::string_view suffix = text.substr(digits);
  int64_t scale = suffix.empty() && (bare != 0 || count == 0) ? std::max<int64_t>(bare, 1) : 0;
  for (const Unit& unit : units) {
    if (suffix == unit.name) scale = unit.scale;
  }
  if (scale == 0) return Wrong(text, expected);
  if (count > std::numeric_limits<int64_t>::max() / scale) return Wrong(text, "too large");
  return count * scale;
}

std::string FormatWithUnit(int64_t amount, absl::Span<const Unit> units) {
  if (amount == 0) return "0";
  const Unit* best = &units[0];
  for (const Unit& unit : units) {
    if (amount % unit.scale == 0) best = &unit;
  }
  return absl::StrCat(amount / best->scale, best->name);
}

}  // namespace

absl::StatusOr<int64_t> ParseWholeNumber(absl::string_view text) {
  const absl::string_view digits = text.substr(!text.empty() && text[0] == '-' ? 1 : 0);
  if (digits.empty() || !std::all_of(digits.begin(), digits.end(), absl::ascii_isdigit)) {
    return Wrong(text, "no whole number; write decimal digits");
  }
  int64_t value = 0;
  if (!absl::SimpleAtoi(text, &value)) return Wrong(text, "too large");
  return value;
}

absl::StatusOr<bool> ParseTruth(absl::string_view text) {
  if (text == "true") return true;
  if (text == "false") return false;
  return Wrong(text, "neither true nor false");
}

absl::StatusOr<int64_t> ParseByteSize(absl::string_view text) {
  return ParseWithUnit(text, kByteUnits, 1,
                       "no size; write whole bytes or a number with KiB, MiB, GiB or TiB");
}

std::string FormatByteSize(int64_t bytes) { return FormatWithUnit(bytes, kByteUnits); }

absl::StatusOr<absl::Duration> ParseSpan(absl::string_view text) {
  auto milliseconds = ParseWithUnit(
      text, kTimeUnits, 0, "no duration; write a whole number with ms, s, m or h, like 30s");
  if (!milliseconds.ok()) return milliseconds.status();
  return absl::Milliseconds(*milliseconds);
}

std::string FormatSpan(absl::Duration duration) {
  return FormatWithUnit(absl::ToInt64Milliseconds(duration), kTimeUnits);
}

}  // namespace quantd
