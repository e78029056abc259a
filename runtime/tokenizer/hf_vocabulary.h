#ifndef QUANTD_RUNTIME_TOKENIZER_HF_VOCABULARY_H_
#define QUANTD_RUNTIME_TOKENIZER_HF_VOCABULARY_H_

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "runtime/formats/json_document.h"

namespace quantd {

/// "model.vocab" of a tokenizer.json as it stands there: an object of text -> id, or, for a unigram
/// model, a list of [text, score] whose places are the ids.
struct HfVocabulary {
  bool scored = false;  ///< it is such a list
  std::vector<std::string> texts;
  std::vector<int32_t> ids;    ///< [texts.size()]
  std::vector<double> scores;  ///< the same if scored, else empty
};

/// A tokenizer.json, its two large values apart from the rest.
struct HfTokenizerFile {
  std::unique_ptr<JsonDocument> document;
  HfVocabulary vocabulary;
  std::vector<std::pair<std::string, std::string>> merges;  ///< of "model.merges", by rank
  bool has_merges = false;

  /// Reads the file at `path`, or a text of it. Ids are within [0, 2^31), and no text of an object
  /// occurs twice; nothing else is checked. Errors: those of JsonDocument; DATA_LOSS naming the
  /// entry.
  static absl::StatusOr<HfTokenizerFile> Open(const std::string& path);
  static absl::StatusOr<HfTokenizerFile> Parse(absl::string_view text, const std::string& name);
};

}  // namespace quantd

#endif  // QUANTD_RUNTIME_TOKENIZER_HF_VOCABULARY_H_
