#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "kernels/base/status_macros.h"
#include "runtime/tokenizer/gguf_tokenizer_keys.h"
#include "runtime/tokenizer/gguf_tokenizers.h"
#include "runtime/tokenizer/sentencepiece.h"
#include "runtime/tokenizer/vocabulary_parts.h"

namespace quantd {
namespace {

absl::StatusOr<Vocabulary> ReadScoredVocabulary(const GgufFile& file, const char* model) {
  QUANTD_ASSIGN_OR_RETURN(Vocabulary vocabulary, ReadVocabulary(file));
  for (const char* key : {gguf_tokenizer::kScores, gguf_tokenizer::kTypes}) {
    if (file.Find(key) == nullptr) {
      return file.Error(key, std::string("missing; a vocabulary of model ") + model + " needs it");
    }
  }
  const auto bytes = ByteTokens(vocabulary);
  if (!vocabulary.unknown && std::find(bytes.begin(), bytes.end(), -1) != bytes.end()) {
    return file.Error(gguf_tokenizer::kUnknownId,
                      "missing, and there is not a byte token for every byte; some texts would "
                      "have no encoding");
  }
  return vocabulary;
}

absl::StatusOr<std::shared_ptr<const Charsmap>> ReadCharsmap(const GgufFile& file) {
  const GgufKeyValue* entry = file.Find(gguf_tokenizer::kCharsmap);
  if (entry == nullptr) return nullptr;
  const GgufArray* array = std::get_if<GgufArray>(&entry->value);
  if (array == nullptr || (array->element != GgufType::kU8 && array->element != GgufType::kI8)) {
    return file.Error(gguf_tokenizer::kCharsmap, "is no array of bytes");
  }
  if (array->count == 0) return nullptr;
  auto charsmap =
      Charsmap::Parse(absl::string_view(reinterpret_cast<const char*>(array->data), array->count));
  if (!charsmap.ok()) return file.Error(gguf_tokenizer::kCharsmap, charsmap.status().message());
  return std::make_shared<const Charsmap>(*std::move(charsmap));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Tokenizer>> MakeGgufLlama(const GgufFile& file) {
  QUANTD_ASSIGN_OR_RETURN(const Vocabulary vocabulary,
                          ReadScoredVocabulary(file, gguf_tokenizer::kModelScores));
  QUANTD_ASSIGN_OR_RETURN(const std::optional<bool> add_space,
                          file.OptionalBool(gguf_tokenizer::kAddSpacePrefix));
  SentencePieceRules rules;
  rules.add_dummy_prefix = add_space.value_or(true);
  TokenizerParts parts = MakeScoreMergeParts(vocabulary, rules);
  parts.model_name = gguf_tokenizer::kModelScores;
  parts.add_bos = vocabulary.add_bos.value_or(true);
  return MakeTokenizer(std::move(parts));
}

absl::StatusOr<std::unique_ptr<Tokenizer>> MakeGgufT5(const GgufFile& file) {
  QUANTD_ASSIGN_OR_RETURN(const Vocabulary vocabulary,
                          ReadScoredVocabulary(file, gguf_tokenizer::kModelUnigram));
  QUANTD_ASSIGN_OR_RETURN(const std::optional<bool> add_space,
                          file.OptionalBool(gguf_tokenizer::kAddSpacePrefix));
  QUANTD_ASSIGN_OR_RETURN(const std::optional<bool> squeeze,
                          file.OptionalBool(gguf_tokenizer::kRemoveExtraWhitespaces));
  SentencePieceRules rules;
  rules.add_dummy_prefix = add_space.value_or(false);
  rules.remove_extra_whitespaces = squeeze.value_or(false);
  QUANTD_ASSIGN_OR_RETURN(rules.charsmap, ReadCharsmap(file));
  TokenizerParts parts = MakeUnigramParts(vocabulary, rules);
  parts.model_name = gguf_tokenizer::kModelUnigram;
  parts.add_eos = vocabulary.add_eos.value_or(true);
  return MakeTokenizer(std::move(parts));
}

}  // namespace quantd
