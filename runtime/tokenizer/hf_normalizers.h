#ifndef QUANTD_RUNTIME_TOKENIZER_HF_NORMALIZERS_H_
#define QUANTD_RUNTIME_TOKENIZER_HF_NORMALIZERS_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "runtime/formats/json_document.h"
#include "runtime/tokenizer/normalizer.h"

namespace quantd {

/// The steps of "normalizer" in a tokenizer.json, in order. Errors: DATA_LOSS naming the field,
/// also for steps that together could make a text thousands of times longer; UNIMPLEMENTED naming
/// the kind.
absl::StatusOr<std::vector<Normalizer>> ReadHfNormalizers(
    const std::optional<JsonValue>& normalizer);

/// The {"String": ...} or {"Regex": ...} that a step looks for. Errors: DATA_LOSS naming the field.
absl::StatusOr<Pattern> ReadHfPattern(const JsonValue& pattern);

/// A string member that is put into texts. Errors: DATA_LOSS, also if it is very long.
absl::StatusOr<std::string> ReadHfContent(const JsonValue& object, absl::string_view key);

}  // namespace quantd

#endif  // QUANTD_RUNTIME_TOKENIZER_HF_NORMALIZERS_H_
