#ifndef QUANTD_RUNTIME_TOKENIZER_STRING_IDS_H_
#define QUANTD_RUNTIME_TOKENIZER_STRING_IDS_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "absl/strings/string_view.h"
#include "runtime/tokenizer/number_index.h"
#include "runtime/tokenizer/string_list.h"

namespace quantd {

/// The id of each of a set of strings. As a map from std::string would, in a third of its memory.
/// Thread-safe once all are added; movable.
class StringIds {
 public:
  StringIds() : strings_(std::make_unique<StringList>()), numbers_({strings_.get()}) {}

  /// The first id added for a string stays.
  void Add(absl::string_view string, int32_t id) {
    if (numbers_.Find(string).has_value()) return;
    strings_->Add(string);
    ids_.push_back(id);
    numbers_.Add(static_cast<uint32_t>(ids_.size() - 1));
  }
  void ShrinkToFit() {
    strings_->ShrinkToFit();
    ids_.shrink_to_fit();
  }
  std::optional<int32_t> Find(absl::string_view string) const {
    const auto number = numbers_.Find(string);
    if (!number.has_value()) return std::nullopt;
    return ids_[*number];
  }

 private:
  struct TextOf {
    const StringList* strings;
    absl::string_view operator()(uint32_t number) const { return (*strings)[number]; }
  };

  std::unique_ptr<StringList> strings_;  // where the index finds it after a move, too
  std::vector<int32_t> ids_;             // [strings_->size()]
  NumberIndex<absl::string_view, TextOf> numbers_;
};

}  // namespace quantd

#endif  // QUANTD_RUNTIME_TOKENIZER_STRING_IDS_H_
