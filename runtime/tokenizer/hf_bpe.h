#ifndef QUANTD_RUNTIME_TOKENIZER_HF_BPE_H_
#define QUANTD_RUNTIME_TOKENIZER_HF_BPE_H_

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "runtime/tokenizer/hf_tokens.h"
#include "runtime/tokenizer/hf_vocabulary.h"
#include "runtime/tokenizer/word_model.h"

namespace quantd {

/// The options of a "BPE" model.
struct HfBpeOptions {
  std::optional<int32_t> unknown;
  bool fuse_unknown = false;
  std::string continuing_prefix;         ///< of units that do not begin a word
  std::string word_suffix;               ///< of the unit that ends a word
  bool ignore_merges = false;            ///< a word that is a token needs no merges
  std::array<int32_t, 256> byte_tokens;  ///< or -1: what an unknown unit falls back to
  bool bytes = false;                    ///< words are bytes, which the file spells
};

/// The model of the merges of `file`. Errors: DATA_LOSS naming the merge.
absl::StatusOr<std::unique_ptr<const WordModel>> MakeHfBpe(const HfTokenizerFile& file,
                                                           const HfTokens& tokens,
                                                           const HfBpeOptions& options);

}  // namespace quantd

#endif  // QUANTD_RUNTIME_TOKENIZER_HF_BPE_H_
