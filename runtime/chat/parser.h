#ifndef QUANTD_RUNTIME_CHAT_PARSER_H_
#define QUANTD_RUNTIME_CHAT_PARSER_H_

#include <memory>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "runtime/chat/ast.h"

namespace quantd::jinja {

/// Longest template, bytes. Published ones have at most some 30 KiB.
inline constexpr size_t kMaxTemplateBytes = size_t{1} << 20;

/// Parses a template: the Jinja that chat templates use, as transformers runs them. Not there:
/// extends, include, import, block, autoescape, recursive loops.
/// Errors: INVALID_ARGUMENT "line N: what", also for what is nested too deeply.
absl::StatusOr<std::unique_ptr<const Program>> ParseTemplate(absl::string_view source);

}  // namespace quantd::jinja

#endif  // QUANTD_RUNTIME_CHAT_PARSER_H_
