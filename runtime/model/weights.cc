#include "runtime/model/weights.h"

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "kernels/base/check.h"
#include "kernels/base/status_macros.h"
#include "runtime/quantize/row_floats.h"

namespace quantd {
namespace {

// A size that the hyper-parameters give.
using Size = int64_t (*)(const ModelConfig&);
int64_t Dim(const ModelConfig& c) { return c.dim; }
int64_t QDim(const ModelConfig& c) { return c.q_dim(); }
int64_t KvDim(const ModelConfig& c) { return c.kv_dim(); }
int64_t Ff(const ModelConfig& c) { return c.ff; }

// The parts of a layer: "blk.N.<name>.weight", for a matrix also ".bias".
struct LayerMatrix {
  const char* name;
  Linear LayerWeights::*slot;
  Size rows, cols;
};
constexpr LayerMatrix kLayerMatrices[] = {
    {"attn_q", &LayerWeights::q, QDim, Dim},    {"attn_k", &LayerWeights::k, KvDim, Dim},
    {"attn_v", &LayerWeights::v, KvDim, Dim},   {"attn_output", &LayerWeights::o, Dim, QDim},
    {"ffn_gate", &LayerWeights::gate, Ff, Dim}, {"ffn_up", &LayerWeights::up, Ff, Dim},
    {"ffn_down", &LayerWeights::down, Dim, Ff},
};
struct LayerVector {
  const char* name;
  std::vector<float> LayerWeights::*slot;
};
constexpr LayerVector kLayerVectors[] = {
    {"attn_norm", &LayerWeights::attn_norm},
    {"ffn_norm", &LayerWeights::ffn_norm},
};
constexpr char kEmbedding[] = "token_embd.weight";
constexpr char kOutput[] = "output.weight";
constexpr char kOutputNorm[] = "output_norm.weight";

std::string LayerTensor(int32_t layer, absl::string_view name, absl::string_view suffix) {
  return absl::StrCat("blk.", layer, ".", name, suffix);
}

// Tensors that converters write though the hyper-parameters say the same; rope_freqs is read with
// the hyper-parameters.
bool IsRedundant(absl::string_view name) {
  return name == "rope_freqs.weight" || absl::EndsWith(name, ".attn_rot_embd.weight");
}

// Before anything loops over layers: as many as there are tensors of.
absl::Status CheckLayerCount(const Checkpoint& checkpoint, const ModelConfig& config) {
  int64_t present = 0;
  for (const CheckpointTensor& tensor : checkpoint.tensors()) {
    absl::string_view rest = tensor.name;
    if (!absl::ConsumePrefix(&rest, "blk.")) continue;
    int32_t index = 0;
    if (!absl::SimpleAtoi(rest.substr(0, rest.find('.')), &index) || index < 0) {
      return checkpoint.Error(absl::StrCat("tensor ", tensor.stored), "has no layer number");
    }
    present = std::max(present, int64_t{index} + 1);
  }
  if (present == config.layers) return absl::OkStatus();
  return checkpoint.Error(
      checkpoint.LayersKey(),
      absl::StrCat(config.layers, ", but there are tensors of ", present, " layers"));
}

absl::Status CheckShape(const Checkpoint& checkpoint, const CheckpointTensor& tensor,
                        const TensorSpec& spec) {
  const bool fits = tensor.cols() == spec.cols && tensor.rows() == spec.rows &&
                    (spec.vector || tensor.shape.size() == 2);
  if (fits) return absl::OkStatus();
  return checkpoint.Error(absl::StrCat("tensor ", tensor.stored),
                          absl::StrCat("has shape [", absl::StrJoin(tensor.shape, ", "),
                                       "], but the hyper-parameters imply [", spec.cols,
                                       spec.vector ? "" : absl::StrCat(", ", spec.rows), "]"));
}

// Loads tensors one by one, with progress, and gives the file's pages back as it goes.
class Loader {
 public:
  Loader(const Checkpoint& checkpoint, const KernelSet& kernels, ThreadPool& pool,
         const LoadOptions& options)
      : checkpoint_(checkpoint), kernels_(kernels), pool_(pool), options_(options) {}

  void AddToTotal(absl::string_view name) {
    if (const CheckpointTensor* tensor = checkpoint_.Find(name)) total_bytes_ += tensor->bytes;
  }

  absl::Status Matrix(absl::string_view name, PackedWeight* out) {
    const CheckpointTensor& tensor = Tensor(name);
    QUANTD_ASSIGN_OR_RETURN(std::unique_ptr<WeightSource> source, checkpoint_.OpenWeight(tensor));
    if (options_.decode_to_float) source = DecodedToFloat(std::move(source));
    QUANTD_ASSIGN_OR_RETURN(*out, PackWeight(*source, kernels_, pool_));
    return Done(tensor);
  }

  absl::Status Vector(absl::string_view name, std::vector<float>* out) {
    const CheckpointTensor& tensor = Tensor(name);
    QUANTD_ASSIGN_OR_RETURN(*out, checkpoint_.ReadFloats(tensor));
    return Done(tensor);
  }

  absl::Status OptionalVector(absl::string_view name, std::vector<float>* out) {
    return checkpoint_.Find(name) == nullptr ? absl::OkStatus() : Vector(name, out);
  }

