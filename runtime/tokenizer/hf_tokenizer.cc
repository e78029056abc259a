#include "runtime/tokenizer/hf_tokenizer.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "kernels/base/status_macros.h"
#include "runtime/formats/file_error.h"
#include "runtime/tokenizer/hf_decoders.h"
#include "runtime/tokenizer/hf_models.h"
#include "runtime/tokenizer/hf_normalizers.h"
#include "runtime/tokenizer/hf_post_processor.h"
#include "runtime/tokenizer/hf_pre_tokenizers.h"
#include "runtime/tokenizer/hf_tokens.h"
#include "runtime/tokenizer/pipeline_tokenizer.h"
#include "runtime/tokenizer/vocabulary_parts.h"

namespace quantd {
namespace {

// The id of a token that the configuration names, or of the one that stands in its place.
absl::StatusOr<std::optional<int32_t>> NamedToken(const HfTokens& tokens,
                                                  const HfTokenizerConfig& config, const char* key,
                                                  const std::optional<std::string>& text,
                                                  absl::Span<const int32_t> otherwise) {
  if (!text.has_value()) {
    return otherwise.empty() ? std::nullopt : std::optional<int32_t>(otherwise.front());
  }
  const std::optional<int32_t> id = tokens.Find(*text);
  if (id.has_value()) return id;
  return FileError(config.path, key,
                   absl::StrCat("'", Printable(*text), "' is no token of the vocabulary"));
}

// The vocabulary as other formats have it; views point into `tokens`.
absl::StatusOr<Vocabulary> TypedVocabulary(const HfTokens& tokens, const HfModel& model,
                                           const HfFrame& frame, const HfTokenizerConfig& config) {
  Vocabulary vocabulary;
  vocabulary.texts.assign(tokens.texts.begin(), tokens.texts.end());
  vocabulary.types = tokens.types;
  vocabulary.unknown = model.unknown;
  if (model.unknown.has_value()) vocabulary.types[*model.unknown] = TokenType::kUnknown;
  for (size_t id = 0; model.byte_fallback && id < tokens.texts.size(); ++id) {
    if (vocabulary.types[id] == TokenType::kNormal && ParseByteToken(tokens.texts[id])) {
      vocabulary.types[id] = TokenType::kByte;
    }
  }
  QUANTD_ASSIGN_OR_RETURN(vocabulary.bos,
                          NamedToken(tokens, config, "bos_token", config.bos, frame.prefix));
  absl::Span<const int32_t> last = frame.suffix;
  if (!last.empty()) last.remove_prefix(last.size() - 1);
  QUANTD_ASSIGN_OR_RETURN(vocabulary.eos,
                          NamedToken(tokens, config, "eos_token", config.eos, last));
  CompleteSpecialIds({}, &vocabulary);
  const bool has_bos = vocabulary.bos.has_value() || !frame.prefix.empty();
  const bool has_eos = vocabulary.eos.has_value() || !frame.suffix.empty();
  vocabulary.add_bos = has_bos && config.add_bos.value_or(!frame.prefix.empty());
  vocabulary.add_eos = has_eos && config.add_eos.value_or(!frame.suffix.empty());
  return vocabulary;
}

// Decodes every token, once for the start of a text and once for elsewhere.
absl::Status DecodeTokens(const HfTokens& tokens, const Vocabulary& vocabulary,
                          const HfDecoder& decoder, const std::string& path,
                          TokenizerParts* parts) {
  auto starts = std::make_shared<absl::flat_hash_map<int32_t, std::string>>();
  for (int32_t id = 0; id < static_cast<int32_t>(tokens.texts.size()); ++id) {
    const TokenType type = vocabulary.types[id];
    if (type == TokenType::kControl || type == TokenType::kUnknown) continue;
    if (parts->token_bytes[id].size() > kLongestDecodedToken) {
      return FileError(
          path, "decoder",
          absl::StrCat("makes more than ", kLongestDecodedToken, " bytes of token ", id));
    }
    std::string start = decoder(tokens.texts[id], /*first=*/true);
    start.resize(std::min(start.size(), kLongestDecodedToken));
    if (start != parts->token_bytes[id]) starts->emplace(id, std::move(start));
  }
  if (starts->empty()) return absl::OkStatus();
  parts->start_bytes = [starts](const Tokenizer& tokenizer, int32_t id) {
    const auto found = starts->find(id);
    return found == starts->end() ? tokenizer.TokenBytes(id) : found->second;
  };
  return absl::OkStatus();
}

// Added tokens are looked for in the text as it comes, or, normalized as it is, after the
// normalizers.
void SetSpecialTokens(const HfTokens& tokens, TokenizerParts* parts) {
  parts->special.clear();
  for (const HfAddedToken& added : tokens.added) {
    if (!added.normalized) {
      parts->special.push_back(added.token);
      continue;
    }
    if (added.token.control) parts->normalized_control.push_back(added.token);
    SpecialToken token = added.token;
    for (const Normalizer& normalizer : parts->normalizers) normalizer(/*first=*/true, &token.text);
    parts->normalized_special.push_back(std::move(token));
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<Tokenizer>> MakeHfTokenizer(const HfTokenizerFile& file,
                                                           const HfTokenizerConfig& config) {
  const JsonValue root = file.document->root();
  const auto member = [&root](const char* key) { return root.Find(key); };
  QUANTD_ASSIGN_OR_RETURN(HfTokens tokens, CollectHfTokens(file, config.added));
  for (const std::string& text : config.control) {
    if (const auto id = tokens.Find(text)) tokens.MakeControl(*id);
  }
  QUANTD_ASSIGN_OR_RETURN(const auto normalizer, member("normalizer"));
  QUANTD_ASSIGN_OR_RETURN(std::vector<Normalizer> normalizers, ReadHfNormalizers(normalizer));
  QUANTD_ASSIGN_OR_RETURN(const auto pre_tokenizer_value, member("pre_tokenizer"));
  QUANTD_ASSIGN_OR_RETURN(HfPreTokenizer pre_tokenizer, ReadHfPreTokenizer(pre_tokenizer_value));
  QUANTD_ASSIGN_OR_RETURN(HfModel model, ReadHfModel(file, tokens, &pre_tokenizer));
  QUANTD_ASSIGN_OR_RETURN(const auto decoder_value, member("decoder"));
  QUANTD_ASSIGN_OR_RETURN(const HfDecoder decoder, ReadHfDecoder(decoder_value));
  QUANTD_ASSIGN_OR_RETURN(const auto post_processor, member("post_processor"));
  QUANTD_ASSIGN_OR_RETURN(HfFrame frame, ReadHfPostProcessor(post_processor, tokens.texts.size()));
  QUANTD_ASSIGN_OR_RETURN(const Vocabulary vocabulary,
                          TypedVocabulary(tokens, model, frame, config));

  TokenizerParts parts = PartsOfVocabulary(
      vocabulary,
      [&decoder](TokenType, absl::string_view text) { return decoder(text, /*first=*/false); });
  QUANTD_RETURN_IF_ERROR(DecodeTokens(tokens, vocabulary, decoder, file.document->path(), &parts));
  parts.model_name = std::move(model.name);
  parts.pre_name = std::move(pre_tokenizer.name);
  parts.prefix_ids = std::move(frame.prefix);
  parts.suffix_ids = std::move(frame.suffix);
  AddEndIds(config.end_ids, &parts);
  parts.normalizers = std::move(normalizers);
  SetSpecialTokens(tokens, &parts);
  parts.pre_tokenizer = PreTokenizer(std::move(pre_tokenizer.steps));
  parts.model = std::move(model.model);
  return MakeTokenizer(std::move(parts));
}

}  // namespace quantd
