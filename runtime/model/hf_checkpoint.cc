#include "runtime/model/hf_checkpoint.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/container/flat_hash_map.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
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
  absl::string_view module = tensor;  // MXFP4's tensors
  if (absl::ConsumeSuffix(&module, "_blocks") || absl::ConsumeSuffix(&module, "_scales")) {
    std::optional<std::string> ours = OurPartName(family, module);
    if (ours) return ModuleName{std::string(module), *std::move(ours)};
  }
  for (size_t dot = tensor.rfind('.'); dot != absl::string_view::npos && dot > 0;
       dot = tensor.rfind('.', dot - 1)) {
    module = tensor.substr(0, dot);
    std::optional<std::string> ours = OurPartName(family, module);
    if (ours) return ModuleName{std::string(module), *std::move(ours)};
  }
  return std::nullopt;
}

/// "blk.3.ffn_up_exps" and 7 of "blk.3.ffn_up_exps.7": a tensor of ours that stacks several.
struct InStack {
  std::string tensor;
  uint64_t place = 0;
};

std::optional<InStack> FindStack(absl::string_view ours) {
  const size_t dot = ours.rfind('.');
  InStack found;
  if (dot == absl::string_view::npos || !absl::SimpleAtoi(ours.substr(dot + 1), &found.place)) {
    return std::nullopt;
  }
  found.tensor = std::string(ours.substr(0, dot));
  return found;
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
  QUANTD_ASSIGN_OR_RETURN(const bool tied,
                          config_->language_model().Bool("tie_word_embeddings", false));
  for (Weight& weight : CollectWeights()) {
    if (tied && weight.ours == "output") continue;  // a copy of the embedding
    if (weight.stacked) QUANTD_RETURN_IF_ERROR(SortStack(&weight));
    QUANTD_RETURN_IF_ERROR(AddWeight(weight));
  }
  return absl::OkStatus();
}

// In the order of the files. Tensors that belong to no weight are added as they are.
std::vector<HfCheckpoint::Weight> HfCheckpoint::CollectWeights() {
  std::vector<Weight> weights;
  absl::flat_hash_map<std::string, size_t> by_name;                       // of ours
  absl::flat_hash_map<std::string, std::pair<size_t, size_t>> by_module;  // weight, module
  for (const SafetensorsTensor* tensor : model_->tensors()) {
    if (IsRedundant(tensor->name)) continue;
    std::optional<ModuleName> name;
    if (family_ != nullptr) name = FindModule(*family_, tensor->name);
    if (!name) {
      AddPlain(tensor->name, *tensor);
      continue;
    }
    auto known = by_module.find(name->hf);
    if (known == by_module.end()) {
      const std::optional<InStack> stack = FindStack(name->ours);
      const std::string& ours = stack ? stack->tensor : name->ours;
      const auto [weight, is_new] = by_name.emplace(ours, weights.size());
      if (is_new) weights.push_back({ours, {}, stack.has_value()});
      std::vector<Module>& modules = weights[weight->second].modules;
      known = by_module.emplace(name->hf, std::make_pair(weight->second, modules.size())).first;
      modules.push_back({name->hf, stack ? stack->place : 0, {}});
    }
    weights[known->second.first].modules[known->second.second].tensors.push_back(tensor);
  }
  return weights;
}

/// Puts the modules in order; they must be those numbered 0, 1, 2 and so on.
absl::Status HfCheckpoint::SortStack(Weight* weight) const {
  std::stable_sort(weight->modules.begin(), weight->modules.end(),
                   [](const Module& a, const Module& b) { return a.place < b.place; });
  for (size_t i = 0; i < weight->modules.size(); ++i) {
    const std::string name = HfPartName(*family_, absl::StrCat(weight->ours, ".", i)).value_or("");
    if (name == weight->modules[i].name) continue;
    return Error(absl::StrCat("tensor ", name, ".weight"),
                 absl::StrCat("is missing, but there is ", Printable(weight->modules[i].name)));
  }
  return absl::OkStatus();
}

