#include <memory>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/strip.h"
#include "kernels/base/status_macros.h"
#include "runtime/tokenizer/gguf_tokenizer_keys.h"
#include "runtime/tokenizer/gguf_tokenizers.h"
#include "runtime/tokenizer/unicode_classes.h"
#include "runtime/tokenizer/vocabulary_parts.h"
#include "runtime/tokenizer/wordpiece_model.h"

namespace quantd {
namespace {

constexpr char kWordStart[] = "\xE2\x96\x81";  // U+2581

WordPieceRules ReadPieces(const Vocabulary& vocabulary) {
  WordPieceRules rules;
  rules.unknown = *vocabulary.unknown;
  for (int32_t id = 0; id < static_cast<int32_t>(vocabulary.texts.size()); ++id) {
    absl::string_view text = vocabulary.texts[id];
    if (vocabulary.types[id] != TokenType::kNormal) continue;
    const bool starting = absl::ConsumePrefix(&text, kWordStart);
    (starting ? rules.starting : rules.continuing).emplace_back(text, id);
  }
  return rules;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Tokenizer>> MakeGgufBert(const GgufFile& file) {
  QUANTD_ASSIGN_OR_RETURN(Vocabulary vocabulary, ReadVocabulary(file));
  if (!vocabulary.unknown.has_value()) {
    return file.Error(gguf_tokenizer::kUnknownId, "missing; a vocabulary of model bert needs it");
  }
  // Around a text BERT puts [CLS] and [SEP], its beginning and end.
  QUANTD_ASSIGN_OR_RETURN(const auto cls,
                          ReadTokenId(file, gguf_tokenizer::kClsId, vocabulary.texts.size()));
  QUANTD_ASSIGN_OR_RETURN(const auto sep,
                          ReadTokenId(file, gguf_tokenizer::kSeparatorId, vocabulary.texts.size()));
  if (cls.has_value()) vocabulary.bos = cls;
  if (sep.has_value()) vocabulary.eos = sep;
  BertNormalization normalization;
  QUANTD_ASSIGN_OR_RETURN(const auto lower,
                          file.OptionalBool("tokenizer.ggml.normalizer.lowercase"));
  normalization.lowercase = lower.value_or(true);
  QUANTD_ASSIGN_OR_RETURN(const auto strip,
                          file.OptionalBool("tokenizer.ggml.normalizer.strip_accents"));
  normalization.strip_accents = strip.value_or(normalization.lowercase);

  TokenizerParts parts = PartsOfVocabulary(vocabulary, [](TokenType type, absl::string_view text) {
    std::string bytes(absl::ConsumePrefix(&text, kWordStart) ? " " : "");
    return bytes.append(text.data(), text.size());
  });
  parts.model_name = gguf_tokenizer::kModelWordPiece;
  parts.pre_name = "default";
  parts.add_bos = vocabulary.add_bos.value_or(true);
  parts.add_eos = vocabulary.add_eos.value_or(true);
  parts.normalizers.push_back(MakeBertNormalizer(normalization));
  PreTokenizerSteps steps;
  steps.push_back(SplitAt(IsWhiteSpace, SplitBehavior::kRemoved));
  steps.push_back(SplitAt(IsPunctuation, SplitBehavior::kIsolated));
  parts.pre_tokenizer = PreTokenizer(std::move(steps));
  parts.model = std::make_unique<WordPieceModel>(ReadPieces(vocabulary));
  parts.start_bytes = [](const Tokenizer& tokenizer, int32_t id) {
    const std::string bytes = tokenizer.TokenBytes(id);
    return std::string(absl::StripPrefix(bytes, " "));
  };
  return MakeTokenizer(std::move(parts));
}

}  // namespace quantd
