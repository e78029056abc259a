#ifndef QUANTD_RUNTIME_TOKENIZER_TOKENIZER_FILES_H_
#define QUANTD_RUNTIME_TOKENIZER_TOKENIZER_FILES_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "runtime/formats/model_directory.h"
#include "runtime/tokenizer/hf_tokenizer_config.h"

namespace quantd {

/// Which files a tokenizer is read from, and what those beside it say.
struct TokenizerFiles {
  enum class Kind : uint8_t { kGguf, kJson, kSentencePiece, kVocabAndMerges };
  Kind kind = Kind::kGguf;
  std::string path;                         ///< of the file; of kVocabAndMerges, the folder
  std::string sentencepiece_path;           ///< of a tokenizer.model besides; "" if there is none
  std::optional<ModelDirectory> directory;  ///< none for a file by itself
  HfTokenizerConfig config;                 ///< empty for a file by itself

  /// Of a folder: tokenizer.json, or else tokenizer.model, or else vocab.json with merges.txt.
  /// Errors: NOT_FOUND without any; DATA_LOSS naming file and key, also for a link that leads out.
  static absl::StatusOr<TokenizerFiles> OfDirectory(const std::string& path);
  /// Of a folder, or of a file by its ending: .json, .model, else GGUF.
  static absl::StatusOr<TokenizerFiles> Of(const std::string& path);
};

}  // namespace quantd

#endif  // QUANTD_RUNTIME_TOKENIZER_TOKENIZER_FILES_H_
