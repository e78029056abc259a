#include "runtime/tokenizer/merges.h"

#include <algorithm>
#include <functional>

#include "kernels/base/check.h"

namespace quantd {
namespace {

// No position, and no rank: a merge list never has 2^32 - 1 entries.
constexpr uint32_t kNone = 0xFFFFFFFF;

}  // namespace

void Merger::Propose(uint32_t left, const std::vector<Symbol>& symbols) {
  Link& link = links_[left];
  const MergeTable::Merge* merge =
      link.next == kNone ? nullptr : table_->Find(symbols[left].id, symbols[link.next].id);
  link.rank = merge == nullptr ? kNone : merge->rank;
  if (merge == nullptr) return;
  link.result = merge->result;
  const uint64_t pair = static_cast<uint64_t>(merge->rank) << 32 | left;
  ++operations_;
  if (pair > run_last_) {
    rest_.push_back(pair);
  } else {
    heap_.push_back(pair);
    std::push_heap(heap_.begin(), heap_.end(), std::greater<uint64_t>());
  }
}

bool Merger::TakeLeast(uint64_t* pair) {
  if (run_at_ == run_.size() && heap_.empty()) {
    if (rest_.empty()) return false;
    std::swap(run_, rest_);
    rest_.clear();
    // Pairs of one rank come in text order, so this is often so and then saves the sorting.
    if (!std::is_sorted(run_.begin(), run_.end())) std::sort(run_.begin(), run_.end());
    run_at_ = 0;
    run_last_ = run_.back();
  }
  ++operations_;
  if (run_at_ < run_.size() && (heap_.empty() || run_[run_at_] <= heap_.front())) {
    *pair = run_[run_at_++];
    return true;
  }
  *pair = heap_.front();
  std::pop_heap(heap_.begin(), heap_.end(), std::greater<uint64_t>());
  heap_.pop_back();
  return true;
}

void Merger::Join(uint32_t left, std::vector<Symbol>* symbols) {
  Link& link = links_[left];
  const uint32_t right = link.next;
  Symbol& symbol = (*symbols)[left];
  symbol.id = link.result;
  symbol.end = (*symbols)[right].end;
  link.next = links_[right].next;
  if (link.next != kNone) links_[link.next].previous = left;
  links_[right].rank = kNone;  // makes its entries in the queue stale
  (*symbols)[right].end = (*symbols)[right].begin;
}

void Merger::Run(std::vector<Symbol>* symbols) {
  const size_t count = symbols->size();
  QUANTD_CHECK(count <= kMaxSymbols, "positions take 32 bits");
  if (count < 2) return;
  run_.clear();
  run_at_ = 0;
  run_last_ = 0;
  links_.resize(count);
  for (uint32_t i = 0; i < count; ++i) {
    links_[i] = {i == 0 ? kNone : i - 1, i + 1 == count ? kNone : i + 1, kNone, -1};
    Propose(i, *symbols);
  }
  for (uint64_t pair; TakeLeast(&pair);) {
    const uint32_t left = static_cast<uint32_t>(pair);
    // A neighbour has changed since this was proposed; the change made its own proposal.
    if (links_[left].rank != static_cast<uint32_t>(pair >> 32)) continue;
    Join(left, symbols);
    Propose(left, *symbols);
    if (links_[left].previous != kNone) Propose(links_[left].previous, *symbols);
  }
  symbols->erase(std::remove_if(symbols->begin(), symbols->end(),
                                [](const Symbol& symbol) { return symbol.begin == symbol.end; }),
                 symbols->end());
}

}  // namespace quantd
