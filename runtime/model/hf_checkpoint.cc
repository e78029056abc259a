#include "runtime/model/hf_checkpoint.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "kernels/base/status_macros.h"
#include "runtime/formats/file_error.h"
#include "runtime/model/hf_hyper_parameters.h"

namespace quantd {
namespace {

// Tensors that change nothing here: frequencies that the hyper-parameters give as well, and scales
// for a quantized KV cache.
constexpr const char* kRedundantSuffixes[] = {".rotary_emb.inv_freq", ".k_scale", ".v_scale",
                                              ".q_scale", ".output_scale"};

bool IsRedundant(absl::string_view name) {
  return std::any_of(std::begin(kRedundantSuffixes), std::end(kRedundantSuffixes),
                     [&](const char* suffix) { return absl::EndsWith(name, suffix); });
}

/// The module that a tensor belongs to, and our name of it.
struct ModuleName {
  std::string hf, ours;
};

std::optional<ModuleName> FindModule(const Family& family, absl::string_view tensor) {
  constexpr size_t kLongest = 256;  // trying every dot takes the square of the length
  if (tensor.size() > kLongest) return std::nullopt;
  for (size_t dot = tensor.rfind('.'); dot != absl::string_view::npos && dot > 0;
       dot = tensor.rfind('.', dot - 1)) {
    const absl::string_view module = tensor.substr(0, dot);
    std::optional<std::string> ours = OurPartName(family, module);
    if (ours) return ModuleName{std::string(module), *std::move(ours)};
  }
  return std::nullopt;
}

std::vector<int64_t> Reversed(const std::vector<int64_t>& shape) {
  return {shape.rbegin(), shape.rend()};
}

QuantFormat FloatFormat(Dtype dtype) {
  return dtype == Dtype::kF16 ? kF16 : dtype == Dtype::kBF16 ? kBF16 : kF32;
}

}  // namespace

HfCheckpoint::HfCheckpoint(std::unique_ptr<HfConfig> config,
                           std::unique_ptr<SafetensorsModel> model)
    : config_(std::move(config)),
      model_(std::move(model)),
      family_(FindHfFamily(config_->model_type())) {}

absl::StatusOr<std::unique_ptr<Checkpoint>> HfCheckpoint::Open(const ModelDirectory& directory) {
  QUANTD_ASSIGN_OR_RETURN(std::unique_ptr<HfConfig> config, HfConfig::Open(directory));
  QUANTD_ASSIGN_OR_RETURN(std::unique_ptr<SafetensorsModel> model,
                          SafetensorsModel::Open(directory));
  return Of(std::move(config), std::move(model));
}

absl::StatusOr<std::unique_ptr<Checkpoint>> HfCheckpoint::Of(
    std::unique_ptr<HfConfig> config, std::unique_ptr<SafetensorsModel> model) {
  std::unique_ptr<HfCheckpoint> checkpoint(new HfCheckpoint(std::move(config), std::move(model)));
  QUANTD_RETURN_IF_ERROR(checkpoint->ReadTensors());
  return checkpoint;
}

absl::Status HfCheckpoint::ReadTensors() {
  std::vector<std::pair<std::string, Place>> modules;  // by our name
  absl::flat_hash_map<std::string, size_t> index;
  for (const SafetensorsTensor* tensor : model_->tensors()) {
    if (IsRedundant(tensor->name)) continue;
    std::optional<ModuleName> name;
    if (family_ != nullptr) name = FindModule(*family_, tensor->name);
    if (!name) {
      AddPlain(tensor->name, *tensor);
      continue;
    }
    const auto [entry, is_new] = index.emplace(name->hf, modules.size());
    if (is_new) modules.push_back({name->ours, {name->hf, {}}});
    modules[entry->second].second.tensors.push_back(tensor);
  }
  QUANTD_ASSIGN_OR_RETURN(const bool tied,
                          config_->language_model().Bool("tie_word_embeddings", false));
  for (const auto& [ours, module] : modules) {
    if (tied && ours == "output") continue;  // a copy of the embedding
    QUANTD_RETURN_IF_ERROR(AddModule(ours, module));
  }
  return absl::OkStatus();
}

absl::Status HfCheckpoint::AddModule(const std::string& ours, const Place& module) {
  const HfModule view(*model_, config_->quantization(), module.module);
  QUANTD_ASSIGN_OR_RETURN(HfWeight weight, OpenHfWeight(view));
  CheckpointTensor tensor;
  tensor.name = absl::StrCat(ours, ".weight");
  tensor.format = weight.source->format();
  const bool plain = weight.tensors.size() == 1 && tensor.format.is_float();
  tensor.stored = Printable(plain ? weight.tensors[0]->name : module.module);
  tensor.scheme = plain ? DtypeName(weight.tensors[0]->dtype) : weight.scheme->name;
  tensor.shape = plain ? Reversed(weight.tensors[0]->shape)
                       : std::vector<int64_t>{weight.source->cols(), weight.source->rows()};
  for (const SafetensorsTensor* part : weight.tensors) tensor.bytes += part->bytes;
  Add(std::move(tensor));
  places_.push_back({module.module, weight.tensors});

  const SafetensorsTensor* bias = view.Find(".bias");
  if (bias != nullptr) AddPlain(absl::StrCat(ours, ".bias"), *bias);
  for (const SafetensorsTensor* part : module.tensors) {
    const bool used = part == bias || std::find(weight.tensors.begin(), weight.tensors.end(),
                                                part) != weight.tensors.end();
    if (!used) AddPlain(part->name, *part);
  }
  return absl::OkStatus();
}

void HfCheckpoint::AddPlain(const std::string& name, const SafetensorsTensor& tensor) {
  Add({name, Printable(tensor.name), DtypeName(tensor.dtype), FloatFormat(tensor.dtype),
       Reversed(tensor.shape), tensor.bytes});
  places_.push_back({"", {&tensor}});
}

std::string HfCheckpoint::StoredName(absl::string_view name) const {
  const size_t dot = name.rfind('.');
  if (family_ == nullptr || dot == absl::string_view::npos) return std::string(name);
  const std::optional<std::string> module = HfPartName(*family_, name.substr(0, dot));
  return module ? absl::StrCat(*module, name.substr(dot)) : std::string(name);
}

absl::StatusOr<ModelConfig> HfCheckpoint::ReadHyperParameters() const {
  QUANTD_ASSIGN_OR_RETURN(ModelConfig config, ReadHfHyperParameters(*config_));
  // Where nothing is said, the tensors tell.
  QUANTD_ASSIGN_OR_RETURN(const std::optional<JsonValue> tied,
                          config_->language_model().Find("tie_word_embeddings"));
  config.tied_output = Find("output.weight") == nullptr;
  if (tied) {
    QUANTD_ASSIGN_OR_RETURN(config.tied_output, tied->Bool());
  }
  return config;
}

absl::StatusOr<std::unique_ptr<WeightSource>> HfCheckpoint::OpenWeight(
    const CheckpointTensor& tensor) const {
  const Place& place = places_[Index(tensor)];
  if (place.module.empty()) return Error(absl::StrCat("tensor ", tensor.stored), "is no weight");
  QUANTD_ASSIGN_OR_RETURN(HfWeight weight,
                          OpenHfWeight(HfModule(*model_, config_->quantization(), place.module)));
  return std::move(weight.source);
}

absl::StatusOr<std::vector<float>> HfCheckpoint::ReadFloats(const CheckpointTensor& tensor) const {
  const Place& place = places_[Index(tensor)];
  if (place.tensors.size() == 1) {
    QUANTD_ASSIGN_OR_RETURN(std::vector<float> values, quantd::ReadFloats(*place.tensors[0]));
    if (family_ != nullptr && family_->hf_norms_add_one &&
        absl::EndsWith(tensor.name, "norm.weight")) {
      for (float& value : values) value += 1;
    }
    return values;
  }
  return Error(absl::StrCat("tensor ", tensor.stored),
               absl::StrCat("is stored as ", tensor.scheme, ", but it must be floats"));
}

void HfCheckpoint::GiveBack(const CheckpointTensor& tensor) const {
  for (const SafetensorsTensor* part : places_[Index(tensor)].tensors) part->GiveBack();
}

}  // namespace quantd
