#include "runtime/tokenizer/bpe_tokenizer.h"

#include <array>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "kernels/base/status_macros.h"
#include "runtime/tokenizer/utf8.h"

namespace quantd {
namespace {

constexpr char kPreKey[] = "tokenizer.ggml.pre";
constexpr char kMergesKey[] = "tokenizer.ggml.merges";

// GPT-2's alphabet: the printable characters of Latin-1 are their own byte, the other bytes are
// numbered from U+0100 in order. [character] = byte, or -1.
constexpr size_t kAlphabetEnd = 0x144;
std::array<int16_t, kAlphabetEnd> MakeAlphabet() {
  std::array<int16_t, kAlphabetEnd> bytes;
  bytes.fill(-1);
  size_t next = 0x100;
  for (int16_t byte = 0; byte < 256; ++byte) {
    const bool printable =
        (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
    bytes[printable ? static_cast<size_t>(byte) : next++] = byte;
  }
  return bytes;
}

using TokensByText = absl::flat_hash_map<absl::string_view, int32_t>;

// Merges speak of tokens by text. Normal tokens come first where a text occurs twice.
TokensByText IndexTexts(const Vocabulary& vocabulary) {
  TokensByText tokens;
  const int32_t count = static_cast<int32_t>(vocabulary.texts.size());
  for (const bool normal : {true, false}) {
    for (int32_t id = 0; id < count; ++id) {
      if ((vocabulary.types[id] == TokenType::kNormal) == normal) {
        tokens.try_emplace(vocabulary.texts[id], id);
      }
    }
  }
  return tokens;
}

}  // namespace

std::string BytesOfBpeText(absl::string_view text) {
  static const std::array<int16_t, kAlphabetEnd> alphabet = MakeAlphabet();
  std::string bytes;
  for (size_t at = 0; at < text.size();) {
    const Utf8Step step = NextUtf8(text.substr(at));
    const absl::string_view character = text.substr(at, step.length);
    const char32_t code = step.valid ? DecodeUtf8(character) : kAlphabetEnd;
    if (code < kAlphabetEnd && alphabet[code] >= 0) {
      bytes.push_back(static_cast<char>(alphabet[code]));
    } else {
      bytes.append(character.data(), character.size());
    }
    at += step.length;
  }
  return bytes;
}

absl::StatusOr<std::unique_ptr<Tokenizer>> BpeTokenizer::Create(const GgufFile& file) {
  QUANTD_ASSIGN_OR_RETURN(const Vocabulary vocabulary, ReadVocabulary(file));
  QUANTD_ASSIGN_OR_RETURN(const auto pre, file.OptionalString(kPreKey));
  const absl::string_view pre_name = pre.value_or("default");
  const PreTokenizerRule* rule = FindPreTokenizerRule(pre_name);
  if (rule == nullptr) {
    return absl::UnimplementedError(
        absl::StrCat(file.path(), ": ", kPreKey, ": '", pre_name.substr(0, 64),
                     "' is not known; known are ", KnownPreTokenizers()));
  }
  std::unique_ptr<BpeTokenizer> tokenizer(new BpeTokenizer());
  QUANTD_ASSIGN_OR_RETURN(tokenizer->pre_, PreTokenizer::Create(*rule));
  tokenizer->model_name_ = "gpt2";
  tokenizer->pre_name_ = std::string(pre_name);
  tokenizer->default_add_bos_ = vocabulary.add_bos.value_or(rule->add_bos);
  tokenizer->TakeVocabulary(vocabulary, [](TokenType type, absl::string_view text) {
    // Added tokens are spelled as they appear in the text.
    return type == TokenType::kUserDefined ? std::string(text) : BytesOfBpeText(text);
  });
  tokenizer->FindByteTokens(vocabulary);
  QUANTD_RETURN_IF_ERROR(tokenizer->ReadMerges(file, vocabulary));
  tokenizer->IndexWholeWords(rule->whole_words);
  return tokenizer;
}

void BpeTokenizer::FindByteTokens(const Vocabulary& vocabulary) {
  for (int32_t id = 0; id < vocab_size(); ++id) {
    if (types_[id] != TokenType::kNormal || token_bytes_[id].size() != 1) continue;
    int32_t& slot = byte_ids_[static_cast<uint8_t>(token_bytes_[id][0])];
    if (slot < 0) slot = id;
  }
}

absl::Status BpeTokenizer::ReadMerges(const GgufFile& file, const Vocabulary& vocabulary) {
  QUANTD_ASSIGN_OR_RETURN(const GgufArray* merges, file.OptionalStringArray(kMergesKey));
  if (merges == nullptr) {
    return file.Error(kMergesKey, "missing; a vocabulary of model gpt2 needs it");
  }
  if (merges->count >= UINT32_MAX) return file.Error(kMergesKey, "more than 2^32 - 2 merges");
  const TokensByText tokens = IndexTexts(vocabulary);
  const auto find = [&](absl::string_view text) {
    const auto token = tokens.find(text);
    return token == tokens.end() ? -1 : token->second;
  };
  for (uint32_t rank = 0; rank < merges->count; ++rank) {
    const absl::string_view merge = merges->strings[rank];
    const size_t space = merge.find(' ', 1);
    if (space == absl::string_view::npos || space + 1 == merge.size()) {
      return file.Error(kMergesKey, absl::StrCat("merge ", rank, " is not two parts and a space"));
    }
    const absl::string_view left = merge.substr(0, space), right = merge.substr(space + 1);
    const int32_t left_id = find(left), right_id = find(right);
    const int32_t result = find(absl::StrCat(left, right));
    if (left_id < 0 || right_id < 0 || result < 0) {
      return file.Error(kMergesKey, absl::StrCat("merge ", rank,
                                                 " names a part, or makes a token, "
                                                 "that the vocabulary does not have"));
    }
    // Control tokens never come out of text.
    if (types_[result] != TokenType::kControl) merges_.Add(left_id, right_id, {rank, result});
  }
  return absl::OkStatus();
}

void BpeTokenizer::Symbolize(absl::string_view word, std::vector<Symbol>* symbols) const {
  for (uint32_t at = 0; at < word.size(); ++at) {
    symbols->push_back({byte_ids_[static_cast<uint8_t>(word[at])], at, at + 1});
  }
}

void BpeTokenizer::EncodeText(absl::string_view text, bool first, std::vector<int32_t>* ids) const {
  Scratch scratch(&merges_);
  for (const absl::string_view word : pre_->Split(text)) EncodeWord(word, &scratch, ids);
}

}  // namespace quantd
