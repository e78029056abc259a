#ifndef QUANTD_RUNTIME_TOKENIZER_IDS_ONLY_TOKENIZER_H_
#define QUANTD_RUNTIME_TOKENIZER_IDS_ONLY_TOKENIZER_H_

#include <optional>
#include <string>
#include <vector>

#include "runtime/tokenizer/tokenizer.h"

namespace quantd {

/// Stands for the tokenizer of a model that has none that can be read: it is served for token ids.
/// No text has tokens, no token has text, and CheckText says why.
class IdsOnlyTokenizer : public Tokenizer {
 public:
  /// `why` is what CheckText gives; it must not be OK. `end_ids` end a generation.
  IdsOnlyTokenizer(int32_t vocab, std::optional<int32_t> bos, std::vector<int32_t> end_ids,
                   absl::Status why);

  absl::Status CheckText() const override { return why_; }

 protected:
  void EncodeStretch(const Stretch& stretch, std::vector<int32_t>* ids) const override {}

 private:
  const absl::Status why_;
};

}  // namespace quantd

#endif  // QUANTD_RUNTIME_TOKENIZER_IDS_ONLY_TOKENIZER_H_
