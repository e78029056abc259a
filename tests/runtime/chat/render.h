#ifndef QUANTD_TESTS_RUNTIME_CHAT_RENDER_H_
#define QUANTD_TESTS_RUNTIME_CHAT_RENDER_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "runtime/chat/interpreter.h"
#include "runtime/chat/json.h"
#include "runtime/chat/parser.h"
#include "runtime/chat/value.h"

namespace quantd::jinja {

/// Renders a template with the members of a JSON object as variables.
inline absl::StatusOr<Text> RenderText(absl::string_view source, absl::string_view json = "{}",
                                       const Limits& limits = Limits(), int64_t* steps = nullptr) {
  const auto program = ParseTemplate(source);
  if (!program.ok()) return program.status();
  const auto variables = ParseJson(json);
  if (!variables.ok()) return variables.status();
  std::vector<std::pair<std::string, Value>> values;
  for (const auto& [name, value] : variables->dict().entries) {
    values.emplace_back(name.bytes(), value);
  }
  return Render(**program, values, limits, absl::UnixEpoch(), steps);
}

/// A text with what is from outside in «».
inline std::string Marked(const Text& text) {
  std::string marked;
  size_t at = 0;
  for (const TextRange& range : text.outside) {
    marked += text.bytes.substr(at, range.begin - at) + "«" +
              text.bytes.substr(range.begin, range.end - range.begin) + "»";
    at = range.end;
  }
  return marked + text.bytes.substr(at);
}

/// The marked text, or the error's code and message.
inline std::string RenderMarked(absl::string_view source, absl::string_view json = "{}",
                                const Limits& limits = Limits()) {
  const absl::StatusOr<Text> text = RenderText(source, json, limits);
  return text.ok() ? Marked(*text) : text.status().ToString();
}

}  // namespace quantd::jinja

#endif  // QUANTD_TESTS_RUNTIME_CHAT_RENDER_H_
