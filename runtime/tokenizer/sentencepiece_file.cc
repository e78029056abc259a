#include "runtime/tokenizer/sentencepiece_file.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "kernels/base/status_macros.h"
#include "runtime/formats/file_error.h"
#include "runtime/formats/mapped_file.h"
#include "runtime/tokenizer/gguf_tokenizer_keys.h"
#include "runtime/tokenizer/pipeline_tokenizer.h"
#include "runtime/tokenizer/protobuf_fields.h"
#include "runtime/tokenizer/sentencepiece.h"
#include "runtime/tokenizer/vocabulary.h"
#include "runtime/tokenizer/vocabulary_parts.h"

namespace quantd {
namespace {

using Kind = ProtobufField::Kind;

constexpr size_t kLongestPiece = 1024;
// Ids that added tokens may leave to nobody.
constexpr size_t kSpareIds = 4096;

// model_type of the trainer's settings.
constexpr uint64_t kUnigram = 1, kBpe = 2;

// Calls `take` for each field of a message. Errors name the file and `place`.
template <typename Take>
absl::Status ForEachField(absl::string_view message, const std::string& path,
                          absl::string_view place, const Take& take) {
  while (!message.empty()) {
    const absl::StatusOr<ProtobufField> field = TakeProtobufField(&message);
    if (!field.ok()) return FileError(path, place, field.status().message());
    QUANTD_RETURN_IF_ERROR(take(*field));
  }
  return absl::OkStatus();
}

class ModelReader {
 public:
  ModelReader(const std::string& path, const HfTokenizerConfig& config)
      : path_(path), config_(config) {
    rules_.remove_extra_whitespaces = true;  // what a field that is absent means
  }

  absl::Status Read(absl::string_view bytes) {
    QUANTD_RETURN_IF_ERROR(ForEachField(bytes, path_, "top level", [&](const ProtobufField& field) {
      if (field.Is(1, Kind::kBytes)) return AddPiece(field.bytes);
      if (field.Is(2, Kind::kBytes)) return ReadTraining(field.bytes);
      if (field.Is(3, Kind::kBytes)) return ReadNormalization(field.bytes);
      return absl::OkStatus();
    }));
    if (model_.texts.empty()) return FileError(path_, "pieces", "the vocabulary is empty");
    if (!model_.unknown.has_value()) return FileError(path_, "pieces", "none is of type UNKNOWN");
    QUANTD_RETURN_IF_ERROR(AddTokensOfConfig());
    QUANTD_ASSIGN_OR_RETURN(model_.bos, SpecialId("bos_token", config_.bos, bos_id_));
    QUANTD_ASSIGN_OR_RETURN(model_.eos, SpecialId("eos_token", config_.eos, eos_id_));
    CompleteSpecialIds({}, &model_);
    return CheckModelType();
  }

  absl::StatusOr<std::unique_ptr<Tokenizer>> Make() const {
    TokenizerParts parts =
        is_bpe() ? MakeScoreMergeParts(model_, rules_) : MakeUnigramParts(model_, rules_);
    parts.model_name = is_bpe() ? "sentencepiece-bpe" : "sentencepiece-unigram";
    parts.add_bos = add_bos();
    parts.add_eos = add_eos();
    AddEndIds(config_.end_ids, &parts);
    for (SpecialToken& token : parts.special) {
      for (const HfAddedToken& added : config_.added) {
        if (added.token.id != token.id) continue;
        token.single_word = added.token.single_word;
        token.lstrip = added.token.lstrip;
        token.rstrip = added.token.rstrip;
      }
    }
    return MakeTokenizer(std::move(parts));
  }

  absl::StatusOr<GgufVocabulary> ToGguf() const {
    GgufVocabulary gguf;
    gguf.model = is_bpe() ? gguf_tokenizer::kModelScores : gguf_tokenizer::kModelUnigram;
    gguf.pre = "default";
    for (const absl::string_view text : model_.texts) gguf.texts.emplace_back(text);
    gguf.types = model_.types;
    gguf.scores = model_.scores;
    gguf.bos = model_.bos;
    gguf.eos = model_.eos;
    gguf.unknown = model_.unknown;
    gguf.add_bos = add_bos();
    gguf.add_eos = add_eos();
    gguf.add_space_prefix = rules_.add_dummy_prefix;
    gguf.remove_extra_whitespaces = rules_.remove_extra_whitespaces;
    gguf.charsmap = std::string(charsmap_);
    if (is_bpe() && (rules_.charsmap != nullptr || rules_.remove_extra_whitespaces)) {
      return UnsupportedError(path_, "normalizer_spec",
                              "changes texts, which readers of GGUF do for unigram models only");
    }
    TakePadding(&gguf);
    TakeMoreEnds(&gguf);
    return gguf;
  }

