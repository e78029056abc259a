#include "runtime/tokenizer/vocabulary.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "kernels/base/status_macros.h"
#include "runtime/tokenizer/gguf_tokenizer_keys.h"

namespace quantd {
namespace {

using gguf_tokenizer::kScores;
using gguf_tokenizer::kTokens;
using gguf_tokenizer::kTypes;
// Far above any published token. Loading takes time quadratic in a token's length.
constexpr size_t kLongestToken = 1024;

// Control tokens by which the chat formats in use end a turn, for files that name no EOT.
constexpr absl::string_view kEndNames[] = {
    "<|eot_id|>",    "<|eom_id|>",
    "<|im_end|>",    "<|end|>",
    "<|endoftext|>", "<|end_of_text|>",
    "<end_of_turn>", "<|END_OF_TURN_TOKEN|>",
    "<|return|>",    "<|call|>",
    "<EOT>",         "<|EOT|>",
    "<|eot|>",       "<｜end▁of▁sentence｜>",
};

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

absl::Status ReadTexts(const GgufFile& file, Vocabulary* vocabulary) {
  QUANTD_ASSIGN_OR_RETURN(const GgufArray* tokens, file.OptionalStringArray(kTokens));
  if (tokens == nullptr) {
    return file.Error(kTokens, "missing; the file holds no vocabulary");
  }
  if (tokens->count == 0) return file.Error(kTokens, "the vocabulary is empty");
  if (tokens->count > static_cast<uint64_t>(std::numeric_limits<int32_t>::max())) {
    return file.Error(kTokens, absl::StrCat(tokens->count, " tokens; ids take 31 bits"));
  }
  for (size_t i = 0; i < tokens->strings.size(); ++i) {
    if (tokens->strings[i].size() > kLongestToken) {
      return file.Error(kTokens, absl::StrCat("token ", i, " has ", tokens->strings[i].size(),
                                              " bytes; at most ", kLongestToken, " are read"));
    }
  }
  vocabulary->texts = tokens->strings;
  return absl::OkStatus();
}

// Absent, every token is a normal one.
absl::Status ReadTypes(const GgufFile& file, Vocabulary* vocabulary) {
  QUANTD_ASSIGN_OR_RETURN(const auto types, file.OptionalIntArray(kTypes));
  const size_t count = vocabulary->texts.size();
  vocabulary->types.assign(count, TokenType::kNormal);
  if (!types.has_value()) return absl::OkStatus();
  if (types->size() != count) {
    return file.Error(kTypes, absl::StrCat(types->size(), " types for ", count, " tokens"));
  }
  for (size_t i = 0; i < count; ++i) {
    const int32_t type = (*types)[i];
    if (type < static_cast<int32_t>(TokenType::kNormal) ||
        type > static_cast<int32_t>(TokenType::kByte)) {
      return file.Error(kTypes, absl::StrCat("token ", i, " has type ", type, "; 1 to 6 exist"));
    }
    vocabulary->types[i] = static_cast<TokenType>(type);
    if (vocabulary->types[i] == TokenType::kByte && !ParseByteToken(vocabulary->texts[i])) {
      return file.Error(kTokens,
                        absl::StrCat("byte token ", i, " is not of the form <0x00> to <0xFF>"));
    }
  }
  return absl::OkStatus();
}

absl::Status ReadScores(const GgufFile& file, Vocabulary* vocabulary) {
  QUANTD_ASSIGN_OR_RETURN(auto scores, file.OptionalFloatArray(kScores));
  if (!scores.has_value()) return absl::OkStatus();
  if (scores->size() != vocabulary->texts.size()) {
    return file.Error(
        kScores, absl::StrCat(scores->size(), " scores for ", vocabulary->texts.size(), " tokens"));
  }
  for (size_t i = 0; i < scores->size(); ++i) {
    // NaN has no place in an order, and the scores are one.
    if (std::isnan((*scores)[i])) {
      return file.Error(kScores, absl::StrCat("the score of token ", i, " is no number"));
    }
  }
  vocabulary->scores = *std::move(scores);
  return absl::OkStatus();
}

std::optional<int32_t> FindToken(const Vocabulary& vocabulary, absl::string_view text,
                                 TokenType type) {
  for (size_t i = 0; i < vocabulary.texts.size(); ++i) {
    if (vocabulary.types[i] == type && vocabulary.texts[i] == text) return static_cast<int32_t>(i);
  }
  return std::nullopt;
}

absl::Status ReadSpecialIds(const GgufFile& file, Vocabulary* vocabulary) {
  const size_t count = vocabulary->texts.size();
  QUANTD_ASSIGN_OR_RETURN(vocabulary->bos, ReadTokenId(file, gguf_tokenizer::kBosId, count));
  QUANTD_ASSIGN_OR_RETURN(vocabulary->eos, ReadTokenId(file, gguf_tokenizer::kEosId, count));
  QUANTD_ASSIGN_OR_RETURN(vocabulary->unknown,
                          ReadTokenId(file, gguf_tokenizer::kUnknownId, count));
  QUANTD_ASSIGN_OR_RETURN(const auto eot, ReadTokenId(file, gguf_tokenizer::kEotId, count));
  QUANTD_ASSIGN_OR_RETURN(const auto eom, ReadTokenId(file, gguf_tokenizer::kEomId, count));
  CompleteSpecialIds({eot, eom}, vocabulary);
  // A file without types cannot say that these are control tokens, but they never are text.
  if (file.Find(kTypes) == nullptr) {
    if (vocabulary->bos) vocabulary->types[*vocabulary->bos] = TokenType::kControl;
    for (const int32_t id : vocabulary->end_ids) vocabulary->types[id] = TokenType::kControl;
  }
  return absl::OkStatus();
}

}  // namespace

void CompleteSpecialIds(std::initializer_list<std::optional<int32_t>> more_ends,
                        Vocabulary* vocabulary) {
  if (!vocabulary->bos) vocabulary->bos = FindToken(*vocabulary, "<s>", TokenType::kControl);
  if (!vocabulary->eos) vocabulary->eos = FindToken(*vocabulary, "</s>", TokenType::kControl);
  if (!vocabulary->unknown) {
    const auto unknown =
        std::find(vocabulary->types.begin(), vocabulary->types.end(), TokenType::kUnknown);
    if (unknown != vocabulary->types.end()) {
      vocabulary->unknown = static_cast<int32_t>(unknown - vocabulary->types.begin());
    }
  }
  const auto add_end = [&](std::optional<int32_t> id) {
    std::vector<int32_t>& ends = vocabulary->end_ids;
    if (id && std::find(ends.begin(), ends.end(), *id) == ends.end()) ends.push_back(*id);
  };
  add_end(vocabulary->eos);
  for (const std::optional<int32_t>& end : more_ends) add_end(end);
  for (const absl::string_view name : kEndNames) {
    add_end(FindToken(*vocabulary, name, TokenType::kControl));
  }
}

absl::StatusOr<std::optional<int32_t>> ReadTokenId(const GgufFile& file, const char* key,
                                                   size_t vocab_size) {
  QUANTD_ASSIGN_OR_RETURN(const std::optional<uint64_t> id, file.OptionalUint(key));
  if (!id.has_value()) return std::optional<int32_t>();
  if (*id >= vocab_size) {
    return file.Error(key, absl::StrCat("id ", *id, " in a vocabulary of ", vocab_size));
  }
  return std::optional<int32_t>(static_cast<int32_t>(*id));
}

bool IsEndName(absl::string_view text) {
  return std::find(std::begin(kEndNames), std::end(kEndNames), text) != std::end(kEndNames);
}

std::optional<uint8_t> ParseByteToken(absl::string_view text) {
  if (text.size() != 6 || text.substr(0, 3) != "<0x" || text[5] != '>') return std::nullopt;
  const int high = HexDigit(text[3]), low = HexDigit(text[4]);
  if (high < 0 || low < 0) return std::nullopt;
  return static_cast<uint8_t>(high << 4 | low);
}

absl::StatusOr<Vocabulary> ReadVocabulary(const GgufFile& file) {
  Vocabulary vocabulary;
  QUANTD_RETURN_IF_ERROR(ReadTexts(file, &vocabulary));
  QUANTD_RETURN_IF_ERROR(ReadTypes(file, &vocabulary));
  QUANTD_RETURN_IF_ERROR(ReadScores(file, &vocabulary));
  QUANTD_RETURN_IF_ERROR(ReadSpecialIds(file, &vocabulary));
  QUANTD_ASSIGN_OR_RETURN(vocabulary.add_bos, file.OptionalBool(gguf_tokenizer::kAddBos));
  QUANTD_ASSIGN_OR_RETURN(vocabulary.add_eos, file.OptionalBool(gguf_tokenizer::kAddEos));
  return vocabulary;
}

}  // namespace quantd
