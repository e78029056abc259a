#include "runtime/tokenizer/sentencepiece.h"

#include <algorithm>
#include <functional>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "runtime/tokenizer/merge_model.h"
#include "runtime/tokenizer/unigram_model.h"
#include "runtime/tokenizer/utf8.h"
#include "runtime/tokenizer/vocabulary_parts.h"

namespace quantd {
namespace {

constexpr char kMetaSpace[] = "\xE2\x96\x81";  // U+2581, how the vocabulary spells a space

std::string WithSpaces(absl::string_view text) {
  return absl::StrReplaceAll(text, {{kMetaSpace, " "}});
}

// The next character, or one byte of what is none: tokens may hold anything.
size_t CharacterLength(absl::string_view text) {
  const Utf8Step step = NextUtf8(text);
  return step.valid ? step.length : 1;
}

// Takes the next rule's string, or the next character, off `rest` and gives what becomes of it.
absl::string_view TakeNormalized(const Charsmap* charsmap, absl::string_view* rest) {
  if (charsmap != nullptr) {
    if (const auto rule = charsmap->Longest(*rest)) {
      rest->remove_prefix(rule->length);
      return rule->replacement;
    }
  }
  const absl::string_view character = rest->substr(0, NextUtf8(*rest).length);
  rest->remove_prefix(character.size());
  return character;
}

void Prepare(const SentencePieceRules& rules, bool first, std::string* text) {
  const bool squeeze = rules.remove_extra_whitespaces;
  std::string out;
  out.reserve(text->size() + 1);
  bool after_space = squeeze;  // and further spaces are dropped
  for (absl::string_view rest = *text; !rest.empty();) {
    absl::string_view piece = TakeNormalized(rules.charsmap.get(), &rest);
    while (after_space && absl::ConsumePrefix(&piece, " ")) continue;
    if (piece.empty()) continue;
    out.append(piece.data(), piece.size());
    after_space = squeeze && piece.back() == ' ';
  }
  out = WithSpaces(out);
  if (squeeze) out.resize(out.find_last_not_of(' ') + 1);
  // A text that is all white space stays empty.
  if (first && rules.add_dummy_prefix && !out.empty()) out = absl::StrCat(" ", out);
  *text = std::move(out);
}

// Derives merges from tokens with scores: each way to cut a token in two that are symbols is one.
class ScoreMerges {
 public:
  ScoreMerges(const TokenizerParts& parts, const std::vector<float>& scores, MergeRules* rules)
      : parts_(parts), scores_(scores), rules_(*rules) {}

  void Build() {
    std::vector<float> ranking;
    for (int32_t id = 0; id < rules_.vocab_size; ++id) {
      if (!IsPiece(id)) continue;
      tokens_.try_emplace(parts_.token_bytes[id], id);
      ranking.push_back(scores_[id]);
      if (HasInnerWordStart(parts_.token_bytes[id], " ")) rules_.word_start.clear();
    }
    // Equal scores share a rank: among them the leftmost pair is joined first.
    std::sort(ranking.begin(), ranking.end(), std::greater<float>());
    ranking.erase(std::unique(ranking.begin(), ranking.end()), ranking.end());
    next_symbol_ = rules_.vocab_size;
    for (int32_t id = 0; id < rules_.vocab_size; ++id) {
      const auto token = tokens_.find(parts_.token_bytes[id]);
      if (token == tokens_.end() || token->second != id) continue;
      const auto rank =
          std::lower_bound(ranking.begin(), ranking.end(), scores_[id], std::greater<float>());
      CutToken(id, static_cast<uint32_t>(rank - ranking.begin()));
    }
  }

 private:
  bool IsPiece(int32_t id) const {
    return parts_.types[id] == TokenType::kNormal && !parts_.token_bytes[id].empty();
  }

