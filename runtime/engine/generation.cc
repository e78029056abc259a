#include "runtime/engine/generation.h"

#include <algorithm>
#include <utility>

namespace quantd {
namespace {

std::vector<int32_t> StopIds(const Request& request, const Tokenizer& tokenizer) {
  std::vector<int32_t> ids = request.stop_ids;
  if (!request.ignore_eos) {
    ids.insert(ids.end(), tokenizer.end_ids().begin(), tokenizer.end_ids().end());
  }
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  return ids;
}

}  // namespace

Generation::Generation(const Request& request, int32_t max_tokens, const Tokenizer* tokenizer)
    : detokenizer_(tokenizer, /*at_text_start=*/false),
      stop_strings_(request.stop),
      stop_ids_(StopIds(request, *tokenizer)),
      min_tokens_(request.min_tokens),
      max_tokens_(max_tokens) {}

Generation::Step Generation::Accept(GeneratedToken token) {
  Step step;
  const int32_t id = token.id;
  ++tokens_;
  step.delta.tokens.push_back(std::move(token));
  if (armed() && std::binary_search(stop_ids_.begin(), stop_ids_.end(), id)) {
    step.delta.text = Flush();
    step.finish = FinishReason::kStop;
    step.matched_stop_id = id;
    return step;
  }
  StopStrings::Result stop = stop_strings_.Push(detokenizer_.Push(id), armed());
  step.delta.text = std::move(stop.text);
  if (stop.matched >= 0) {
    step.finish = FinishReason::kStop;
    step.matched_stop = stop_strings_.string(stop.matched);
  } else if (tokens_ >= max_tokens_) {
    step.delta.text += Flush();
    step.finish = FinishReason::kLength;
  }
  return step;
}

std::string Generation::Flush() {
  // The replacement of an unfinished character is no text of the model's, so it cannot match.
  return stop_strings_.Flush() + detokenizer_.Flush();
}

absl::Span<const int32_t> Generation::BannedNext() const {
  return tokens_ < min_tokens_ ? absl::MakeConstSpan(stop_ids_) : absl::Span<const int32_t>();
}

}  // namespace quantd
