#include "runtime/model/weights.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "kernels/base/check.h"
#include "kernels/base/status_macros.h"
#include "runtime/model/row_range.h"
#include "runtime/quantize/quantized_source.h"
#include "runtime/quantize/row_floats.h"

namespace quantd {
namespace {

// A size that the hyper-parameters give.
using Size = int64_t (*)(const ModelConfig&);
int64_t One(const ModelConfig&) { return 1; }
int64_t Dim(const ModelConfig& c) { return c.dim; }
int64_t HeadDim(const ModelConfig& c) { return c.head_dim; }
int64_t QDim(const ModelConfig& c) { return c.q_dim(); }
int64_t KvDim(const ModelConfig& c) { return c.kv_dim(); }
int64_t Ff(const ModelConfig& c) { return c.ff; }
int64_t Experts(const ModelConfig& c) { return c.experts; }
int64_t ExpertFf(const ModelConfig& c) { return c.expert_ff; }

// Which layers have a part.
using Present = bool (*)(const ModelConfig&, int32_t layer);
bool Always(const ModelConfig&, int32_t) { return true; }
bool QkNorm(const ModelConfig& c, int32_t) { return c.qk_norm; }
bool PostNorms(const ModelConfig& c, int32_t) { return c.post_norms; }
bool SplitQkv(const ModelConfig& c, int32_t) { return !c.fused_qkv; }
bool FusedQkv(const ModelConfig& c, int32_t) { return c.fused_qkv; }
bool Moe(const ModelConfig& c, int32_t layer) { return c.has_experts(layer); }
bool Dense(const ModelConfig& c, int32_t layer) { return !Moe(c, layer); }
bool SplitGateUp(const ModelConfig& c, int32_t layer) {
  return Dense(c, layer) && !c.fused_gate_up;
}
bool FusedGateUp(const ModelConfig& c, int32_t layer) { return Dense(c, layer) && c.fused_gate_up; }

// Where rows of a tensor go: a matrix of the layer.
using Slot = Linear& (*)(LayerWeights&, int64_t part);
template <auto kMember>
Linear& Own(LayerWeights& layer, int64_t) {
  return layer.*kMember;
}
template <auto kMember>
Linear& Ffn(LayerWeights& layer, int64_t) {
  return layer.ffn.*kMember;
}
template <auto kMember>
Linear& Expert(LayerWeights& layer, int64_t part) {
  return layer.experts[static_cast<size_t>(part)].*kMember;
}

// The matrices of a layer, "blk.N.<name>.weight" with, it may be, a ".bias". A tensor of several
// `parts` holds as many matrices; one with several slots is cut by rows.
struct Rows {
  Slot slot;
  Size count;
};
constexpr size_t kMaxSlots = 3;
constexpr char kRouter[] = "ffn_gate_inp";
struct LayerMatrix {
  const char* name;
  std::array<Rows, kMaxSlots> slots;  // the first without a slot ends them
  Size cols, parts;
  Present present;
};
constexpr LayerMatrix kLayerMatrices[] = {
    {"attn_q", {{{Own<&LayerWeights::q>, QDim}}}, Dim, One, SplitQkv},
    {"attn_k", {{{Own<&LayerWeights::k>, KvDim}}}, Dim, One, SplitQkv},
    {"attn_v", {{{Own<&LayerWeights::v>, KvDim}}}, Dim, One, SplitQkv},
    {"attn_qkv",
     {{{Own<&LayerWeights::q>, QDim},
       {Own<&LayerWeights::k>, KvDim},
       {Own<&LayerWeights::v>, KvDim}}},
     Dim,
     One,
     FusedQkv},
    {"attn_output", {{{Own<&LayerWeights::o>, Dim}}}, QDim, One, Always},
    {"ffn_gate", {{{Ffn<&FeedForward::gate>, Ff}}}, Dim, One, SplitGateUp},
    {"ffn_up", {{{Ffn<&FeedForward::up>, Ff}}}, Dim, One, SplitGateUp},
    {"ffn_up",
     {{{Ffn<&FeedForward::gate>, Ff}, {Ffn<&FeedForward::up>, Ff}}},
     Dim,
     One,
     FusedGateUp},
    {"ffn_down", {{{Ffn<&FeedForward::down>, Dim}}}, Ff, One, Dense},
    {kRouter, {{{Own<&LayerWeights::router>, Experts}}}, Dim, One, Moe},
    {"ffn_gate_exps", {{{Expert<&FeedForward::gate>, ExpertFf}}}, Dim, Experts, Moe},
    {"ffn_up_exps", {{{Expert<&FeedForward::up>, ExpertFf}}}, Dim, Experts, Moe},
    {"ffn_down_exps", {{{Expert<&FeedForward::down>, Dim}}}, ExpertFf, Experts, Moe},
};
// "blk.N.<name>.weight".
struct LayerVector {
  const char* name;
  std::vector<float> LayerWeights::*slot;
  Size size;
  Present present;
};
constexpr LayerVector kLayerVectors[] = {
    {"attn_norm", &LayerWeights::attn_norm, Dim, Always},
    {"ffn_norm", &LayerWeights::ffn_norm, Dim, Always},
    {"attn_q_norm", &LayerWeights::q_norm, HeadDim, QkNorm},
    {"attn_k_norm", &LayerWeights::k_norm, HeadDim, QkNorm},
    {"post_attention_norm", &LayerWeights::attn_post_norm, Dim, PostNorms},
    {"post_ffw_norm", &LayerWeights::ffn_post_norm, Dim, PostNorms},
};
constexpr char kEmbedding[] = "token_embd.weight";
constexpr char kOutput[] = "output.weight";
constexpr char kOutputNorm[] = "output_norm.weight";

int64_t TensorRows(const LayerMatrix& part, const ModelConfig& config) {
  int64_t rows = 0;
  for (const Rows& slot : part.slots) rows += slot.slot == nullptr ? 0 : slot.count(config);
  return rows * part.parts(config);
}

std::string LayerTensor(int32_t layer, absl::string_view name, absl::string_view suffix) {
  return absl::StrCat("blk.", layer, ".", name, suffix);
}

// Tensors that are read with the hyper-parameters, or that converters write though those say the
// same.
bool IsRedundant(absl::string_view name) {
  return name == kRopeFactors || name == kShortRopeFactors || name == kLongRopeFactors ||
         absl::EndsWith(name, ".attn_rot_embd.weight");
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
  const bool stacked = spec.parts > 1;
  const bool fits = tensor.cols() == spec.cols && tensor.rows() == spec.rows &&
                    (spec.vector || tensor.shape.size() == (stacked ? 3 : 2)) &&
                    (!stacked || tensor.shape[2] == spec.parts);
  if (fits) return absl::OkStatus();
  return checkpoint.Error(
      absl::StrCat("tensor ", tensor.stored),
      absl::StrCat("has shape [", absl::StrJoin(tensor.shape, ", "),
                   "], but the hyper-parameters imply [", spec.cols,
                   spec.vector ? "" : absl::StrCat(", ", spec.rows / spec.parts),
                   stacked ? absl::StrCat(", ", spec.parts) : "", "]"));
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

  absl::Status Matrix(absl::string_view name, PackedWeight* out) { return Matrices(name, {out}); }

  // A tensor that is cut by rows into matrices, equally but as far as `rows` says otherwise.
  absl::Status Matrices(absl::string_view name, const std::vector<PackedWeight*>& out,
                        const std::vector<int64_t>& rows = {}) {
    const CheckpointTensor& tensor = Tensor(name);
    QUANTD_ASSIGN_OR_RETURN(auto sources, checkpoint_.OpenWeights(tensor));
    auto source = sources.begin();
    int64_t begin = 0;  // in *source
    for (size_t i = 0; i < out.size(); ++i) {
      if (begin == 0) {
        QUANTD_ASSIGN_OR_RETURN(*source, Converted(tensor, std::move(*source)));
      }
      const int64_t count =
          rows.empty() ? tensor.rows() / static_cast<int64_t>(out.size()) : rows[i];
      const RowRange range(**source, begin, count);
      QUANTD_ASSIGN_OR_RETURN(*out[i], PackWeight(range, kernels_, pool_));
      begin += count;
      if (begin == (*source)->rows()) {
        ++source;
        begin = 0;
      }
    }
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

  // The source in the format that the options ask for.
  absl::StatusOr<std::unique_ptr<WeightSource>> Converted(
      const CheckpointTensor& tensor, std::unique_ptr<WeightSource> source) const {
    if (!(LoadedFormat(tensor, options_) == tensor.format)) {
      QUANTD_RETURN_IF_ERROR(CheckQuantizable(*source, tensor));
      source = QuantizedTo(*options_.quantize_to, std::move(source));
    }
    if (options_.decode_to_float) source = DecodedToFloat(std::move(source));
    return source;
  }

  absl::Status CheckQuantizable(const WeightSource& source, const CheckpointTensor& tensor) const {
    const QuantFormat& format = *options_.quantize_to;
    std::string why;
    if (!source.format().is_float()) {
      why = "is quantized already";
    } else if (source.cols() % format.k_multiple() != 0) {
      why = absl::StrCat("has rows of ", source.cols(), " weights, no multiple of the ",
                         format.k_multiple(), " of a block of ", FormatName(format));
    }
    if (why.empty()) return absl::OkStatus();
    return absl::InvalidArgumentError(
        absl::StrCat(checkpoint_.path(), ": tensor ", tensor.stored, ": ", why));
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

// The matrices that a tensor of a layer is cut into, with their rows.
struct Cut {
  std::vector<Linear*> matrices;
  std::vector<int64_t> rows;
};
Cut CutOf(const LayerMatrix& part, const ModelConfig& config, LayerWeights* layer) {
  Cut cut;
  for (int64_t i = 0; i < part.parts(config); ++i) {
    for (const Rows& slot : part.slots) {
      if (slot.slot == nullptr) break;
      cut.matrices.push_back(&slot.slot(*layer, i));
      cut.rows.push_back(slot.count(config));
    }
  }
  return cut;
}

absl::Status LoadMatrix(Loader& loader, int32_t index, const LayerMatrix& part,
                        const ModelConfig& config, LayerWeights* layer) {
  const Cut cut = CutOf(part, config, layer);
  std::vector<PackedWeight*> packed;
  for (Linear* linear : cut.matrices) packed.push_back(&linear->weight);
  QUANTD_RETURN_IF_ERROR(
      loader.Matrices(LayerTensor(index, part.name, ".weight"), packed, cut.rows));
  std::vector<float> bias;
  QUANTD_RETURN_IF_ERROR(loader.OptionalVector(LayerTensor(index, part.name, ".bias"), &bias));
  auto from = bias.begin();
  for (size_t i = 0; i < cut.matrices.size() && !bias.empty(); ++i) {
    cut.matrices[i]->bias.assign(from, from + cut.rows[i]);
    from += cut.rows[i];
  }
  return absl::OkStatus();
}

absl::Status LoadLayer(Loader& loader, int32_t index, const ModelConfig& config,
                       LayerWeights* layer) {
  if (config.has_experts(index)) layer->experts.resize(static_cast<size_t>(config.experts));
  for (const LayerVector& part : kLayerVectors) {
    if (!part.present(config, index)) continue;
    QUANTD_RETURN_IF_ERROR(
        loader.Vector(LayerTensor(index, part.name, ".weight"), &(layer->*part.slot)));
  }
  for (const LayerMatrix& part : kLayerMatrices) {
    if (!part.present(config, index)) continue;
    QUANTD_RETURN_IF_ERROR(LoadMatrix(loader, index, part, config, layer));
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
      if (!part.present(config, i)) continue;
      specs.push_back(
          {LayerTensor(i, part.name, ".weight"), 1, part.size(config), /*vector=*/true});
    }
    for (const LayerMatrix& part : kLayerMatrices) {
      if (!part.present(config, i)) continue;
      const int64_t rows = TensorRows(part, config), parts = part.parts(config);
      specs.push_back({LayerTensor(i, part.name, ".weight"), rows, part.cols(config),
                       /*vector=*/false, /*optional=*/false, parts});
      if (parts > 1) continue;
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
                                  "not a part of this family's layers as this build computes them; "
                                  "the model needs another");
  }
  return absl::OkStatus();
}

QuantFormat LoadedFormat(const CheckpointTensor& tensor, const LoadOptions& options) {
  const bool router = absl::EndsWith(tensor.name, absl::StrCat(".", kRouter, ".weight"));
  return router ? tensor.format : options.quantize_to.value_or(tensor.format);
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
    QUANTD_RETURN_IF_ERROR(LoadLayer(loader, i, config, &weights.layers[i]));
  }
  return weights;
}

std::vector<std::vector<const PackedWeight*>> PackedWeights(const Weights& weights,
                                                            const ModelConfig& config) {
  std::vector<std::vector<const PackedWeight*>> packed = {{&weights.embedding}};
  if (weights.own_output) packed.push_back({&*weights.own_output});
  for (int32_t i = 0; i < config.layers; ++i) {
    const LayerWeights& layer = weights.layers[i];
    for (const LayerMatrix& part : kLayerMatrices) {
      if (!part.present(config, i)) continue;
      std::vector<const PackedWeight*>& matrices = packed.emplace_back();
      // Slots give what can be written to; here it is only looked at.
      const Cut cut = CutOf(part, config, const_cast<LayerWeights*>(&layer));
      for (const Linear* linear : cut.matrices) matrices.push_back(&linear->weight);
    }
  }
  return packed;
}

}  // namespace quantd
