#include "runtime/tokenizer/gguf_vocabulary.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "kernels/base/check.h"
#include "kernels/base/status_macros.h"
#include "runtime/formats/file_error.h"
#include "runtime/formats/mapped_file.h"
#include "runtime/tokenizer/gguf_tokenizer_keys.h"
#include "runtime/tokenizer/hf_to_gguf.h"
#include "runtime/tokenizer/hf_vocab_and_merges.h"
#include "runtime/tokenizer/sentencepiece_file.h"
#include "runtime/tokenizer/tokenizer_files.h"

namespace quantd {
namespace {

absl::StatusOr<GgufVocabulary> OfSentencePiece(const std::string& path,
                                               const HfTokenizerConfig& config) {
  QUANTD_ASSIGN_OR_RETURN(const std::unique_ptr<MappedFile> file, MappedFile::Open(path));
  const absl::Span<const uint8_t> bytes = file->bytes();
  return SentencePieceToGguf(
      absl::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()), path, config);
}

absl::StatusOr<GgufVocabulary> OfJson(const TokenizerFiles& files) {
  QUANTD_ASSIGN_OR_RETURN(const HfTokenizerFile json, HfTokenizerFile::Open(files.path));
  absl::StatusOr<GgufVocabulary> vocabulary = HfToGguf(json, files.config);
  if (!absl::IsUnimplemented(vocabulary.status()) || files.sentencepiece_path.empty()) {
    return vocabulary;
  }
  return OfSentencePiece(files.sentencepiece_path, files.config);
}

absl::StatusOr<GgufVocabulary> OfVocabAndMerges(const TokenizerFiles& files) {
  HfTokenizerConfig config = files.config;
  QUANTD_ASSIGN_OR_RETURN(const HfTokenizerFile file,
                          ReadVocabAndMerges(*files.directory, &config));
  return HfToGguf(file, config);
}

void SetFlag(const char* key, std::optional<bool> flag, GgufWriter* writer) {
  if (flag) writer->SetBool(key, *flag);
}

}  // namespace

absl::StatusOr<GgufVocabulary> ReadGgufVocabulary(const std::string& path) {
  QUANTD_ASSIGN_OR_RETURN(const TokenizerFiles files, TokenizerFiles::Of(path));
  switch (files.kind) {
    case TokenizerFiles::Kind::kJson:
      return OfJson(files);
    case TokenizerFiles::Kind::kSentencePiece:
      return OfSentencePiece(files.path, files.config);
    case TokenizerFiles::Kind::kVocabAndMerges:
      return OfVocabAndMerges(files);
    case TokenizerFiles::Kind::kGguf:
      break;
  }
  return absl::InvalidArgumentError(absl::StrCat(path, ": is neither folder, .json nor .model"));
}

void SetTokenId(const char* key, std::optional<int32_t> id, GgufWriter* writer) {
  if (id) writer->SetUint32(key, static_cast<uint32_t>(*id));
}

void WriteGgufVocabulary(const GgufVocabulary& vocabulary, int32_t size, GgufWriter* writer) {
  namespace keys = gguf_tokenizer;
  QUANTD_CHECK(vocabulary.texts.size() <= static_cast<size_t>(size), "a model has all the ids");
  writer->SetString(keys::kModel, vocabulary.model);
  writer->SetString(keys::kPre, vocabulary.pre);
  std::vector<std::string> texts = vocabulary.texts;
  std::vector<int32_t> types;
  for (const TokenType type : vocabulary.types) types.push_back(static_cast<int32_t>(type));
  texts.resize(static_cast<size_t>(size));
  types.resize(texts.size(), static_cast<int32_t>(TokenType::kUnused));
  for (size_t id = 0; id < texts.size(); ++id) {
    // Programs look tokens up by their text, so it should be one that no other has.
    if (texts[id].empty()) texts[id] = absl::StrCat("[PAD", id, "]");
  }
  writer->SetStrings(keys::kTokens, texts);
  writer->SetInts(keys::kTypes, types);
  if (!vocabulary.scores.empty()) {
    std::vector<float> scores = vocabulary.scores;
    scores.resize(texts.size());
    writer->SetFloats(keys::kScores, scores);
  }
  if (vocabulary.model == keys::kModelMerges) {
    writer->SetStrings(keys::kMerges, vocabulary.merges);
  }
  SetTokenId(keys::kBosId, vocabulary.bos, writer);
  SetTokenId(keys::kEosId, vocabulary.eos, writer);
  SetTokenId(keys::kUnknownId, vocabulary.unknown, writer);
  SetTokenId(keys::kPaddingId, vocabulary.padding, writer);
  const char* const end_keys[] = {keys::kEotId, keys::kEomId};
  for (size_t i = 0; i < std::min(std::size(end_keys), vocabulary.more_ends.size()); ++i) {
    SetTokenId(end_keys[i], vocabulary.more_ends[i], writer);
  }
  writer->SetBool(keys::kAddBos, vocabulary.add_bos);
  writer->SetBool(keys::kAddEos, vocabulary.add_eos);
  SetFlag(keys::kAddSpacePrefix, vocabulary.add_space_prefix, writer);
  SetFlag(keys::kRemoveExtraWhitespaces, vocabulary.remove_extra_whitespaces, writer);
  if (!vocabulary.charsmap.empty()) writer->SetBytes(keys::kCharsmap, vocabulary.charsmap);
}

}  // namespace quantd