 private:
  absl::Status AddPiece(absl::string_view message) {
    const std::string place = absl::StrCat("pieces[", model_.texts.size(), "]");
    absl::string_view text;
    float score = 0;
    uint64_t type = static_cast<uint64_t>(TokenType::kNormal);
    QUANTD_RETURN_IF_ERROR(ForEachField(message, path_, place, [&](const ProtobufField& field) {
      if (field.Is(1, Kind::kBytes)) text = field.bytes;
      if (field.Is(2, Kind::kFixed32)) {
        score = std::bit_cast<float>(static_cast<uint32_t>(field.integer));
      }
      if (field.Is(3, Kind::kVarint)) type = field.integer;
      return absl::OkStatus();
    }));
    if (text.size() > kLongestPiece) {
      return FileError(
          path_, place,
          absl::StrCat("has ", text.size(), " bytes; at most ", kLongestPiece, " are read"));
    }
    if (std::isnan(score)) return FileError(path_, place, "its score is no number");
    if (type < 1 || type > 6) {
      return FileError(path_, place, absl::StrCat("has type ", type, "; 1 to 6 exist"));
    }
    // The types have the numbers of tokenizer.ggml.token_type.
    model_.types.push_back(static_cast<TokenType>(type));
    if (model_.types.back() == TokenType::kByte && !ParseByteToken(text)) {
      return FileError(path_, place, "is of type BYTE, but not of the form <0x00> to <0xFF>");
    }
    if (model_.types.back() == TokenType::kUnknown && !model_.unknown.has_value()) {
      model_.unknown = static_cast<int32_t>(model_.texts.size());
    }
    model_.texts.push_back(text);
    model_.scores.push_back(score);
    return absl::OkStatus();
  }

  absl::Status ReadTraining(absl::string_view message) {
    return ForEachField(message, path_, "trainer_spec", [&](const ProtobufField& field) {
      if (field.Is(3, Kind::kVarint)) model_type_ = field.integer;
      if (field.Is(41, Kind::kVarint)) bos_id_ = static_cast<int32_t>(field.integer);
      if (field.Is(42, Kind::kVarint)) eos_id_ = static_cast<int32_t>(field.integer);
      if (field.Is(24, Kind::kVarint) && field.integer != 0) {
        return UnsupportedError(path_, "trainer_spec.treat_whitespace_as_suffix",
                                "is true; spaces are read in front of words only");
      }
      return absl::OkStatus();
    });
  }

  absl::Status ReadNormalization(absl::string_view message) {
    return ForEachField(message, path_, "normalizer_spec", [&](const ProtobufField& field) {
      if (field.Is(3, Kind::kVarint)) rules_.add_dummy_prefix = field.integer != 0;
      if (field.Is(4, Kind::kVarint)) rules_.remove_extra_whitespaces = field.integer != 0;
      if (field.Is(5, Kind::kVarint) && field.integer == 0) {
        return UnsupportedError(path_, "normalizer_spec.escape_whitespaces", "is false");
      }
      if (!field.Is(2, Kind::kBytes) || field.bytes.empty()) return absl::OkStatus();
      absl::StatusOr<Charsmap> charsmap = Charsmap::Parse(field.bytes);
      if (!charsmap.ok()) {
        return FileError(path_, "normalizer_spec.precompiled_charsmap",
                         charsmap.status().message());
      }
      rules_.charsmap = std::make_shared<const Charsmap>(*std::move(charsmap));
      charsmap_ = field.bytes;
      return absl::OkStatus();
    });
  }

