#include "runtime/tokenizer/merge_model.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/strip.h"
#include "runtime/tokenizer/utf8.h"

namespace quantd {

bool HasInnerWordStart(absl::string_view text, absl::string_view start) {
  while (absl::ConsumePrefix(&text, start)) continue;
  return absl::StrContains(text, start);
}

int32_t MergeModel::FindSymbol(uint32_t unit, bool first, bool last) const {
  if (!rules_.by_place) return rules_.symbols[0].Find(unit);
  return rules_.symbols[first ? (last ? 3 : 0) : (last ? 2 : 1)].Find(unit);
}

void MergeModel::Symbolize(absl::string_view word, std::vector<Symbol>* symbols) const {
  for (absl::string_view rest = word; !rest.empty();) {
    const size_t begin = word.size() - rest.size();
    uint32_t unit = static_cast<uint8_t>(rest[0]);
    if (rules_.unit == MergeRules::Unit::kByte) {
      rest.remove_prefix(1);
    } else {
      unit = TakeCharacter(&rest);
    }
    const int32_t id = FindSymbol(unit, begin == 0, rest.empty());
    symbols->push_back(
        {id, static_cast<uint32_t>(begin), static_cast<uint32_t>(word.size() - rest.size())});
  }
}

// `word_begin`: where the ids of the word begin in *ids.
void MergeModel::AppendFallback(absl::string_view bytes, size_t word_begin,
                                std::vector<int32_t>* ids) const {
  const auto token = [this](char c) { return rules_.byte_tokens[static_cast<uint8_t>(c)]; };
  if (std::all_of(bytes.begin(), bytes.end(), [&](char c) { return token(c) >= 0; })) {
    for (const char c : bytes) ids->push_back(token(c));
  } else if (rules_.unknown.has_value()) {
    const bool after_unknown = ids->size() > word_begin && ids->back() == *rules_.unknown;
    if (!rules_.fuse_unknown || !after_unknown) ids->push_back(*rules_.unknown);
  } else {
    ids->insert(ids->end(), last_resort_.begin(), last_resort_.end());
  }
}

class MergeModel::MergeEncoder final : public WordModel::Encoder {
 public:
  explicit MergeEncoder(const MergeModel* model) : model_(*model), merger_(&model->rules_.merges) {}

  void Encode(absl::string_view word, std::vector<int32_t>* ids) override {
    word_begin_ = ids->size();
    const std::string& start = model_.rules_.word_start;
    size_t begin = 0;
    for (size_t at = 1; !start.empty() && at < word.size(); at += start.size()) {
      at = word.find(start, at);
      if (at == absl::string_view::npos) break;
      // A run of word starts belongs together.
      if (absl::EndsWith(word.substr(begin, at - begin), start)) continue;
      EncodeStretch(word.substr(begin, at - begin), ids);
      begin = at;
    }
    EncodeStretch(word.substr(begin), ids);
  }

  // Without looking for whole words.
  void Merge(absl::string_view word, std::vector<int32_t>* ids) {
    symbols_.clear();
    model_.Symbolize(word, &symbols_);
    merger_.Run(&symbols_);
    for (const Symbol& symbol : symbols_) {
      if (symbol.id >= 0 && symbol.id < model_.rules_.vocab_size) {
        ids->push_back(symbol.id);
      } else {
        model_.AppendFallback(word.substr(symbol.begin, symbol.end - symbol.begin), word_begin_,
                              ids);
      }
    }
  }

 private:
  void EncodeStretch(absl::string_view word, std::vector<int32_t>* ids) {
    if (word.size() <= model_.longest_whole_word_) {
      if (const auto id = model_.whole_words_.Find(word)) {
        ids->push_back(*id);
        return;
      }
    }
    while (word.size() > Merger::kMaxSymbols) {
      size_t cut = Merger::kMaxSymbols;
      while (cut > 1 && (static_cast<uint8_t>(word[cut]) & 0xC0) == 0x80) --cut;
      Merge(word.substr(0, cut), ids);
      word.remove_prefix(cut);
    }
    Merge(word, ids);
  }

  const MergeModel& model_;
  Merger merger_;
  std::vector<Symbol> symbols_;
  size_t word_begin_ = 0;
};

MergeModel::MergeModel(MergeRules rules, const std::vector<WholeWord>& candidates,
                       bool unconditionally)
    : rules_(std::move(rules)) {
  rules_.merges.ShrinkToFit();
  MergeEncoder encoder(this);
  std::vector<int32_t> ids;
  encoder.Merge(rules_.last_resort, &ids);
  last_resort_ = ids;
  for (const WholeWord& candidate : candidates) {
    if (candidate.word.empty()) continue;
    if (!unconditionally) {
      ids.clear();
      encoder.Merge(candidate.word, &ids);
      if (ids.size() != 1 || ids[0] != candidate.id) continue;
    }
    whole_words_.Add(candidate.word, candidate.id);
    longest_whole_word_ = std::max(longest_whole_word_, candidate.word.size());
  }
  whole_words_.ShrinkToFit();
}

std::unique_ptr<WordModel::Encoder> MergeModel::NewEncoder() const {
  return std::make_unique<MergeEncoder>(this);
}

}  // namespace quantd
