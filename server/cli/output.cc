#include "server/cli/output.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cmath>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "server/cli/commands.h"

namespace quantd {
namespace {

/// Length of the well-formed UTF-8 sequence at the start of `text`; 0 if there is none
/// (Unicode 15, table 3-7).
size_t Utf8Length(absl::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t lead = byte(0);
  if (lead < 0x80) return 1;
  const size_t length = lead >= 0xF5   ? 0
                        : lead >= 0xF0 ? 4
                        : lead >= 0xE0 ? 3
                        : lead >= 0xC2 ? 2
                                       : 0;
  if (length == 0 || text.size() < length) return 0;
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
  }
  if (lead == 0xE0 && byte(1) < 0xA0) return 0;
  if (lead == 0xED && byte(1) > 0x9F) return 0;
  if (lead == 0xF0 && byte(1) < 0x90) return 0;
  if (lead == 0xF4 && byte(1) > 0x8F) return 0;
  return length;
}

/// C0, DEL, and C1 (U+0080 .. U+009F, which terminals obey as well).
bool IsControl(absl::string_view character) {
  const auto lead = static_cast<uint8_t>(character[0]);
  if (character.size() == 1) return lead < 0x20 || lead == 0x7F;
  return character.size() == 2 && lead == 0xC2 && static_cast<uint8_t>(character[1]) < 0xA0;
}

void AppendEscaped(absl::string_view bytes, std::string* out) {
  for (const char c : bytes) {
    switch (c) {
      case '\n':
        *out += "\\n";
        break;
      case '\r':
        *out += "\\r";
        break;
      case '\t':
        *out += "\\t";
        break;
      default:
        absl::StrAppendFormat(out, "\\x%02x", static_cast<uint8_t>(c));
    }
  }
}

std::string Scaled(double value, double base, const std::array<const char*, 5>& units) {
  size_t unit = 0;
  // 999.5 would print as 1000 of the smaller unit.
  while (unit + 1 < units.size() && value >= (base == 1000 ? 999.5 : 1023.5)) {
    value /= base;
    ++unit;
  }
  if (unit == 0) return absl::StrFormat("%.0f%s", value, units[0]);
  return absl::StrFormat("%.*f%s", value < 9.995 ? 2 : value < 99.95 ? 1 : 0, value, units[unit]);
}

}  // namespace

bool IsTerminal(std::FILE* stream) { return isatty(fileno(stream)) == 1; }

int TerminalWidth(std::FILE* stream) {
  winsize size{};
  if (!IsTerminal(stream) || ioctl(fileno(stream), TIOCGWINSZ, &size) != 0) return 0;
  return size.ws_col;
}

int ExitCodeFor(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return kExitOk;
    case absl::StatusCode::kInvalidArgument:
      return kExitUsage;
    case absl::StatusCode::kUnavailable:
      return kExitUnavailable;
    case absl::StatusCode::kCancelled:
      return kExitInterrupted;
    default:
      return kExitFailure;
  }
}

int Fail(absl::string_view command, const absl::Status& status) {
  std::fflush(stdout);
  const std::string line = absl::StrCat(command, ": ", EscapeText(status.message(), "\n"), "\n");
  std::fwrite(line.data(), 1, line.size(), stderr);
  return ExitCodeFor(status);
}

void Print(absl::string_view text) { std::fwrite(text.data(), 1, text.size(), stdout); }

std::string FormatBytes(uint64_t bytes) {
  return Scaled(static_cast<double>(bytes), 1024, {" B", " KiB", " MiB", " GiB", " TiB"});
}

std::string FormatCount(uint64_t count) {
  return Scaled(static_cast<double>(count), 1000, {"", " K", " M", " B", " T"});
}

std::string FormatNumber(double value) {
  if (!std::isfinite(value)) return "-";
  const double size = std::abs(value);
  if (size >= 99.95) return absl::StrFormat("%.0f", value);
  if (size >= 9.995) return absl::StrFormat("%.1f", value);
  if (size >= 0.9995 || size == 0) return absl::StrFormat("%.2f", value);
  const int digits = 2 - static_cast<int>(std::floor(std::log10(size)));
  return absl::StrFormat("%.*f", digits, value);
}

std::string FormatSeconds(absl::Duration duration) {
  const double seconds = absl::ToDoubleSeconds(duration);
  if (seconds < 0.9995) return absl::StrFormat("%.0f ms", seconds * 1e3);
  if (seconds < 59.95) return absl::StrFormat("%.1f s", seconds);
  const int whole = static_cast<int>(std::lround(seconds));
  return absl::StrFormat("%d min %02d s", whole / 60, whole % 60);
}

std::string EscapeText(absl::string_view text, absl::string_view keep) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const size_t length = Utf8Length(text);
    const absl::string_view character = text.substr(0, length == 0 ? 1 : length);
    const bool passes = length == 1 && keep.find(character[0]) != absl::string_view::npos;
    if (!passes && (length == 0 || IsControl(character))) {
      AppendEscaped(character, &out);
    } else {
      absl::StrAppend(&out, character);
    }
    text.remove_prefix(character.size());
  }
  return out;
}

absl::StatusOr<std::string> ReadStdin(absl::string_view command, absl::string_view what) {
  if (IsTerminal(stdin)) {
    absl::FPrintF(stderr, "%s: reading %s from the terminal; end it with Ctrl-D on a new line\n",
                  command, what);
  }
  std::string text;
  std::array<char, 1 << 16> buffer;
  while (const size_t got = std::fread(buffer.data(), 1, buffer.size(), stdin)) {
    text.append(buffer.data(), got);
  }
  if (std::ferror(stdin) != 0) {
    return absl::InternalError(absl::StrCat("standard input: ", std::strerror(errno)));
  }
  return text;
}

}  // namespace quantd
