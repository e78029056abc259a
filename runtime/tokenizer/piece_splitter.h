#ifndef QUANTD_RUNTIME_TOKENIZER_PIECE_SPLITTER_H_
#define QUANTD_RUNTIME_TOKENIZER_PIECE_SPLITTER_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/strings/string_view.h"

namespace quantd {

/// What becomes of the matches by which a text is cut.
enum class SplitBehavior : uint8_t {
  kRemoved,             ///< they are dropped
  kIsolated,            ///< each is a piece of its own
  kMergedWithPrevious,  ///< each belongs to what stands before it, unless that is a match
  kMergedWithNext,      ///< each belongs to what follows it, unless that is a match
  kContiguous,          ///< neighbouring matches are one piece
};

/// Cuts one text at matches that are reported from left to right, and appends the pieces, none of
/// them empty, to a list. The text must outlive the pieces.
class PieceSplitter {
 public:
  /// `invert`: what lies between the matches counts as match, and the matches as what lies between.
  PieceSplitter(absl::string_view text, SplitBehavior behavior, bool invert,
                std::vector<absl::string_view>* pieces)
      : text_(text), behavior_(behavior), invert_(invert), pieces_(pieces) {}

  /// A match; it begins at or after the end of the one before.
  void Match(size_t begin, size_t end);
  /// The end of the text.
  void Finish();

 private:
  void Part(size_t begin, size_t end, bool is_match);
  void Emit();

  const absl::string_view text_;
  const SplitBehavior behavior_;
  const bool invert_;
  std::vector<absl::string_view>* const pieces_;
  size_t seen_ = 0;              // everything before has been reported
  size_t begin_ = 0, end_ = 0;   // the piece that is not yet in the list
  bool have_ = false;            // there is one
  bool last_was_match_ = false;  // of its last part
};

}  // namespace quantd

#endif  // QUANTD_RUNTIME_TOKENIZER_PIECE_SPLITTER_H_
