#include "runtime/tokenizer/ids_only_tokenizer.h"

#include <utility>

namespace quantd {

IdsOnlyTokenizer::IdsOnlyTokenizer(int32_t vocab, std::optional<int32_t> bos,
                                   std::vector<int32_t> end_ids, absl::Status why)
    : why_(std::move(why)) {
  types_.resize(vocab, TokenType::kNormal);
  bos_ = bos;
  if (!end_ids.empty()) eos_ = end_ids[0];
  end_ids_ = std::move(end_ids);
  model_name_ = "none";
}

}  // namespace quantd
