#ifndef QUANTD_RUNTIME_CHAT_STRING_LITERAL_H_
#define QUANTD_RUNTIME_CHAT_STRING_LITERAL_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace quantd::jinja {

/// Resolves the escapes of a string literal as Python does; those that Python does not know stay.
/// INVALID_ARGUMENT for an incomplete one, or one that stands for half a character.
absl::Status Unescape(absl::string_view literal, std::string* text);

}  // namespace quantd::jinja

#endif  // QUANTD_RUNTIME_CHAT_STRING_LITERAL_H_
