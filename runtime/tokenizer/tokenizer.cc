#include "runtime/tokenizer/tokenizer.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "kernels/base/status_macros.h"
#include "runtime/tokenizer/gguf_tokenizer_keys.h"
#include "runtime/tokenizer/gguf_tokenizers.h"
#include "runtime/tokenizer/hf_tokenizer.h"
#include "runtime/tokenizer/hf_vocab_and_merges.h"
#include "runtime/tokenizer/sentencepiece_file.h"
#include "runtime/tokenizer/special_tokens.h"
#include "runtime/tokenizer/tokenizer_files.h"
#include "runtime/tokenizer/utf8.h"

namespace quantd {
namespace {

struct ModelRow {
  const char* name;
  absl::StatusOr<std::unique_ptr<Tokenizer>> (*create)(const GgufFile& file);
};
constexpr ModelRow kModels[] = {
    {gguf_tokenizer::kModelScores, &MakeGgufLlama},
    {gguf_tokenizer::kModelMerges, &MakeGgufGpt2},
    {gguf_tokenizer::kModelWordPiece, &MakeGgufBert},
    {gguf_tokenizer::kModelUnigram, &MakeGgufT5},
};

absl::StatusOr<std::unique_ptr<Tokenizer>> FromFiles(const TokenizerFiles& files) {
  switch (files.kind) {
    case TokenizerFiles::Kind::kJson: {
      QUANTD_ASSIGN_OR_RETURN(const HfTokenizerFile json, HfTokenizerFile::Open(files.path));
      return MakeHfTokenizer(json, files.config);
    }
    case TokenizerFiles::Kind::kSentencePiece:
      return OpenSentencePieceTokenizer(files.path, files.config);
    case TokenizerFiles::Kind::kVocabAndMerges:
      return OpenVocabAndMerges(*files.directory, files.config);
    case TokenizerFiles::Kind::kGguf:
      break;
  }
  QUANTD_ASSIGN_OR_RETURN(const std::unique_ptr<GgufFile> file, GgufFile::Open(files.path));
  return Tokenizer::FromGguf(*file);
}

}  // namespace

Tokenizer::Tokenizer() = default;
Tokenizer::~Tokenizer() = default;

absl::StatusOr<std::unique_ptr<Tokenizer>> Tokenizer::FromGguf(const GgufFile& file) {
  QUANTD_ASSIGN_OR_RETURN(const absl::string_view model, file.String(gguf_tokenizer::kModel));
  std::string known;
  for (const ModelRow& row : kModels) {
    if (model == row.name) return row.create(file);
    absl::StrAppend(&known, known.empty() ? "" : ", ", row.name);
  }
  return absl::UnimplementedError(absl::StrCat(file.path(), ": ", gguf_tokenizer::kModel, ": '",
                                               model.substr(0, 64), "' is not known; known are ",
                                               known));
}

absl::StatusOr<std::unique_ptr<Tokenizer>> Tokenizer::FromDirectory(const std::string& path) {
  QUANTD_ASSIGN_OR_RETURN(const TokenizerFiles files, TokenizerFiles::OfDirectory(path));
  return FromFiles(files);
}

absl::StatusOr<std::unique_ptr<Tokenizer>> Tokenizer::Open(const std::string& path) {
  QUANTD_ASSIGN_OR_RETURN(const TokenizerFiles files, TokenizerFiles::Of(path));
  return FromFiles(files);
}

std::vector<int32_t> Tokenizer::Encode(absl::string_view text, const EncodeOptions& options) const {
  std::vector<int32_t> ids;
  const auto add = [&ids](const std::vector<int32_t>& more, std::optional<int32_t> otherwise) {
    ids.insert(ids.end(), more.begin(), more.end());
    if (more.empty() && otherwise.has_value()) ids.push_back(*otherwise);
  };
  if (options.add_bos) add(prefix_ids_, bos_);
  absl::Span<const TextRange> plain = options.plain;
  const bool beside_plain = special_beside_plain_ != nullptr && !plain.empty();
  const SpecialTokens* specials = beside_plain ? special_beside_plain_.get() : special_.get();
  bool first = true;
  for (size_t at = 0; at < text.size();) {
    while (!plain.empty() && plain.front().end <= at) plain.remove_prefix(1);
    std::optional<SpecialTokens::Match> special;
    if (specials != nullptr) special = specials->Find(text, at, options.parse_control, plain);
    const size_t end = special.has_value() ? special->begin : text.size();
    if (end > at) {
      const absl::string_view stretch = text.substr(at, end - at);
      std::string repaired;
      if (!IsUtf8(stretch)) AppendUtf8(stretch, /*at_end=*/true, &repaired);
      const bool parse_control =
          options.parse_control && (plain.empty() || plain.front().begin >= end);
      EncodeStretch({repaired.empty() ? stretch : repaired, at == 0, first, parse_control}, &ids);
    }
    if (!special.has_value()) break;
    ids.push_back(special->id);
    first = special->control;
    at = special->end;
  }
  if (options.add_eos) add(suffix_ids_, eos_);
  return ids;
}

std::string Tokenizer::TokenBytes(int32_t id) const {
  const bool known = id >= 0 && static_cast<size_t>(id) < token_bytes_.size();
  return std::string(known ? token_bytes_[id] : "");
}

std::string Tokenizer::StartBytes(int32_t id) const { return TokenBytes(id); }

std::string Tokenizer::Decode(absl::Span<const int32_t> ids) const {
  IncrementalDetokenizer detokenizer(this, /*at_text_start=*/true);
  std::string text;
  for (const int32_t id : ids) text += detokenizer.Push(id);
  return text += detokenizer.Flush();
}

IncrementalDetokenizer::IncrementalDetokenizer(const Tokenizer* tokenizer, bool at_text_start)
    : tokenizer_(tokenizer), at_start_(at_text_start) {}

std::string IncrementalDetokenizer::Push(int32_t id) {
  std::string bytes = tokenizer_->TokenBytes(id);
  // Control tokens have no bytes, and do not start the text.
  if (at_start_ && !bytes.empty()) {
    at_start_ = false;
    bytes = tokenizer_->StartBytes(id);
  }
  pending_ += bytes;
  std::string text;
  pending_.erase(0, AppendUtf8(pending_, /*at_end=*/false, &text));
  return text;
}

std::string IncrementalDetokenizer::Flush() {
  std::string text;
  AppendUtf8(pending_, /*at_end=*/true, &text);
  pending_.clear();
  return text;
}

}  // namespace quantd
