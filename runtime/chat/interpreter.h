#ifndef QUANTD_RUNTIME_CHAT_INTERPRETER_H_
#define QUANTD_RUNTIME_CHAT_INTERPRETER_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "runtime/chat/ast.h"
#include "runtime/chat/budget.h"
#include "runtime/chat/text.h"
#include "runtime/chat/value.h"

namespace quantd::jinja {

/// Renders a program once with the variables given, in a sandbox: it reaches nothing but them and
/// the builtins, and stops at the limits. Thread-safe: a program may be rendered by many at once.
/// Errors: ABORTED when the template raised one (IsRaised), with its message; INVALID_ARGUMENT
/// "line N: what" for other errors of the template or its variables; RESOURCE_EXHAUSTED "line N:
/// what" at a limit.
/// `steps`, unless null, receives how many were taken.
absl::StatusOr<Text> Render(const Program& program,
                            const std::vector<std::pair<std::string, Value>>& variables,
                            const Limits& limits, absl::Time now, int64_t* steps = nullptr);

}  // namespace quantd::jinja

#endif  // QUANTD_RUNTIME_CHAT_INTERPRETER_H_
