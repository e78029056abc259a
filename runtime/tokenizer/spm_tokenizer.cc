#include "runtime/tokenizer/spm_tokenizer.h"

#include <algorithm>
#include <functional>
#include <string>

#include "absl/strings/str_replace.h"
#include "kernels/base/status_macros.h"
#include "runtime/tokenizer/utf8.h"

namespace quantd {
namespace {

constexpr char kMetaSpace[] = "\xE2\x96\x81";  // U+2581, how the vocabulary spells a space

std::string WithSpaces(absl::string_view text) {
  return absl::StrReplaceAll(text, {{kMetaSpace, " "}});
}

bool HasInnerWordStart(absl::string_view text) {
  for (size_t i = 1; i < text.size(); ++i) {
    if (text[i] == ' ' && text[i - 1] != ' ') return true;
  }
  return false;
}

// The next character, or one byte of what is none.
size_t CharacterLength(absl::string_view text) {
  const Utf8Step step = NextUtf8(text);
  return step.valid ? step.length : 1;
}

uint32_t CharacterKey(absl::string_view character) {
  uint32_t key = 0;
  for (const char c : character) key = key << 8 | static_cast<uint8_t>(c);
  return key;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Tokenizer>> SpmTokenizer::Create(const GgufFile& file) {
  QUANTD_ASSIGN_OR_RETURN(const Vocabulary vocabulary, ReadVocabulary(file));
  for (const char* key : {"tokenizer.ggml.scores", "tokenizer.ggml.token_type"}) {
    if (file.Find(key) == nullptr) {
      return file.Error(key, "missing; a vocabulary of model llama needs it");
    }
  }
  QUANTD_ASSIGN_OR_RETURN(const std::optional<bool> add_space,
                          file.OptionalBool("tokenizer.ggml.add_space_prefix"));
  std::unique_ptr<SpmTokenizer> tokenizer(new SpmTokenizer());
  tokenizer->model_name_ = "llama";
  tokenizer->pre_name_ = "default";
  tokenizer->default_add_bos_ = vocabulary.add_bos.value_or(true);
  tokenizer->strips_leading_space_ = add_space.value_or(true);
  tokenizer->TakeVocabulary(vocabulary,
                            [](TokenType, absl::string_view text) { return WithSpaces(text); });
  const auto& bytes = tokenizer->byte_ids_;
  if (!tokenizer->unknown_ && std::find(bytes.begin(), bytes.end(), -1) != bytes.end()) {
    return file.Error("tokenizer.ggml.unknown_token_id",
                      "missing, and there is not a byte token for every byte; some texts would "
                      "have no encoding");
  }
  tokenizer->BuildMerges(vocabulary.scores);
  tokenizer->IndexWholeWords(/*unconditionally=*/false);
  return tokenizer;
}

int32_t& SpmTokenizer::CharacterSymbol(absl::string_view character) {
  const uint8_t first = static_cast<uint8_t>(character[0]);
  if (first < ascii_.size()) return ascii_[first];
  return characters_.try_emplace(CharacterKey(character), -1).first->second;
}

void SpmTokenizer::CutToken(int32_t id, uint32_t rank,
                            const absl::flat_hash_map<absl::string_view, int32_t>& tokens) {
  const absl::string_view text = token_bytes_[id];
  const auto symbol = [&](absl::string_view part) -> int32_t {
    if (const auto token = tokens.find(part); token != tokens.end()) return token->second;
    if (CharacterLength(part) != part.size()) return -1;
    int32_t& character = CharacterSymbol(part);
    if (character < 0) character = next_symbol_++;
    return character;
  };
  if (CharacterLength(text) == text.size()) {
    CharacterSymbol(text) = id;
    return;
  }
  for (size_t cut = CharacterLength(text); cut < text.size();
       cut += CharacterLength(text.substr(cut))) {
    const int32_t left = symbol(text.substr(0, cut)), right = symbol(text.substr(cut));
    if (left >= 0 && right >= 0) merges_.Add(left, right, {rank, id});
  }
}

void SpmTokenizer::BuildMerges(const std::vector<float>& scores) {
  absl::flat_hash_map<absl::string_view, int32_t> tokens;
  std::vector<float> ranking;
  for (int32_t id = 0; id < vocab_size(); ++id) {
    if (types_[id] != TokenType::kNormal || token_bytes_[id].empty()) continue;
    tokens.try_emplace(token_bytes_[id], id);
    ranking.push_back(scores[id]);
    if (HasInnerWordStart(token_bytes_[id])) words_start_at_spaces_ = false;
  }
  // Equal scores share a rank: among them the leftmost pair is joined first.
  std::sort(ranking.begin(), ranking.end(), std::greater<float>());
  ranking.erase(std::unique(ranking.begin(), ranking.end()), ranking.end());
  next_symbol_ = vocab_size();
  for (int32_t id = 0; id < vocab_size(); ++id) {
    const auto token = tokens.find(token_bytes_[id]);
    if (token == tokens.end() || token->second != id) continue;
    const auto rank =
        std::lower_bound(ranking.begin(), ranking.end(), scores[id], std::greater<float>());
    CutToken(id, static_cast<uint32_t>(rank - ranking.begin()), tokens);
  }
}

void SpmTokenizer::Symbolize(absl::string_view word, std::vector<Symbol>* symbols) const {
  for (size_t at = 0; at < word.size();) {
    const uint8_t first = static_cast<uint8_t>(word[at]);
    size_t length = 1;
    int32_t id = -1;
    if (first < ascii_.size()) {
      id = ascii_[first];
    } else {
      length = CharacterLength(word.substr(at));
      const auto found = characters_.find(CharacterKey(word.substr(at, length)));
      if (found != characters_.end()) id = found->second;
    }
    symbols->push_back({id, static_cast<uint32_t>(at), static_cast<uint32_t>(at + length)});
    at += length;
  }
}

void SpmTokenizer::EncodeText(absl::string_view text, bool first, std::vector<int32_t>* ids) const {
  std::string spaced = first && strips_leading_space_ ? " " : "";
  spaced += WithSpaces(text);
  Scratch scratch(&merges_);
  const absl::string_view all = spaced;
  size_t begin = 0;
  if (words_start_at_spaces_) {
    for (size_t at = 1; at < all.size(); ++at) {
      if (all[at] != ' ' || all[at - 1] == ' ') continue;
      EncodeWord(all.substr(begin, at - begin), &scratch, ids);
      begin = at;
    }
  }
  EncodeWord(all.substr(begin), &scratch, ids);
}

}  // namespace quantd