absl::Status HfCheckpoint::AddWeight(const Weight& weight) {
  CheckpointTensor tensor;
  tensor.name = absl::StrCat(weight.ours, ".weight");
  Place place;
  std::vector<std::pair<std::string, const SafetensorsTensor*>> beside;  // and what we call them
  for (const Module& module : weight.modules) {
    const HfModule view(*model_, config_->quantization(), module.name);
    QUANTD_ASSIGN_OR_RETURN(const HfWeight part, OpenHfWeight(view));
    QUANTD_RETURN_IF_ERROR(AddPart(view, part, &tensor));
    place.modules.push_back(module.name);
    place.tensors.insert(place.tensors.end(), part.tensors.begin(), part.tensors.end());
    const SafetensorsTensor* const bias = weight.stacked ? nullptr : view.Find(".bias");
    if (bias != nullptr) beside.push_back({absl::StrCat(weight.ours, ".bias"), bias});
    for (const SafetensorsTensor* one : module.tensors) {
      const bool used = one == bias || absl::c_linear_search(part.tensors, one);
      if (!used) beside.push_back({one->name, one});
    }
  }
  if (place.modules.size() > 1) {
    tensor.shape.push_back(static_cast<int64_t>(place.modules.size()));
  }
  Add(std::move(tensor));
  places_.push_back(std::move(place));
  for (const auto& [name, other] : beside) AddPlain(name, *other);
  return absl::OkStatus();
}

/// Adds a module to what a tensor is made of; all have one shape.
absl::Status HfCheckpoint::AddPart(const HfModule& module, const HfWeight& weight,
                                   CheckpointTensor* tensor) {
  const SafetensorsTensor& stored = *weight.tensors[0];
  const bool plain = weight.tensors.size() == 1 && weight.source->format().is_float();
  const std::vector<int64_t> shape =
      plain ? Reversed(stored.shape)
            : std::vector<int64_t>{weight.source->cols(), weight.source->rows()};
  if (tensor->shape.empty()) {
    tensor->format = weight.source->format();
    tensor->stored = Printable(plain ? stored.name : module.name());
    tensor->scheme = plain ? DtypeName(stored.dtype) : weight.scheme->name;
    tensor->shape = shape;
  } else if (shape != tensor->shape) {
    return module.Error(absl::StrCat("has shape [", absl::StrJoin(shape, ", "), "], but ",
                                     tensor->stored, " has [", absl::StrJoin(tensor->shape, ", "),
                                     "]"));
  }
  for (const SafetensorsTensor* one : weight.tensors) tensor->bytes += one->bytes;
  return absl::OkStatus();
}

void HfCheckpoint::AddPlain(const std::string& name, const SafetensorsTensor& tensor) {
  Add({name, Printable(tensor.name), DtypeName(tensor.dtype), FloatFormat(tensor.dtype),
       Reversed(tensor.shape), tensor.bytes});
  places_.push_back({{}, {&tensor}});
}

std::string HfCheckpoint::StoredName(absl::string_view name) const {
  const size_t dot = name.rfind('.');
  if (family_ == nullptr || dot == absl::string_view::npos) return std::string(name);
  const absl::string_view part = name.substr(0, dot);
  std::optional<std::string> module = HfPartName(*family_, part);
  if (!module) module = HfPartName(*family_, absl::StrCat(part, ".0"));  // the first of a stack
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

absl::StatusOr<std::vector<std::unique_ptr<WeightSource>>> HfCheckpoint::OpenWeights(
    const CheckpointTensor& tensor) const {
  const Place& place = places_[Index(tensor)];
  if (place.modules.empty()) return Error(absl::StrCat("tensor ", tensor.stored), "is no weight");
  std::vector<std::unique_ptr<WeightSource>> sources;
  for (const std::string& module : place.modules) {
    QUANTD_ASSIGN_OR_RETURN(HfWeight weight,
                            OpenHfWeight(HfModule(*model_, config_->quantization(), module)));
    sources.push_back(std::move(weight.source));
  }
  return sources;
}

absl::StatusOr<std::vector<float>> HfCheckpoint::ReadFloats(const CheckpointTensor& tensor) const {
  const Place& place = places_[Index(tensor)];
  if (place.tensors.size() == 1) {
    QUANTD_ASSIGN_OR_RETURN(std::vector<float> values, quantd::ReadFloats(*place.tensors[0]));
    if (family_ != nullptr && HfNormLacksOne(*family_, tensor.name)) {
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
