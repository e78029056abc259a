#include "runtime/convert/awq_layer.h"

#include <cmath>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"
#include "kernels/base/check.h"
#include "kernels/base/status_macros.h"
#include "runtime/formats/hf_packers.h"

namespace quantd {
namespace {

/// Parts whose input can be scaled, and what makes it. A row without that producer, or without a
/// consumer, is none of the model.
struct Fold {
  const char* producer;
  bool norm;  ///< else a linear module, whose last rows make the input
  std::vector<const char*> consumers;
};

const std::vector<Fold>& Folds() {
  static const auto* const folds = new std::vector<Fold>{
      {"attn_norm", true, {"attn_q", "attn_k", "attn_v", "attn_qkv"}},
      {"attn_v", false, {"attn_output"}},
      {"attn_qkv", false, {"attn_output"}},
      {"ffn_norm", true, {"ffn_gate", "ffn_up"}},
      {"ffn_up", false, {"ffn_down"}},
  };
  return *folds;
}

/// Of each input feature of the attention's output, which row of V makes it: heads share those of
/// their group.
std::vector<int32_t> RowsOfV(const ModelConfig& config) {
  std::vector<int32_t> rows;
  const int32_t share = config.heads / config.kv_heads;
  for (int32_t head = 0; head < config.heads; ++head) {
    for (int32_t i = 0; i < config.head_dim; ++i) {
      rows.push_back(head / share * config.head_dim + i);
    }
  }
  return rows;
}

/// The first feature that has the same row.
std::vector<int32_t> TiedBy(const std::vector<int32_t>& rows) {
  std::vector<int32_t> first(rows.size(), -1), tied;
  for (size_t c = 0; c < rows.size(); ++c) {
    if (first[rows[c]] < 0) first[rows[c]] = static_cast<int32_t>(c);
    tied.push_back(first[rows[c]]);
  }
  return tied;
}

}  // namespace

/// Finds the scales of one layer, fold by fold. They do not depend on each other: a factor of a
/// row changes its codes by nothing but the rounding of its scale.
class AwqLayer::Folder {
 public:
  Folder(const FolderSource& source, absl::Span<const FolderModule> modules,
         const InputsByMatrix& inputs, const ModelConfig& config, const AwqRounding& rounding,
         ThreadPool& pool, AwqLayer* layer)
      : source_(source),
        modules_(modules),
        inputs_(inputs),
        config_(config),
        rounding_(rounding),
        pool_(pool),
        layer_(*layer) {}

  absl::Status Run(const Fold& fold) {
    std::vector<const FolderModule*> consumers;
    for (const FolderModule& module : modules_) {
      if (absl::c_linear_search(fold.consumers, module.part)) consumers.push_back(&module);
    }
    if (consumers.empty()) return absl::OkStatus();
    if (fold.norm) return ScaleNorm(fold.producer, consumers);
    for (const FolderModule& module : modules_) {
      if (module.part == fold.producer) return ScaleLinear(module, consumers);
    }
    return absl::OkStatus();
  }

 private:
  absl::StatusOr<std::vector<float>> Search(const std::vector<const FolderModule*>& consumers,
                                            absl::Span<const int32_t> tied) {
    std::vector<std::vector<float>> weights;
    std::vector<AwqMatrix> matrices;
    for (const FolderModule* module : consumers) {
      QUANTD_ASSIGN_OR_RETURN(weights.emplace_back(), source_.ReadWeights(*module, pool_));
    }
    for (size_t i = 0; i < consumers.size(); ++i) {
      matrices.push_back({weights[i].data(), consumers[i]->n});
    }
    const InputStatistics& statistics = inputs_.at(consumers[0]->input);
    const AwqInput input = {statistics.cols, statistics.magnitudes, statistics.products};
    return SearchAwqScales(input, matrices, tied, rounding_, pool_);
  }

