#include "runtime/tokenizer/pipeline_tokenizer.h"

#include <utility>

namespace quantd {
namespace {

class PipelineTokenizer final : public Tokenizer {
 public:
  explicit PipelineTokenizer(TokenizerParts parts)
      : normalized_special_(std::move(parts.normalized_special)),
        normalizers_(std::move(parts.normalizers)),
        pre_tokenizer_(std::move(parts.pre_tokenizer)),
        model_(std::move(parts.model)),
        start_bytes_(std::move(parts.start_bytes)) {
    model_name_ = std::move(parts.model_name);
    pre_name_ = std::move(parts.pre_name);
    types_ = std::move(parts.types);
    token_bytes_ = std::move(parts.token_bytes);
    bos_ = parts.bos;
    eos_ = parts.eos;
    prefix_ids_ = std::move(parts.prefix_ids);
    suffix_ids_ = std::move(parts.suffix_ids);
    end_ids_ = std::move(parts.end_ids);
    default_add_bos_ = parts.add_bos;
    default_add_eos_ = parts.add_eos;
    if (!parts.normalized_control.empty()) {
      std::vector<SpecialToken> all = parts.special;
      all.insert(all.end(), parts.normalized_control.begin(), parts.normalized_control.end());
      special_beside_plain_ = std::make_unique<SpecialTokens>(std::move(all));
    }
    special_ = std::make_unique<SpecialTokens>(std::move(parts.special));
  }

  std::string StartBytes(int32_t id) const override {
    return start_bytes_ == nullptr ? TokenBytes(id) : start_bytes_(*this, id);
  }

 private:
  void EncodeStretch(const Stretch& stretch, std::vector<int32_t>* ids) const override {
    std::string normalized;
    absl::string_view text = stretch.text;
    if (!normalizers_.empty()) {
      normalized.assign(text.data(), text.size());
      for (const Normalizer& normalizer : normalizers_) normalizer(stretch.first, &normalized);
      text = normalized;
    }
    const auto encoder = model_->NewEncoder();
    for (size_t at = 0; at < text.size();) {
      const auto special = normalized_special_.Find(text, at, stretch.parse_control);
      const size_t end = special.has_value() ? special->begin : text.size();
      EncodeWords(text.substr(at, end - at), stretch.text_start && at == 0, encoder.get(), ids);
      if (!special.has_value()) break;
      ids->push_back(special->id);
      at = special->end;
    }
  }

  void EncodeWords(absl::string_view text, bool text_start, WordModel::Encoder* encoder,
                   std::vector<int32_t>* ids) const {
    const Pieces words = pre_tokenizer_.Split(text, text_start);
    for (const absl::string_view word : words.list) encoder->Encode(word, ids);
  }

  const SpecialTokens normalized_special_;
  const std::vector<Normalizer> normalizers_;
  const PreTokenizer pre_tokenizer_;
  const std::unique_ptr<const WordModel> model_;
  const std::function<std::string(const Tokenizer& tokenizer, int32_t id)> start_bytes_;
};

}  // namespace

std::unique_ptr<Tokenizer> MakeTokenizer(TokenizerParts parts) {
  return std::make_unique<PipelineTokenizer>(std::move(parts));
}

}  // namespace quantd