  // An added token is a piece whose type it changes, or comes behind the pieces.
  absl::Status AddTokensOfConfig() {
    const size_t limit = 2 * (model_.texts.size() + config_.added.size()) + kSpareIds;
    for (const HfAddedToken& added : config_.added) {
      const size_t id = static_cast<size_t>(added.token.id);
      const std::string place = absl::StrCat("added_tokens_decoder.", id);
      if (id >= limit) {
        return FileError(config_.path, place,
                         absl::StrCat("in a vocabulary of ", model_.texts.size(), " tokens"));
      }
      if (id >= model_.texts.size()) {
        model_.texts.resize(id + 1);
        model_.types.resize(id + 1, TokenType::kUnused);
        model_.scores.resize(id + 1);
      }
      if (!model_.texts[id].empty() && model_.texts[id] != added.token.text) {
        return FileError(config_.path, place,
                         absl::StrCat("is '", Printable(model_.texts[id]), "' in ", path_));
      }
      model_.texts[id] = added.token.text;
      if (id == static_cast<size_t>(*model_.unknown)) continue;
      model_.types[id] = added.token.control ? TokenType::kControl : TokenType::kUserDefined;
    }
    return absl::OkStatus();
  }

  absl::StatusOr<std::optional<int32_t>> SpecialId(const char* key,
                                                   const std::optional<std::string>& text,
                                                   int32_t otherwise) const {
    if (!text.has_value()) {
      // Negative: the model has none.
      const bool valid = otherwise >= 0 && static_cast<size_t>(otherwise) < model_.texts.size();
      return valid ? std::optional<int32_t>(otherwise) : std::nullopt;
    }
    for (size_t id = 0; id < model_.texts.size(); ++id) {
      if (model_.texts[id] == *text) return static_cast<int32_t>(id);
    }
    return FileError(config_.path, key,
                     absl::StrCat("'", Printable(*text), "' is no token of the vocabulary"));
  }

  absl::Status CheckModelType() const {
    if (model_type_ == kUnigram || model_type_ == kBpe) return absl::OkStatus();
    return UnsupportedError(path_, "trainer_spec.model_type",
                            model_type_ == 3   ? "is WORD; UNIGRAM and BPE are read"
                            : model_type_ == 4 ? "is CHAR; UNIGRAM and BPE are read"
                                               : "is not known");
  }

  bool is_bpe() const { return model_type_ == kBpe; }
  // As the models of the two kinds were trained: Llama's begin with BOS, T5's end with EOS.
  bool add_bos() const { return model_.bos && config_.add_bos.value_or(is_bpe()); }
  bool add_eos() const { return model_.eos && config_.add_eos.value_or(!is_bpe()); }

  void TakePadding(GgufVocabulary* gguf) const {
    const auto found = std::find(gguf->texts.begin(), gguf->texts.end(), config_.padding);
    if (found != gguf->texts.end()) {
      gguf->padding = static_cast<int32_t>(found - gguf->texts.begin());
    }
  }

  void TakeMoreEnds(GgufVocabulary* gguf) const {
    for (const int32_t id : config_.end_ids) {
      const auto& known = model_.end_ids;
      const bool is_new = std::find(known.begin(), known.end(), id) == known.end();
      if (is_new && static_cast<size_t>(id) < gguf->texts.size()) gguf->more_ends.push_back(id);
    }
  }

  const std::string& path_;
  const HfTokenizerConfig& config_;
  Vocabulary model_;
  SentencePieceRules rules_;
  absl::string_view charsmap_;
  uint64_t model_type_ = kUnigram;
  int32_t bos_id_ = 1, eos_id_ = 2;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Tokenizer>> MakeSentencePieceTokenizer(
    absl::string_view bytes, const std::string& path, const HfTokenizerConfig& config) {
  ModelReader reader(path, config);
  QUANTD_RETURN_IF_ERROR(reader.Read(bytes));
  return reader.Make();
}

absl::StatusOr<GgufVocabulary> SentencePieceToGguf(absl::string_view bytes, const std::string& path,
                                                   const HfTokenizerConfig& config) {
  ModelReader reader(path, config);
  QUANTD_RETURN_IF_ERROR(reader.Read(bytes));
  return reader.ToGguf();
}

absl::StatusOr<std::unique_ptr<Tokenizer>> OpenSentencePieceTokenizer(
    const std::string& path, const HfTokenizerConfig& config) {
  QUANTD_ASSIGN_OR_RETURN(const std::unique_ptr<MappedFile> file, MappedFile::Open(path));
  const absl::Span<const uint8_t> bytes = file->bytes();
  return MakeSentencePieceTokenizer(
      absl::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()), path, config);
}

}  // namespace quantd
