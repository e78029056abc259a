#ifndef QUANTD_RUNTIME_TOKENIZER_WORD_MODEL_H_
#define QUANTD_RUNTIME_TOKENIZER_WORD_MODEL_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/strings/string_view.h"

namespace quantd {

/// How a word becomes tokens. Words do not influence each other. Immutable, thread-safe.
class WordModel {
 public:
  /// Encodes words one after the other and keeps its buffers in between. One per call; the model
  /// must outlive it.
  class Encoder {
   public:
    virtual ~Encoder() = default;
    /// Appends the ids of `word`, valid UTF-8 unless the model works on bytes, not empty. Never
    /// fails; O(n log n) at most.
    virtual void Encode(absl::string_view word, std::vector<int32_t>* ids) = 0;
  };

  virtual ~WordModel() = default;
  virtual std::unique_ptr<Encoder> NewEncoder() const = 0;
};

}  // namespace quantd

#endif  // QUANTD_RUNTIME_TOKENIZER_WORD_MODEL_H_
