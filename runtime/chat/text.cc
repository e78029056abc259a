#include "runtime/chat/text.h"

#include <algorithm>
#include <utility>

namespace quantd::jinja {
namespace {

// Copying goes about this many bytes to a step.
constexpr size_t kCopiedPerStep = 1024;
// What a string takes beside its bytes.
constexpr size_t kObjectBytes = 96;

}  // namespace

void TextBuilder::AddRange(size_t begin, size_t end) {
  if (begin == end) return;
  std::vector<TextRange>& ranges = text_.outside;
  if (!ranges.empty() && ranges.back().end == begin) {
    ranges.back().end = end;
  } else {
    ranges.push_back({begin, end});
  }
}

bool TextBuilder::Reserve(size_t bytes) {
  if (budget_ == nullptr) return true;
  if (exhausted()) return false;
  status_ = budget_->SpendOn(bytes, kCopiedPerStep);
  if (exhausted()) return false;
  // One range may be added with every append.
  const size_t need =
      kObjectBytes + text_.size() + bytes + (text_.outside.size() + 1) * sizeof(TextRange);
  if (need <= claim_.bytes()) return true;
  if (claim_.Resize(std::max(need, 2 * claim_.bytes())) || claim_.Resize(need)) return true;
  status_ = budget_->MemoryError();
  return false;
}

void TextBuilder::Append(absl::string_view bytes, bool outside) {
  if (!Reserve(bytes.size())) return;
  if (outside) AddRange(text_.size(), text_.size() + bytes.size());
  text_.bytes.append(bytes.data(), bytes.size());
}

void TextBuilder::Append(const Text& text, size_t begin, size_t end) {
  auto range = std::lower_bound(text.outside.begin(), text.outside.end(), begin,
                                [](const TextRange& r, size_t at) { return r.end <= at; });
  while (begin < end && !exhausted()) {
    const size_t from = range == text.outside.end() ? end : std::clamp(range->begin, begin, end);
    if (from > begin) Append(absl::string_view(text.bytes).substr(begin, from - begin));
    if (from == end) return;
    const size_t to = std::min(range->end, end);
    Append(absl::string_view(text.bytes).substr(from, to - from), /*outside=*/true);
    begin = to;
    ++range;
  }
}

absl::StatusOr<Text> TextBuilder::Finish(MemoryClaim* claim) {
  if (exhausted()) return status_;
  *claim = std::move(claim_);
  return std::move(text_);
}

}  // namespace quantd::jinja