 private:
  const CheckpointTensor& Tensor(absl::string_view name) const {
    const CheckpointTensor* tensor = checkpoint_.Find(name);
    QUANTD_CHECK(tensor != nullptr, "ValidateTensors found every required tensor");
    return *tensor;
  }

  absl::Status Done(const CheckpointTensor& tensor) {
    checkpoint_.GiveBack(tensor);
    done_bytes_ += tensor.bytes;
    if (options_.progress && !options_.progress({done_bytes_, total_bytes_, tensor.name})) {
      return absl::CancelledError(
          absl::StrCat(checkpoint_.path(), ": load cancelled after tensor ", tensor.name));
    }
    return absl::OkStatus();
  }

  const Checkpoint& checkpoint_;
  const KernelSet& kernels_;
  ThreadPool& pool_;
  const LoadOptions& options_;
  uint64_t done_bytes_ = 0, total_bytes_ = 0;
};

absl::Status LoadLayer(Loader& loader, int32_t index, LayerWeights* layer) {
  for (const LayerVector& part : kLayerVectors) {
    QUANTD_RETURN_IF_ERROR(
        loader.Vector(LayerTensor(index, part.name, ".weight"), &(layer->*part.slot)));
  }
  for (const LayerMatrix& part : kLayerMatrices) {
    Linear& linear = layer->*part.slot;
    QUANTD_RETURN_IF_ERROR(loader.Matrix(LayerTensor(index, part.name, ".weight"), &linear.weight));
    QUANTD_RETURN_IF_ERROR(
        loader.OptionalVector(LayerTensor(index, part.name, ".bias"), &linear.bias));
  }
  return absl::OkStatus();
}

}  // namespace

std::vector<TensorSpec> ModelTensors(const ModelConfig& config) {
  std::vector<TensorSpec> specs;
  specs.push_back({kEmbedding, config.vocab, config.dim});
  if (!config.tied_output) specs.push_back({kOutput, config.vocab, config.dim});
  specs.push_back({kOutputNorm, 1, config.dim, /*vector=*/true});
  for (int32_t i = 0; i < config.layers; ++i) {
    for (const LayerVector& part : kLayerVectors) {
      specs.push_back({LayerTensor(i, part.name, ".weight"), 1, config.dim, /*vector=*/true});
    }
    for (const LayerMatrix& part : kLayerMatrices) {
      const int64_t rows = part.rows(config);
      specs.push_back({LayerTensor(i, part.name, ".weight"), rows, part.cols(config)});
      specs.push_back(
          {LayerTensor(i, part.name, ".bias"), 1, rows, /*vector=*/true, /*optional=*/true});
    }
  }
  return specs;
}

absl::Status ValidateTensors(const Checkpoint& checkpoint, const ModelConfig& config) {
  QUANTD_RETURN_IF_ERROR(CheckLayerCount(checkpoint, config));
  absl::flat_hash_set<std::string> known;
  for (TensorSpec& spec : ModelTensors(config)) {
    const CheckpointTensor* tensor = checkpoint.Find(spec.name);
    if (tensor != nullptr) {
      QUANTD_RETURN_IF_ERROR(CheckShape(checkpoint, *tensor, spec));
    } else if (!spec.optional) {
      return checkpoint.Error(absl::StrCat("tensor ", checkpoint.StoredName(spec.name)),
                              "is missing");
    }
    known.insert(std::move(spec.name));
  }
  for (const CheckpointTensor& tensor : checkpoint.tensors()) {
    if (known.contains(tensor.name) || IsRedundant(tensor.name)) continue;
    // Ignoring it would give wrong text without a word.
    return checkpoint.Unsupported(absl::StrCat("tensor ", tensor.stored),
                                  "not a part of the Llama-family layer that this build computes; "
                                  "the model needs another");
  }
  return absl::OkStatus();
}

absl::StatusOr<Weights> LoadWeights(const Checkpoint& checkpoint, const ModelConfig& config,
                                    const KernelSet& kernels, ThreadPool& pool,
                                    const LoadOptions& options) {
  Loader loader(checkpoint, kernels, pool, options);
  for (const TensorSpec& spec : ModelTensors(config)) loader.AddToTotal(spec.name);
  Weights weights;
  QUANTD_RETURN_IF_ERROR(loader.Matrix(kEmbedding, &weights.embedding));
  if (!config.tied_output) {
    weights.own_output.emplace();
    QUANTD_RETURN_IF_ERROR(loader.Matrix(kOutput, &*weights.own_output));
  }
  QUANTD_RETURN_IF_ERROR(loader.Vector(kOutputNorm, &weights.output_norm));
  weights.layers.resize(config.layers);
  for (int32_t i = 0; i < config.layers; ++i) {
    QUANTD_RETURN_IF_ERROR(LoadLayer(loader, i, &weights.layers[i]));
  }
  return weights;
}

std::vector<const PackedWeight*> PackedWeights(const Weights& weights) {
  std::vector<const PackedWeight*> packed = {&weights.embedding};
  if (weights.own_output) packed.push_back(&*weights.own_output);
  for (const LayerWeights& layer : weights.layers) {
    for (const LayerMatrix& part : kLayerMatrices) packed.push_back(&(layer.*part.slot).weight);
  }
  return packed;
}

}  // namespace quantd