  // The symbol of a part: the token of that text, or, for a character that is none, a number past
  // the vocabulary. -1 when it is neither.
  int32_t SymbolOf(absl::string_view part) {
    const auto token = tokens_.find(part);
    if (token != tokens_.end()) return token->second;
    const Utf8Step step = NextUtf8(part);
    if (!step.valid || step.length != part.size()) return -1;
    SymbolTable& symbols = rules_.symbols[0];
    if (symbols.Find(DecodeUtf8(part)) < 0) symbols.Set(DecodeUtf8(part), next_symbol_++);
    return symbols.Find(DecodeUtf8(part));
  }

  void CutToken(int32_t id, uint32_t rank) {
    const absl::string_view text = parts_.token_bytes[id];
    const Utf8Step step = NextUtf8(text);
    if (step.valid && step.length == text.size()) {
      rules_.symbols[0].Set(DecodeUtf8(text), id);
      return;
    }
    for (size_t cut = CharacterLength(text); cut < text.size();
         cut += CharacterLength(text.substr(cut))) {
      const int32_t left = SymbolOf(text.substr(0, cut)), right = SymbolOf(text.substr(cut));
      if (left >= 0 && right >= 0) rules_.merges.Add(left, right, {rank, id});
    }
  }

  const TokenizerParts& parts_;
  const std::vector<float>& scores_;
  MergeRules& rules_;
  absl::flat_hash_map<absl::string_view, int32_t> tokens_;
  int32_t next_symbol_ = 0;
};

// What the two models share.
TokenizerParts PartsOf(const Vocabulary& vocabulary, const SentencePieceRules& rules) {
  TokenizerParts parts = PartsOfVocabulary(
      vocabulary, [](TokenType, absl::string_view text) { return WithSpaces(text); });
  parts.pre_name = "default";
  parts.normalizers.push_back(MakeSentencePieceNormalizer(rules));
  if (rules.add_dummy_prefix) {
    parts.start_bytes = [](const Tokenizer& tokenizer, int32_t id) {
      std::string bytes = tokenizer.TokenBytes(id);
      // A user-defined token is cut out of the text as it stands there; it got no dummy space.
      const bool plain = !bytes.empty() && tokenizer.type(id) != TokenType::kUserDefined;
      if (plain && bytes[0] == ' ') bytes.erase(0, 1);
      return bytes;
    };
  }
  return parts;
}

}  // namespace

Normalizer MakeSentencePieceNormalizer(const SentencePieceRules& rules) {
  return [rules](bool first, std::string* text) { Prepare(rules, first, text); };
}

TokenizerParts MakeScoreMergeParts(const Vocabulary& vocabulary, const SentencePieceRules& rules) {
  TokenizerParts parts = PartsOf(vocabulary, rules);
  MergeRules merges;
  merges.vocab_size = static_cast<int32_t>(parts.types.size());
  merges.byte_tokens = ByteTokens(vocabulary);
  merges.unknown = vocabulary.unknown;
  merges.word_start.assign(1, ' ');
  ScoreMerges(parts, vocabulary.scores, &merges).Build();
  std::vector<MergeModel::WholeWord> words;
  for (int32_t id = 0; id < merges.vocab_size; ++id) {
    if (parts.types[id] == TokenType::kNormal) words.push_back({parts.token_bytes[id], id});
  }
  parts.model = std::make_unique<MergeModel>(std::move(merges), words, /*unconditionally=*/false);
  return parts;
}

TokenizerParts MakeUnigramParts(const Vocabulary& vocabulary, const SentencePieceRules& rules) {
  TokenizerParts parts = PartsOf(vocabulary, rules);
  UnigramRules unigram;
  unigram.byte_tokens = ByteTokens(vocabulary);
  unigram.unknown = vocabulary.unknown;
  unigram.lowest_score = std::numeric_limits<float>::max();
  for (int32_t id = 0; id < static_cast<int32_t>(parts.types.size()); ++id) {
    if (parts.types[id] != TokenType::kNormal) continue;
    const double score = vocabulary.scores[id];
    unigram.lowest_score = std::min(unigram.lowest_score, score);
    unigram.pieces.push_back({parts.token_bytes[id], id, score});
  }
  parts.model = std::make_unique<UnigramModel>(unigram);
  return parts;
}

}  // namespace quantd
