#ifndef QUANTD_SERVER_CLI_OUTPUT_H_
#define QUANTD_SERVER_CLI_OUTPUT_H_

#include <cstdint>
#include <cstdio>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace quantd {

/// True when `stream` is a terminal, where people read: progress is redrawn and control characters
/// are escaped.
bool IsTerminal(std::FILE* stream);

/// Columns of the terminal behind `stream`; 0 when it is none (then nothing is wrapped).
int TerminalWidth(std::FILE* stream);

/// The exit code that tells a script what `status` means: INVALID_ARGUMENT is kExitUsage,
/// UNAVAILABLE kExitUnavailable, CANCELLED kExitInterrupted, other errors kExitFailure.
int ExitCodeFor(const absl::Status& status);

/// Writes "COMMAND: message" to stderr, e.g. "quantd run: model.gguf: cannot open", and returns
/// ExitCodeFor(status).
int Fail(absl::string_view command, const absl::Status& status);

/// Writes to stdout, all of it or nothing more: errors are found by the flush at program end.
void Print(absl::string_view text);

/// "512 B", "3.28 MiB": binary units, three significant digits.
std::string FormatBytes(uint64_t bytes);
/// "1.24 B", "5.77 M": decimal units, three significant digits.
std::string FormatCount(uint64_t count);
/// Three significant digits and no exponent: "1230", "12.3", "0.00123".
std::string FormatNumber(double value);
/// "850 ms", "12.3 s", "4 min 05 s".
std::string FormatSeconds(absl::Duration duration);

/// Control characters as \n, \t, \x1b and bytes that are no UTF-8 as \xNN, so that untrusted text
/// cannot steer the terminal. `keep` lists control characters to pass through.
std::string EscapeText(absl::string_view text, absl::string_view keep = "");

/// All of standard input, byte for byte. `what` is named in the hint that is written when a person
/// is expected to type. Errors: INTERNAL when reading fails.
absl::StatusOr<std::string> ReadStdin(absl::string_view command, absl::string_view what);

}  // namespace quantd

#endif  // QUANTD_SERVER_CLI_OUTPUT_H_
