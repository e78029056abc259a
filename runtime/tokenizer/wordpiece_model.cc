#include "runtime/tokenizer/wordpiece_model.h"

#include <algorithm>

namespace quantd {
namespace {

size_t CountCharacters(absl::string_view text) {
  return static_cast<size_t>(std::count_if(
      text.begin(), text.end(), [](char c) { return (static_cast<uint8_t>(c) & 0xC0) != 0x80; }));
}

}  // namespace

class WordPieceModel::WordPieceEncoder final : public WordModel::Encoder {
 public:
  explicit WordPieceEncoder(const WordPieceModel* model) : model_(*model) {}

  void Encode(absl::string_view word, std::vector<int32_t>* ids) override {
    const size_t before = ids->size();
    const ByteTrie* trie = &model_.starting_;
    bool whole = CountCharacters(word) <= model_.longest_word_;
    while (whole && !word.empty()) {
      size_t length = 0;
      const int32_t id = trie->Longest(word, &length);
      whole = id != ByteTrie::kNoValue;
      if (!whole) break;
      ids->push_back(id);
      word.remove_prefix(length);
      trie = &model_.continuing_;
    }
    if (whole) return;
    ids->resize(before);
    ids->push_back(model_.unknown_);
  }

 private:
  const WordPieceModel& model_;
};

std::unique_ptr<WordModel::Encoder> WordPieceModel::NewEncoder() const {
  return std::make_unique<WordPieceEncoder>(this);
}

}  // namespace quantd
