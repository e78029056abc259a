#include "runtime/tokenizer/tokenizer.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "kernels/base/status_macros.h"
#include "runtime/tokenizer/bpe_tokenizer.h"
#include "runtime/tokenizer/special_tokens.h"
#include "runtime/tokenizer/spm_tokenizer.h"
#include "runtime/tokenizer/utf8.h"

namespace quantd {
namespace {

constexpr char kModelKey[] = "tokenizer.ggml.model";

struct ModelRow {
  const char* name;
  absl::StatusOr<std::unique_ptr<Tokenizer>> (*create)(const GgufFile& file);
};
constexpr ModelRow kModels[] = {
    {"llama", &SpmTokenizer::Create},
    {"gpt2", &BpeTokenizer::Create},
};

}  // namespace

Tokenizer::Tokenizer() = default;
Tokenizer::~Tokenizer() = default;

absl::StatusOr<std::unique_ptr<Tokenizer>> Tokenizer::FromGguf(const GgufFile& file) {
  QUANTD_ASSIGN_OR_RETURN(const absl::string_view model, file.String(kModelKey));
  std::string known;
  for (const ModelRow& row : kModels) {
    if (model == row.name) return row.create(file);
    absl::StrAppend(&known, known.empty() ? "" : ", ", row.name);
  }
  return absl::UnimplementedError(absl::StrCat(file.path(), ": ", kModelKey, ": '",
                                               model.substr(0, 64), "' is not known; known are ",
                                               known));
}

std::vector<int32_t> Tokenizer::Encode(absl::string_view text, const EncodeOptions& options) const {
  std::vector<int32_t> ids;
  if (options.add_bos && bos_.has_value()) ids.push_back(*bos_);
  absl::Span<const TextRange> plain = options.plain;
  bool first = true;
  size_t at = 0;
  while (at < text.size()) {
    while (!plain.empty() && plain.front().end <= at) plain.remove_prefix(1);
    std::optional<SpecialTokens::Match> special;
    if (special_ != nullptr) special = special_->Find(text, at, options.parse_control, plain);
    const size_t end = special.has_value() ? special->begin : text.size();
    if (end > at) EncodeText(text.substr(at, end - at), first, &ids);
    if (!special.has_value()) break;
    ids.push_back(special->id);
    first = special->control;
    at = special->begin + special->length;
  }
  if (options.add_eos && eos_.has_value()) ids.push_back(*eos_);
  return ids;
}

std::string Tokenizer::TokenBytes(int32_t id) const {
  const bool known = id >= 0 && static_cast<size_t>(id) < token_bytes_.size();
  return known ? token_bytes_[id] : std::string();
}

std::string Tokenizer::Decode(absl::Span<const int32_t> ids) const {
  IncrementalDetokenizer detokenizer(this, /*at_text_start=*/true);
  std::string text;
  for (const int32_t id : ids) text += detokenizer.Push(id);
  return text += detokenizer.Flush();
}

IncrementalDetokenizer::IncrementalDetokenizer(const Tokenizer* tokenizer, bool at_text_start)
    : tokenizer_(tokenizer), at_start_(at_text_start && tokenizer->strips_leading_space()) {}

std::string IncrementalDetokenizer::Push(int32_t id) {
  std::string bytes = tokenizer_->TokenBytes(id);
  if (at_start_ && !bytes.empty()) {
    at_start_ = false;
    // A user-defined token is cut out of the text as it stands there; it got no dummy space.
    const bool plain = tokenizer_->type(id) != TokenType::kUserDefined;
    if (plain && bytes[0] == ' ') bytes.erase(0, 1);
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
