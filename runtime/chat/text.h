#ifndef QUANTD_RUNTIME_CHAT_TEXT_H_
#define QUANTD_RUNTIME_CHAT_TEXT_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "runtime/chat/budget.h"
#include "runtime/tokenizer/text_range.h"

namespace quantd::jinja {

/// UTF-8 that remembers which of its bytes came from outside the template: from messages, tools
/// and variables of a request. Strings of a template keep this through every operation, so that
/// the tokenizer can tell a control token that the template writes from one that a user typed.
struct Text {
  std::string bytes;
  /// From outside; ascending, neither empty nor touching each other.
  std::vector<TextRange> outside;

  size_t size() const { return bytes.size(); }
};

/// Finds out for ascending positions of a text whether they are from outside. The text must
/// outlive it.
class OutsideCursor {
 public:
  explicit OutsideCursor(const Text& text) : ranges_(&text.outside) {}
  /// `at` must not be less than in the call before.
  bool At(size_t at) {
    while (next_ < ranges_->size() && (*ranges_)[next_].end <= at) ++next_;
    return next_ < ranges_->size() && (*ranges_)[next_].begin <= at;
  }

 private:
  const std::vector<TextRange>* ranges_;
  size_t next_ = 0;
};

/// Puts a text together within a budget. When it runs out, what is appended is dropped and Finish
/// tells, so that the many appends need no checks; loops look at `exhausted`. Not thread-safe.
class TextBuilder {
 public:
  /// `budget` may be null: nothing is limited. It must outlive the builder and its text.
  explicit TextBuilder(Budget* budget) : budget_(budget), claim_(budget) {}

  void Append(absl::string_view bytes, bool outside = false);
  void Append(const Text& text) { Append(text, 0, text.size()); }
  /// Bytes [begin, end) of `text`.
  void Append(const Text& text, size_t begin, size_t end);

  size_t size() const { return text_.size(); }
  absl::string_view bytes() const { return text_.bytes; }
  bool exhausted() const { return !status_.ok(); }
  Budget* budget() const { return budget_; }

  /// The text, and what it claims of the budget; the builder is used up. RESOURCE_EXHAUSTED.
  absl::StatusOr<Text> Finish(MemoryClaim* claim);

 private:
  void AddRange(size_t begin, size_t end);
  bool Reserve(size_t bytes);

  Budget* budget_;
  MemoryClaim claim_;
  Text text_;
  absl::Status status_;
};

}  // namespace quantd::jinja

#endif  // QUANTD_RUNTIME_CHAT_TEXT_H_
