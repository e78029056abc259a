#include "runtime/tokenizer/piece_splitter.h"

namespace quantd {

void PieceSplitter::Emit() {
  if (have_ && end_ > begin_) pieces_->push_back(text_.substr(begin_, end_ - begin_));
  have_ = false;
}

// The parts make up the text. Each is put to the piece before it or begins a new one.
void PieceSplitter::Part(size_t begin, size_t end, bool is_match) {
  bool join = false;
  switch (behavior_) {
    case SplitBehavior::kRemoved:
    case SplitBehavior::kIsolated:
      break;
    case SplitBehavior::kMergedWithPrevious:
      join = is_match && !last_was_match_;
      break;
    case SplitBehavior::kMergedWithNext:
      join = !is_match && last_was_match_;
      break;
    case SplitBehavior::kContiguous:
      join = is_match == last_was_match_;
      break;
  }
  if (!join || !have_) {
    Emit();
    begin_ = begin;
    have_ = behavior_ != SplitBehavior::kRemoved || !is_match;
  }
  end_ = end;
  last_was_match_ = is_match;
}

void PieceSplitter::Match(size_t begin, size_t end) {
  if (begin > seen_) Part(seen_, begin, invert_);
  Part(begin, end, !invert_);
  seen_ = end;
}

void PieceSplitter::Finish() {
  if (seen_ < text_.size()) Part(seen_, text_.size(), invert_);
  Emit();
}

}  // namespace quantd
