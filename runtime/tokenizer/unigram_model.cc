#include "runtime/tokenizer/unigram_model.h"

#include <algorithm>
#include <limits>

#include "kernels/base/check.h"
#include "runtime/tokenizer/utf8.h"

namespace quantd {
namespace {

constexpr double kUnknownPenalty = 10.0;
constexpr int32_t kUnknownPiece = -1;
// Positions take 32 bits.
constexpr size_t kLongestWord = size_t{1} << 30;

}  // namespace

UnigramModel::UnigramModel(const UnigramRules& rules)
    : unknown_score_(rules.lowest_score - kUnknownPenalty),
      byte_tokens_(rules.byte_tokens),
      all_bytes_(std::all_of(byte_tokens_.begin(), byte_tokens_.end(),
                             [](int32_t id) { return id >= 0; })),
      unknown_(rules.unknown) {
  std::vector<ByteTrie::Entry> entries;
  for (const UnigramRules::Piece& piece : rules.pieces) {
    entries.emplace_back(piece.text, static_cast<int32_t>(ids_.size()));
    ids_.push_back(piece.id);
    scores_.push_back(piece.score);
  }
  trie_ = ByteTrie(std::move(entries));
}

class UnigramModel::UnigramEncoder final : public WordModel::Encoder {
 public:
  explicit UnigramEncoder(const UnigramModel* model) : model_(*model) {}

  void Encode(absl::string_view word, std::vector<int32_t>* ids) override {
    while (word.size() > kLongestWord) {
      size_t cut = kLongestWord;
      while ((static_cast<uint8_t>(word[cut]) & 0xC0) == 0x80) --cut;
      EncodePart(word.substr(0, cut), ids);
      word.remove_prefix(cut);
    }
    EncodePart(word, ids);
  }

 private:
  // The best way to cut the text up to some place.
  struct Best {
    double score = -std::numeric_limits<double>::infinity();
    int32_t piece = kUnknownPiece;  // the last one
    uint32_t begin = kNowhere;      // where that begins
  };
  static constexpr uint32_t kNowhere = std::numeric_limits<uint32_t>::max();

  void Propose(size_t begin, size_t end, int32_t piece, double piece_score) {
    Best& best = best_[end];
    const double score = best_[begin].score + piece_score;
    if (best.begin == kNowhere || score > best.score) {
      best = {score, piece, static_cast<uint32_t>(begin)};
    }
  }

  void EncodePart(absl::string_view word, std::vector<int32_t>* ids) {
    best_.assign(word.size() + 1, Best());
    best_[0].score = 0;
    for (size_t begin = 0; begin < word.size();) {
      const size_t character = NextUtf8(word.substr(begin)).length;
      bool whole_character = false;
      uint32_t node = ByteTrie::kRoot;
      for (size_t at = begin; at < word.size() && model_.trie_.Step(word[at], &node); ++at) {
        const int32_t piece = model_.trie_.value(node);
        if (piece == ByteTrie::kNoValue) continue;
        Propose(begin, at + 1, piece, model_.scores_[piece]);
        whole_character = whole_character || at + 1 - begin == character;
      }
      if (!whole_character) {
        Propose(begin, begin + character, kUnknownPiece, model_.unknown_score_);
      }
      begin += character;
    }
    path_.clear();
    for (size_t end = word.size(); end > 0; end = best_[end].begin) path_.push_back(end);
    size_t begin = 0;
    bool after_unknown = false;
    for (size_t i = path_.size(); i-- > 0; begin = path_[i]) {
      const int32_t piece = best_[path_[i]].piece;
      if (piece != kUnknownPiece) {
        ids->push_back(model_.ids_[piece]);
      } else {
        AppendUnknown(word.substr(begin, path_[i] - begin), after_unknown, ids);
      }
      after_unknown = piece == kUnknownPiece;
    }
  }

  void AppendUnknown(absl::string_view character, bool after_unknown, std::vector<int32_t>* ids) {
    if (model_.all_bytes_) {
      for (const char c : character) ids->push_back(model_.byte_tokens_[static_cast<uint8_t>(c)]);
    } else if (model_.unknown_.has_value() && !after_unknown) {
      ids->push_back(*model_.unknown_);
    }
  }

  const UnigramModel& model_;
  std::vector<Best> best_;    // [place]
  std::vector<size_t> path_;  // ends of the pieces, last first
};

std::unique_ptr<WordModel::Encoder> UnigramModel::NewEncoder() const {
  return std::make_unique<UnigramEncoder>(this);
}

}  // namespace quantd
