#ifndef QUANTD_RUNTIME_TOKENIZER_WORD_LEVEL_MODEL_H_
#define QUANTD_RUNTIME_TOKENIZER_WORD_LEVEL_MODEL_H_

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "runtime/tokenizer/string_ids.h"
#include "runtime/tokenizer/word_model.h"

namespace quantd {

/// A vocabulary of whole words: a word is its token, or the unknown token.
class WordLevelModel final : public WordModel {
 public:
  WordLevelModel(StringIds words, int32_t unknown) : words_(std::move(words)), unknown_(unknown) {}
  std::unique_ptr<Encoder> NewEncoder() const override;

 private:
  class WordLevelEncoder;

  const StringIds words_;
  const int32_t unknown_;
};

}  // namespace quantd

#endif  // QUANTD_RUNTIME_TOKENIZER_WORD_LEVEL_MODEL_H_
