#include "runtime/convert/folder_source.h"

#include <algorithm>
#include <numeric>
#include <optional>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "kernels/base/status_macros.h"
#include "runtime/formats/file_error.h"
#include "runtime/formats/hf_scheme_table.h"
#include "runtime/quantize/row_floats.h"

namespace quantd {
namespace {

constexpr char kRouter[] = "ffn_gate_inp";

/// Parts that read the input of another, which is observed for both.
struct SharedInput {
  const char* part;
  const char* observed;
};
constexpr SharedInput kSharedInputs[] = {
    {"attn_k", "attn_q"},
    {"attn_v", "attn_q"},
    {"ffn_gate", "ffn_up"},
    {"ffn_gate_exps", "ffn_up_exps"},
};

/// 3 and "mlp_up" of "blk.3.mlp_up".
struct LayerPart {
  int32_t layer = 0;
  std::string part;
};

std::optional<LayerPart> SplitName(absl::string_view ours) {
  LayerPart result;
  if (!absl::ConsumePrefix(&ours, "blk.")) return std::nullopt;
  const size_t dot = ours.find('.');
  if (dot == ours.npos || !absl::SimpleAtoi(ours.substr(0, dot), &result.layer)) {
    return std::nullopt;
  }
  result.part = std::string(ours.substr(dot + 1));
  return result;
}

/// All experts of a layer are parts of one matrix, "ffn_up_exps.7" and the like.
InputName InputOf(const LayerPart& place) {
  const std::vector<absl::string_view> pieces = absl::StrSplit(place.part, '.');
  absl::string_view part = pieces[0];
  InputName input;
  if (pieces.size() > 1 && !absl::SimpleAtoi(pieces[1], &input.part)) input.part = 0;
  for (const SharedInput& shared : kSharedInputs) {
    if (part == shared.part) part = shared.observed;
  }
  input.matrix = absl::StrCat("blk.", place.layer, ".", part, ".weight");
  return input;
}

std::string KnownTypes() {
  std::vector<std::string> types;
  for (const Family& family : Families()) {
    for (const char* type : family.hf_model_types) types.push_back(type);
  }
  return absl::StrJoin(types, ", ");
}

}  // namespace

absl::StatusOr<std::unique_ptr<FolderSource>> FolderSource::Open(const std::string& path) {
  QUANTD_ASSIGN_OR_RETURN(ModelDirectory directory, ModelDirectory::Open(path));
  std::unique_ptr<FolderSource> source(new FolderSource(std::move(directory)));
  QUANTD_ASSIGN_OR_RETURN(source->config_, HfConfig::Open(source->directory_));
  const std::string& method = source->config_->quantization().method;
  if (!method.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(
        path, ": config.json: quantization_config: the model is quantized already (",
        Printable(method), "); quantize from the model in F16, BF16 or F32, since errors add up"));
  }
  source->family_ = FindHfFamily(source->config_->model_type());
  if (source->family_ == nullptr) {
    return UnsupportedError(path, "config.json: model_type",
                            absl::StrCat("\"", Printable(source->config_->model_type()),
                                         "\" is not supported; ", KnownTypes(), " are"));
  }
  QUANTD_ASSIGN_OR_RETURN(source->model_, SafetensorsModel::Open(source->directory_));
  source->FindModules();
  if (source->modules_.empty()) {
    return source->Error("tensors", "there are no linear modules to quantize");
  }
  return source;
}

void FolderSource::FindModules() {
  skipped_.push_back("lm_head");
  for (const SafetensorsTensor* tensor : model_->tensors()) {
    absl::string_view module = tensor->name;
    if (!absl::ConsumeSuffix(&module, ".weight") || tensor->shape.size() != 2) continue;
    const std::optional<std::string> ours = OurPartName(*family_, module);
    const std::optional<LayerPart> place = ours ? SplitName(*ours) : std::nullopt;
    if (!place) continue;
    if (place->part == kRouter) {
      skipped_.push_back(std::string(module));
      continue;
    }
    modules_.push_back({std::string(module), place->part, place->layer, tensor->shape[0],
                        tensor->shape[1], tensor, InputOf(*place),
                        absl::StrContains(place->part, '.')});
  }
  std::stable_sort(modules_.begin(), modules_.end(),
                   [](const FolderModule& a, const FolderModule& b) { return a.layer < b.layer; });
  std::sort(skipped_.begin() + 1, skipped_.end());
}

absl::Status FolderSource::CheckFits(const FolderScheme& scheme,
                                     const FolderSettings& settings) const {
  const hf::PackOptions options = PackOptionsOf(scheme, settings, Dtype::kF32);
  int64_t common = 0;  // what divides the input features of all modules
  for (const FolderModule& module : modules_) common = std::gcd(common, module.k);
  for (const FolderModule& module : modules_) {
    const std::string tensor = absl::StrCat("tensor ", Printable(module.weight->name));
    if (module.n * module.k == 0) return Error(tensor, "holds no weights");
    if (options.group != -1 && module.k % options.group != 0) {
      int64_t fits = std::min<int64_t>(options.group, common) / 16 * 16;
      while (fits > 0 && common % fits != 0) fits -= 16;
      return absl::InvalidArgumentError(
          absl::StrCat(directory_.path(), ": ", tensor, ": group-size ", options.group,
                       " does not divide its ", module.k, " input features; ",
                       fits > 0 ? absl::StrCat(fits, " and ") : "", "-1 (whole rows) would do"));
    }
    if (module.n * options.bits % scheme.packer->n_bits_multiple != 0 ||
        module.k * options.bits % scheme.packer->k_bits_multiple != 0) {
      return absl::InvalidArgumentError(absl::StrCat(
          directory_.path(), ": ", tensor, ": ", module.n, " x ", module.k, " codes of ",
          options.bits, " bits do not fill words or blocks of ", scheme.name, "; W8A8 would do"));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<float>> FolderSource::ReadWeights(const FolderModule& module,
                                                             ThreadPool& pool) const {
  QUANTD_ASSIGN_OR_RETURN(const HfWeight weight,
                          OpenHfWeight(HfModule(*model_, config_->quantization(), module.name)));
  std::vector<float> floats(static_cast<size_t>(module.n * module.k));
  std::vector<absl::Status> results(pool.size());
  pool.ParallelFor(module.n, 1, [&](int64_t begin, int64_t end, int thread) {
    QuantTensor rows;
    for (int64_t row = begin; row < end && results[thread].ok(); ++row) {
      results[thread] = weight.source->Decode(row, 1, &rows);
      if (results[thread].ok()) RowFloats(rows, 0, floats.data() + row * module.k);
    }
  });
  for (const absl::Status& result : results) QUANTD_RETURN_IF_ERROR(result);
  module.weight->GiveBack();
  return floats;
}

absl::Status FolderSource::Error(absl::string_view field, absl::string_view what) const {
  return FileError(directory_.path(), field, what);
}

}  // namespace quantd
