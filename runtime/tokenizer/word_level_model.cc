#include "runtime/tokenizer/word_level_model.h"

namespace quantd {

class WordLevelModel::WordLevelEncoder final : public WordModel::Encoder {
 public:
  explicit WordLevelEncoder(const WordLevelModel* model) : model_(*model) {}

  void Encode(absl::string_view word, std::vector<int32_t>* ids) override {
    ids->push_back(model_.words_.Find(word).value_or(model_.unknown_));
  }

 private:
  const WordLevelModel& model_;
};

std::unique_ptr<WordModel::Encoder> WordLevelModel::NewEncoder() const {
  return std::make_unique<WordLevelEncoder>(this);
}

}  // namespace quantd