  absl::Status ScaleNorm(absl::string_view part,
                         const std::vector<const FolderModule*>& consumers) {
    const std::string ours = absl::StrCat("blk.", consumers[0]->layer, ".", part);
    const std::string name =
        absl::StrCat(HfPartName(source_.family(), ours).value_or(ours), ".weight");
    const FolderTensor* tensor = source_.Find(name);
    if (tensor == nullptr) return source_.Error(absl::StrCat("tensor ", name), "is missing");
    QUANTD_ASSIGN_OR_RETURN(std::vector<float> norm, source_.ReadFloats(*tensor));
    QUANTD_ASSIGN_OR_RETURN(std::vector<float> scales, Search(consumers, {}));
    if (norm.size() != scales.size()) {
      return source_.Error(absl::StrCat("tensor ", name),
                           absl::StrCat("has ", norm.size(), " elements, but ", scales.size(),
                                        " features follow it"));
    }
    const float added = source_.family().hf_norms_add_one ? 1.0f : 0.0f;
    for (size_t c = 0; c < norm.size(); ++c) {
      const float factor = norm[c] + added;
      const float stored = hf::RoundedTo(tensor->dtype, factor / scales[c] - added);
      const float scale = factor / (stored + added);
      const bool usable = std::isnormal(scale) && scale > 0;
      scales[c] = usable ? scale : 1.0f;
      if (usable) norm[c] = stored;
    }
    layer_.rewritten_[name] = std::move(norm);
    for (const FolderModule* module : consumers) layer_.scalings_[module->name].in = scales;
    return absl::OkStatus();
  }

  absl::Status ScaleLinear(const FolderModule& producer,
                           const std::vector<const FolderModule*>& consumers) {
    std::vector<int32_t> rows;  // of the producer, counted from the first that makes an input
    if (consumers[0]->part == "attn_output") {
      rows = RowsOfV(config_);
    } else {
      for (int32_t i = 0; i < consumers[0]->k; ++i) rows.push_back(i);
    }
    QUANTD_CHECK(static_cast<int64_t>(rows.size()) == consumers[0]->k,
                 "the model was loaded with these shapes");
    QUANTD_ASSIGN_OR_RETURN(const std::vector<float> scales, Search(consumers, TiedBy(rows)));
    const int64_t first = producer.n - (absl::c_max_element(rows)[0] + 1);
    std::vector<float> out(static_cast<size_t>(producer.n), 1.0f);
    for (size_t c = 0; c < rows.size(); ++c) out[first + rows[c]] = scales[c];
    const std::string name = absl::StrCat(producer.name, ".bias");
    if (const FolderTensor* tensor = source_.Find(name)) {
      QUANTD_ASSIGN_OR_RETURN(std::vector<float> bias, source_.ReadFloats(*tensor));
      if (bias.size() != out.size()) {
        return source_.Error(
            absl::StrCat("tensor ", name),
            absl::StrCat("has ", bias.size(), " elements for ", out.size(), " output features"));
      }
      for (size_t i = 0; i < bias.size(); ++i)
        bias[i] = hf::RoundedTo(tensor->dtype, bias[i] / out[i]);
      layer_.rewritten_[name] = std::move(bias);
    }
    for (const FolderModule* module : consumers) layer_.scalings_[module->name].in = scales;
    layer_.scalings_[producer.name].out = std::move(out);
    return absl::OkStatus();
  }

  const FolderSource& source_;
  const absl::Span<const FolderModule> modules_;
  const InputsByMatrix& inputs_;
  const ModelConfig& config_;
  const AwqRounding& rounding_;
  ThreadPool& pool_;
  AwqLayer& layer_;
};

absl::StatusOr<AwqLayer> AwqLayer::Search(const FolderSource& source,
                                          absl::Span<const FolderModule> modules,
                                          const InputsByMatrix& inputs, const ModelConfig& config,
                                          const AwqRounding& rounding, ThreadPool& pool) {
  AwqLayer layer;
  Folder folder(source, modules, inputs, config, rounding, pool, &layer);
  for (const Fold& fold : Folds()) QUANTD_RETURN_IF_ERROR(folder.Run(fold));
  return layer;
}

const WeightScaling& AwqLayer::Of(const FolderModule& module) const {
  static const auto* const none = new WeightScaling;
  const auto found = scalings_.find(module.name);
  return found == scalings_.end() ? *none : found->second;
}

}  // namespace quantd
