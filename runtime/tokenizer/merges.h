#ifndef QUANTD_RUNTIME_TOKENIZER_MERGES_H_
#define QUANTD_RUNTIME_TOKENIZER_MERGES_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "runtime/tokenizer/number_index.h"

namespace quantd {

/// The merges of a byte-pair vocabulary: which two neighbouring symbols join, how early, and into
/// what. Both kinds of vocabulary reduce to it: ranks come from the merge list (gpt2) or from the
/// order of the scores (llama). Immutable after the last Add; then thread-safe. Movable.
class MergeTable {
 public:
  struct Merge {
    uint32_t rank;   ///< lower joins first
    int32_t result;  ///< symbol that the two become
  };

  MergeTable() : merges_(std::make_unique<std::vector<Entry>>()), numbers_({merges_.get()}) {}

  /// Of two merges of one pair the first wins.
  void Add(int32_t left, int32_t right, Merge merge) {
    const uint64_t pair = Pair(left, right);
    if (numbers_.Find(pair).has_value()) return;
    merges_->push_back({pair, merge});
    numbers_.Add(static_cast<uint32_t>(merges_->size() - 1));
  }
  void ShrinkToFit() { merges_->shrink_to_fit(); }
  /// Null if the two do not join. Negative symbols never do.
  const Merge* Find(int32_t left, int32_t right) const {
    if (left < 0 || right < 0) return nullptr;
    const auto number = numbers_.Find(Pair(left, right));
    return number.has_value() ? &(*merges_)[*number].merge : nullptr;
  }
  size_t size() const { return merges_->size(); }

 private:
  struct Entry {
    uint64_t pair;
    Merge merge;
  };
  static uint64_t Pair(int32_t left, int32_t right) {
    return static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32 | static_cast<uint32_t>(right);
  }
  struct PairOf {
    const std::vector<Entry>* merges;
    uint64_t operator()(uint32_t number) const { return (*merges)[number].pair; }
  };

  std::unique_ptr<std::vector<Entry>> merges_;  // where the index finds it after a move, too
  NumberIndex<uint64_t, PairOf> numbers_;
};

/// A stretch of a word. `id` is a symbol of the merge table, or -1 for one that never joins.
struct Symbol {
  int32_t id;
  uint32_t begin, end;  ///< bytes of the word
};

/// Applies merges to words: again and again the pair of lowest rank, leftmost first among equals.
/// A priority queue over a linked list, so O(n log n) for n symbols. Keeps its buffers from word to
/// word; not thread-safe, one per call. The table must outlive it.
class Merger {
 public:
  /// Most symbols of one word: positions take 32 bits.
  static constexpr size_t kMaxSymbols = size_t{1} << 30;

  explicit Merger(const MergeTable* table) : table_(table) {}

  /// Joins the symbols of one word in place; what is left stands in text order.
  void Run(std::vector<Symbol>* symbols);

  /// Pairs put into the queue and taken from it so far: the running time is proportional to it,
  /// up to the logarithm.
  uint64_t operations() const { return operations_; }

 private:
  struct Link {
    uint32_t previous, next;
    uint32_t rank;   // of the merge with the next symbol, kNone if there is none
    int32_t result;  // of that merge
  };
  void Propose(uint32_t left, const std::vector<Symbol>& symbols);
  void Join(uint32_t left, std::vector<Symbol>* symbols);
  bool TakeLeast(uint64_t* pair);

  const MergeTable* table_;
  std::vector<Link> links_;
  // The queue. A pair is rank << 32 | position of its left symbol. A merge mostly gives rise to
  // pairs of later rank, so the queue is a sorted run that is read off in order, a heap for what
  // must come before the run's end, and an unsorted rest that becomes the next run.
  std::vector<uint64_t> run_, heap_, rest_;
  size_t run_at_ = 0;
  uint64_t run_last_ = 0;
  uint64_t operations_ = 0;
};

}  // namespace quantd

#endif  // QUANTD_RUNTIME_TOKENIZER_MERGES_H_
