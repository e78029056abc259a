#include "runtime/tokenizer/hf_models.h"

#include <algorithm>
#include <array>
#include <limits>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"
#include "kernels/base/status_macros.h"
#include "runtime/formats/file_error.h"
#include "runtime/tokenizer/hf_bpe.h"
#include "runtime/tokenizer/hf_kinds.h"
#include "runtime/tokenizer/unigram_model.h"
#include "runtime/tokenizer/word_level_model.h"
#include "runtime/tokenizer/wordpiece_model.h"

namespace quantd {
namespace {

/// What a reader of a model is given, and fills.
struct Reading {
  const HfTokenizerFile& file;
  const HfTokens& tokens;
  const JsonValue object;
  HfPreTokenizer* pre_tokenizer;
  HfModel* out;
};

absl::Status ReadUnknown(const Reading& reading, bool required) {
  QUANTD_ASSIGN_OR_RETURN(const std::optional<JsonValue> value, reading.object.Find("unk_token"));
  if (!value.has_value()) {
    return required ? reading.object.At("unk_token").status() : absl::OkStatus();
  }
  QUANTD_ASSIGN_OR_RETURN(const absl::string_view text, value->String());
  reading.out->unknown = reading.tokens.Find(text);
  if (reading.out->unknown.has_value()) return absl::OkStatus();
  return value->Error(absl::StrCat("'", Printable(text), "' is no token of the vocabulary"));
}

// With byte_fallback, the tokens "<0x00>" to "<0xFF>"; -1 where there is none.
absl::StatusOr<std::array<int32_t, 256>> ReadByteTokens(const Reading& reading) {
  std::array<int32_t, 256> bytes;
  bytes.fill(-1);
  QUANTD_ASSIGN_OR_RETURN(reading.out->byte_fallback, reading.object.Bool("byte_fallback", false));
  if (!reading.out->byte_fallback) return bytes;
  for (size_t byte = 0; byte < bytes.size(); ++byte) {
    const auto found = reading.tokens.in_model.find(absl::StrFormat("<0x%02X>", byte));
    if (found != reading.tokens.in_model.end()) bytes[byte] = found->second;
  }
  const auto missing = std::find(bytes.begin(), bytes.end(), -1);
  const bool some = std::any_of(bytes.begin(), bytes.end(), [](int32_t id) { return id >= 0; });
  if (missing != bytes.end() && (some || !reading.out->unknown.has_value())) {
    return FileError(
        reading.file.document->path(), "model.byte_fallback",
        absl::StrFormat("there is no token <0x%02X>; some texts would have no encoding",
                        missing - bytes.begin()));
  }
  return bytes;
}

absl::Status ReadBpe(const Reading& reading) {
  const JsonValue& object = reading.object;
  if (reading.file.vocabulary.scored) return object.Error("has a vocabulary with scores");
  QUANTD_RETURN_IF_ERROR(ReadUnknown(reading, /*required=*/false));
  HfBpeOptions options;
  options.unknown = reading.out->unknown;
  QUANTD_ASSIGN_OR_RETURN(options.fuse_unknown, object.Bool("fuse_unk", false));
  QUANTD_ASSIGN_OR_RETURN(options.ignore_merges, object.Bool("ignore_merges", false));
  QUANTD_ASSIGN_OR_RETURN(options.continuing_prefix,
                          object.String("continuing_subword_prefix", ""));
  QUANTD_ASSIGN_OR_RETURN(options.word_suffix, object.String("end_of_word_suffix", ""));
  QUANTD_ASSIGN_OR_RETURN(options.byte_tokens, ReadByteTokens(reading));
  if (!reading.file.has_merges) return object.At("merges").status();
  // What tells the places of a word apart, and "<0x1F>", are of the spelling.
  HfPreTokenizer& pre_tokenizer = *reading.pre_tokenizer;
  options.bytes = pre_tokenizer.spells_bytes && !reading.out->byte_fallback &&
                  options.continuing_prefix.empty() && options.word_suffix.empty();
  if (options.bytes) pre_tokenizer.spells_bytes = false;
  QUANTD_ASSIGN_OR_RETURN(reading.out->model, MakeHfBpe(reading.file, reading.tokens, options));
  return absl::OkStatus();
}

absl::Status ReadUnigram(const Reading& reading) {
  if (!reading.file.vocabulary.scored) {
    return FileError(reading.file.document->path(), "model.vocab",
                     "is no list of tokens with scores, as a unigram model needs it");
  }
  const HfTokens& tokens = reading.tokens;
  const int64_t last = static_cast<int64_t>(tokens.scores.size()) - 1;
  QUANTD_ASSIGN_OR_RETURN(const std::optional<JsonValue> unknown, reading.object.Find("unk_id"));
  if (unknown.has_value()) {
    QUANTD_ASSIGN_OR_RETURN(const int64_t id, unknown->Int(0, last));
    reading.out->unknown = static_cast<int32_t>(id);
  }
  UnigramRules rules;
  rules.unknown = reading.out->unknown;
  QUANTD_ASSIGN_OR_RETURN(rules.byte_tokens, ReadByteTokens(reading));
  rules.lowest_score = *std::min_element(tokens.scores.begin(), tokens.scores.end());
  for (const auto& [text, id] : tokens.in_model) {
    if (text.empty() || id == rules.unknown || tokens.types[id] == TokenType::kControl) continue;
    rules.pieces.push_back({text, id, tokens.scores[id]});
  }
  reading.out->model = std::make_unique<UnigramModel>(rules);
  return absl::OkStatus();
}

absl::Status ReadWordPiece(const Reading& reading) {
  QUANTD_RETURN_IF_ERROR(ReadUnknown(reading, /*required=*/true));
  WordPieceRules rules;
  rules.unknown = *reading.out->unknown;
  QUANTD_ASSIGN_OR_RETURN(const std::string prefix,
                          reading.object.String("continuing_subword_prefix", "##"));
  QUANTD_ASSIGN_OR_RETURN(const int64_t longest,
                          reading.object.Int("max_input_chars_per_word", 100, 0));
  rules.longest_word = static_cast<size_t>(longest);
  for (const auto& [text, id] : reading.tokens.in_model) {
    if (reading.tokens.types[id] == TokenType::kControl) continue;
    rules.starting.emplace_back(text, id);
    absl::string_view rest = text;
    if (absl::ConsumePrefix(&rest, prefix)) rules.continuing.emplace_back(rest, id);
  }
  reading.out->model = std::make_unique<WordPieceModel>(std::move(rules));
  return absl::OkStatus();
}

absl::Status ReadWordLevel(const Reading& reading) {
  QUANTD_RETURN_IF_ERROR(ReadUnknown(reading, /*required=*/true));
  StringIds words;
  for (const auto& [text, id] : reading.tokens.in_model) {
    if (reading.tokens.types[id] != TokenType::kControl) words.Add(text, id);
  }
  reading.out->model = std::make_unique<WordLevelModel>(std::move(words), *reading.out->unknown);
  return absl::OkStatus();
}

/// ONE row per kind of model.
struct ModelRow {
  const char* name;
  absl::Status (*read)(const Reading& reading);
};
constexpr ModelRow kModels[] = {
    {"BPE", &ReadBpe},
    {"Unigram", &ReadUnigram},
    {"WordLevel", &ReadWordLevel},
    {"WordPiece", &ReadWordPiece},
};

// Files of the first years have no "type".
absl::StatusOr<const ModelRow*> FindModel(const HfTokenizerFile& file, const JsonValue& object) {
  QUANTD_ASSIGN_OR_RETURN(const std::optional<JsonValue> type, object.Find("type"));
  if (!type.has_value() && file.has_merges) return &kModels[0];
  return FindKind(kModels, object);
}

}  // namespace

absl::StatusOr<HfModel> ReadHfModel(const HfTokenizerFile& file, const HfTokens& tokens,
                                    HfPreTokenizer* pre_tokenizer) {
  QUANTD_ASSIGN_OR_RETURN(const JsonValue object, file.document->root().At("model"));
  QUANTD_ASSIGN_OR_RETURN(const ModelRow* row, FindModel(file, object));
  HfModel result;
  result.name = row->name;
  QUANTD_RETURN_IF_ERROR(row->read({file, tokens, object, pre_tokenizer, &result}));
  if (pre_tokenizer->spells_bytes) pre_tokenizer->steps.push_back(SpellBytes());
  pre_tokenizer->spells_bytes = false;
  return result;
}

}  // namespace quantd
