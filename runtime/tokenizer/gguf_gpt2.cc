#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "kernels/base/status_macros.h"
#include "runtime/tokenizer/byte_alphabet.h"
#include "runtime/tokenizer/gguf_tokenizer_keys.h"
#include "runtime/tokenizer/gguf_tokenizers.h"
#include "runtime/tokenizer/merge_model.h"
#include "runtime/tokenizer/pre_tokenizer_rules.h"
#include "runtime/tokenizer/utf8.h"
#include "runtime/tokenizer/vocabulary_parts.h"

namespace quantd {
namespace {

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

absl::Status ReadMerges(const GgufFile& file, const Vocabulary& vocabulary, MergeTable* table) {
  QUANTD_ASSIGN_OR_RETURN(const GgufArray* merges,
                          file.OptionalStringArray(gguf_tokenizer::kMerges));
  if (merges == nullptr) {
    return file.Error(gguf_tokenizer::kMerges, "missing; a vocabulary of model gpt2 needs it");
  }
  if (merges->count >= UINT32_MAX)
    return file.Error(gguf_tokenizer::kMerges, "more than 2^32 - 2 merges");
  const TokensByText tokens = IndexTexts(vocabulary);
  const auto find = [&](absl::string_view text) {
    const auto token = tokens.find(text);
    return token == tokens.end() ? -1 : token->second;
  };
  for (uint32_t rank = 0; rank < merges->count; ++rank) {
    const absl::string_view merge = merges->strings[rank];
    const size_t space = merge.find(' ', 1);
    if (space == absl::string_view::npos || space + 1 == merge.size()) {
      return file.Error(gguf_tokenizer::kMerges,
                        absl::StrCat("merge ", rank, " is not two parts and a space"));
    }
    const absl::string_view left = merge.substr(0, space), right = merge.substr(space + 1);
    const int32_t left_id = find(left), right_id = find(right);
    const int32_t result = find(absl::StrCat(left, right));
    if (left_id < 0 || right_id < 0 || result < 0) {
      return file.Error(gguf_tokenizer::kMerges, absl::StrCat("merge ", rank,
                                                              " names a part, or makes a token, "
                                                              "that the vocabulary does not have"));
    }
    // Control tokens never come out of text.
    if (vocabulary.types[result] != TokenType::kControl) {
      table->Add(left_id, right_id, {rank, result});
    }
  }
  return absl::OkStatus();
}

// Every normal token of one byte is the symbol of that byte, and what it falls back to.
void SetByteSymbols(const TokenizerParts& parts, MergeRules* rules) {
  for (int32_t id = 0; id < rules->vocab_size; ++id) {
    if (parts.types[id] != TokenType::kNormal || parts.token_bytes[id].size() != 1) continue;
    const uint8_t byte = static_cast<uint8_t>(parts.token_bytes[id][0]);
    if (rules->byte_tokens[byte] < 0) rules->byte_tokens[byte] = id;
  }
  for (uint32_t byte = 0; byte < 256; ++byte) {
    rules->symbols[0].Set(byte, rules->byte_tokens[byte]);
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<Tokenizer>> MakeGgufGpt2(const GgufFile& file) {
  QUANTD_ASSIGN_OR_RETURN(const Vocabulary vocabulary, ReadVocabulary(file));
  QUANTD_ASSIGN_OR_RETURN(const auto pre, file.OptionalString(gguf_tokenizer::kPre));
  const absl::string_view pre_name = pre.value_or("default");
  const PreTokenizerRule* rule = FindPreTokenizerRule(pre_name);
  if (rule == nullptr) {
    return absl::UnimplementedError(
        absl::StrCat(file.path(), ": ", gguf_tokenizer::kPre, ": '", pre_name.substr(0, 64),
                     "' is not known; known are ", KnownPreTokenizers()));
  }
  TokenizerParts parts = PartsOfVocabulary(vocabulary, [](TokenType type, absl::string_view text) {
    // Added tokens are spelled as they appear in the text.
    return type == TokenType::kUserDefined ? std::string(text) : BytesOfSpelling(text);
  });
  parts.model_name = gguf_tokenizer::kModelMerges;
  parts.pre_name = std::string(pre_name);
  parts.add_bos = vocabulary.add_bos.value_or(rule->add_bos);
  QUANTD_ASSIGN_OR_RETURN(parts.pre_tokenizer, MakePreTokenizer(*rule));

  MergeRules rules;
  rules.unit = MergeRules::Unit::kByte;
  rules.vocab_size = static_cast<int32_t>(parts.types.size());
  rules.byte_tokens = ByteTokens(vocabulary);
  rules.unknown = vocabulary.unknown;
  SetByteSymbols(parts, &rules);
  QUANTD_RETURN_IF_ERROR(ReadMerges(file, vocabulary, &rules.merges));
  rules.last_resort = kReplacementCharacter;
  std::vector<MergeModel::WholeWord> words;
  for (int32_t id = 0; id < rules.vocab_size; ++id) {
    if (parts.types[id] == TokenType::kNormal) words.push_back({parts.token_bytes[id], id});
  }
  parts.model = std::make_unique<MergeModel>(std::move(rules), words, rule->whole_words);
  return MakeTokenizer(std::move(parts));
}

}  // namespace quantd
