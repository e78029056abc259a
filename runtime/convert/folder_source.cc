#include "runtime/convert/folder_source.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <numeric>
#include <optional>
#include <system_error>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "kernels/base/status_macros.h"
#include "runtime/convert/gguf_folder_source.h"
#include "runtime/formats/file_error.h"
#include "runtime/formats/hf_config.h"
#include "runtime/formats/hf_scheme_table.h"
#include "runtime/formats/safetensors_model.h"
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

/// A folder of Hugging Face.
class HfFolderSource final : public FolderSource {
 public:
  static absl::StatusOr<std::unique_ptr<FolderSource>> Open(const std::string& path) {
    QUANTD_ASSIGN_OR_RETURN(ModelDirectory directory, ModelDirectory::Open(path));
    QUANTD_ASSIGN_OR_RETURN(std::unique_ptr<HfConfig> config, HfConfig::Open(directory));
    const std::string& method = config->quantization().method;
    if (!method.empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat(path, ": config.json: quantization_config: the model is quantized already (",
                       Printable(method),
                       "); quantize from the model in F16, BF16 or F32, since errors add up"));
    }
    const Family* const family = FindHfFamily(config->model_type());
    if (family == nullptr) {
      return UnsupportedError(path, "config.json: model_type",
                              absl::StrCat("\"", Printable(config->model_type()),
                                           "\" is not supported; ", HfModelTypes(), " are"));
    }
    QUANTD_ASSIGN_OR_RETURN(std::unique_ptr<SafetensorsModel> model,
                            SafetensorsModel::Open(directory));
    std::unique_ptr<HfFolderSource> source(
        new HfFolderSource(std::move(directory), std::move(config), std::move(model), *family));
    std::vector<FolderTensor> tensors;
    for (const SafetensorsTensor* tensor : source->model_->tensors()) {
      tensors.push_back(
          {tensor->name, tensor->dtype, tensor->shape, DtypeName(tensor->dtype), tensor->bytes});
    }
    QUANTD_RETURN_IF_ERROR(source->SetTensors(std::move(tensors)));
    return source;
  }

  absl::StatusOr<absl::Span<const uint8_t>> ReadBytes(const FolderTensor& tensor,
                                                      std::vector<uint8_t>*,
                                                      QuantizedTensor*) const override {
    const SafetensorsTensor& stored = Stored(tensor);
    QUANTD_RETURN_IF_ERROR(stored.CheckNotTruncated());
    return stored.span();
  }

  absl::StatusOr<std::vector<float>> ReadFloats(const FolderTensor& tensor) const override {
    return quantd::ReadFloats(Stored(tensor));
  }

  absl::StatusOr<std::vector<float>> ReadWeights(const FolderModule& module,
                                                 ThreadPool& pool) const override {
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
    GiveBack(*module.weight);
    return floats;
  }

  void GiveBack(const FolderTensor& tensor) const override { Stored(tensor).GiveBack(); }

  absl::StatusOr<std::string> ReadConfig() const override {
    const absl::StatusOr<std::string> path = directory_.Resolve(kConfigFile);
    if (!path.ok()) return Error(kConfigFile, path.status().message());
    std::ifstream file(*path, std::ios::binary);
    std::string text{std::istreambuf_iterator<char>(file), {}};
    if (!file) return absl::UnavailableError(absl::StrCat(*path, ": cannot read"));
    return text;
  }

  absl::Status WriteSideFiles(const OutputFolder& folder) const override {
    return folder.CopySideFiles(directory_);
  }

 private:
  static constexpr char kConfigFile[] = "config.json";

  HfFolderSource(ModelDirectory directory, std::unique_ptr<HfConfig> config,
                 std::unique_ptr<SafetensorsModel> model, const Family& family)
      : FolderSource(directory.path(), family),
        directory_(std::move(directory)),
        config_(std::move(config)),
        model_(std::move(model)) {}

  const SafetensorsTensor& Stored(const FolderTensor& tensor) const {
    return *model_->tensors()[Index(tensor)];
  }

  const ModelDirectory directory_;
  const std::unique_ptr<HfConfig> config_;
  const std::unique_ptr<SafetensorsModel> model_;
};

}  // namespace

int64_t FolderTensor::elements() const {
  return std::accumulate(shape.begin(), shape.end(), int64_t{1}, std::multiplies<int64_t>());
}

absl::StatusOr<std::unique_ptr<FolderSource>> FolderSource::Open(const std::string& path,
                                                                 bool requantize) {
  std::error_code error;
  const bool file = std::filesystem::is_regular_file(path, error);
  if (file && !absl::EndsWith(path, ".safetensors")) {
    return GgufFolderSource::Open(path, requantize);
  }
  return HfFolderSource::Open(path);
}

const FolderTensor* FolderSource::Find(absl::string_view name) const {
  const auto found = index_.find(name);
  return found == index_.end() ? nullptr : &tensors_[found->second];
}

absl::Status FolderSource::SetTensors(std::vector<FolderTensor> tensors) {
  tensors_ = std::move(tensors);
  for (size_t i = 0; i < tensors_.size(); ++i) index_.emplace(tensors_[i].name, i);
  skipped_.push_back("lm_head");
  for (const FolderTensor& tensor : tensors_) {
    absl::string_view module = tensor.name;
    if (!absl::ConsumeSuffix(&module, ".weight") || tensor.shape.size() != 2) continue;
    const std::optional<std::string> ours = OurPartName(*family_, module);
    const std::optional<LayerPart> place = ours ? SplitName(*ours) : std::nullopt;
    if (!place) continue;
    if (place->part == kRouter) {
      skipped_.push_back(std::string(module));
      continue;
    }
    modules_.push_back({std::string(module), place->part, place->layer, tensor.shape[0],
                        tensor.shape[1], &tensor, InputOf(*place),
                        absl::StrContains(place->part, '.')});
  }
  std::stable_sort(modules_.begin(), modules_.end(),
                   [](const FolderModule& a, const FolderModule& b) { return a.layer < b.layer; });
  std::sort(skipped_.begin() + 1, skipped_.end());
  if (!modules_.empty()) return absl::OkStatus();
  return Error("tensors", "there are no linear modules to quantize");
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
          absl::StrCat(path_, ": ", tensor, ": group-size ", options.group, " does not divide its ",
                       module.k, " input features; ", fits > 0 ? absl::StrCat(fits, " and ") : "",
                       "-1 (whole rows) would do"));
    }
    if (module.n * options.bits % scheme.packer->n_bits_multiple != 0 ||
        module.k * options.bits % scheme.packer->k_bits_multiple != 0) {
      return absl::InvalidArgumentError(absl::StrCat(
          path_, ": ", tensor, ": ", module.n, " x ", module.k, " codes of ", options.bits,
          " bits do not fill words or blocks of ", scheme.name, "; W8A8 would do"));
    }
  }
  return absl::OkStatus();
}

absl::Status FolderSource::Error(absl::string_view field, absl::string_view what) const {
  return FileError(path_, field, what);
}

}  // namespace quantd
