#include "runtime/convert/quantize_folder.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "kernels/base/status_macros.h"
#include "nlohmann/json.hpp"
#include "runtime/convert/awq_layer.h"
#include "runtime/convert/folder_source.h"
#include "runtime/convert/input_statistics.h"
#include "runtime/convert/output_folder.h"
#include "runtime/formats/safetensors_writer.h"
#include "runtime/quantize/gptq.h"
#include "runtime/quantize/quantize_row.h"
#include "runtime/quantize/row_floats.h"

namespace quantd {
namespace {

constexpr char kConfigFile[] = "config.json";

/// What one module is quantized with.
struct Encoding {
  const InputStatistics* input = nullptr;  ///< of schemes that are calibrated
  const GptqSolver* solver = nullptr;      ///< of GPTQ
  WeightScaling scaling;                   ///< of AWQ
};

class Job {
 public:
  Job(const FolderSource& source, const FolderScheme& scheme, ThreadPool& pool,
      const QuantizeFolderOptions& options)
      : source_(source), scheme_(scheme), pool_(pool), options_(options) {
    for (const FolderTensor& tensor : source.tensors()) total_bytes_ += tensor.stored_bytes;
  }

  absl::StatusOr<std::vector<QuantizedTensor>> Run(const OutputFolder& folder) {
    QUANTD_ASSIGN_OR_RETURN(
        writer_, SafetensorsModelWriter::Create(folder.path(), Entries(), options_.shard_bytes));
    if (scheme_.calibrated()) {
      QUANTD_RETURN_IF_ERROR(QuantizeCalibrated());
    } else {
      for (const FolderModule& module : source_.modules()) {
        QUANTD_RETURN_IF_ERROR(QuantizeModule(module, {}));
      }
    }
    QUANTD_RETURN_IF_ERROR(CopyOthers());
    QUANTD_RETURN_IF_ERROR(writer_->Finish());
    QUANTD_RETURN_IF_ERROR(WriteConfig(folder));
    QUANTD_RETURN_IF_ERROR(source_.WriteSideFiles(folder));
    return std::move(results_);
  }

 private:
  hf::PackOptions PackOptions(const FolderModule& module) const {
    return PackOptionsOf(scheme_, options_.settings, module.weight->dtype);
  }
  AffineGrid Grid(const FolderModule& module) const {
    return GridOf(scheme_, options_.settings, module.weight->dtype);
  }

  /// What is going to be written, in the order of the source.
  std::vector<SafetensorsEntry> Entries() {
    absl::flat_hash_map<const FolderTensor*, const FolderModule*> modules;
    for (const FolderModule& module : source_.modules()) modules.emplace(module.weight, &module);
    std::vector<SafetensorsEntry> entries;
    for (const FolderTensor& tensor : source_.tensors()) {
      const auto module = modules.find(&tensor);
      if (module == modules.end()) {
        entries.push_back({tensor.name, tensor.dtype, tensor.shape});
        others_.push_back(&tensor);
        continue;
      }
      const FolderModule& m = *module->second;
      for (const hf::ModuleTensor& part : scheme_.packer->layout(m.n, m.k, PackOptions(m))) {
        entries.push_back({absl::StrCat(m.name, part.suffix), part.dtype, part.shape});
      }
    }
    return entries;
  }

  // --- Calibrated schemes ---

  /// Pass by pass over the text: as many layers as the memory holds statistics of.
  absl::Status QuantizeCalibrated() {
    const std::vector<FolderModule>& modules = source_.modules();
    size_t begin = 0;
    while (begin < modules.size()) {
      size_t end = begin;
      uint64_t bytes = 0;
      std::vector<InputName> wanted;
      while (end < modules.size()) {
        const size_t next = EndOfLayer(end);
        const auto [names, layer_bytes] = InputsOf({&modules[end], next - end});
        if (end > begin && bytes + layer_bytes > options_.calibration->memory_bytes) break;
        bytes += layer_bytes;
        wanted.insert(wanted.end(), names.begin(), names.end());
        end = next;
      }
      QUANTD_RETURN_IF_ERROR(QuantizeLayers(begin, end, wanted));
      begin = end;
    }
    return absl::OkStatus();
  }

  /// Where the layer of module `begin` ends.
  size_t EndOfLayer(size_t begin) const {
    const std::vector<FolderModule>& modules = source_.modules();
    size_t end = begin;
    while (end < modules.size() && modules[end].layer == modules[begin].layer) ++end;
    return end;
  }

  /// The inputs of some modules, and the memory that their statistics take.
  std::pair<std::vector<InputName>, uint64_t> InputsOf(
      absl::Span<const FolderModule> modules) const {
    std::map<InputName, int64_t> inputs;
    for (const FolderModule& module : modules) inputs.emplace(module.input, module.k);
    std::pair<std::vector<InputName>, uint64_t> result;
    for (const auto& [name, k] : inputs) {
      result.first.push_back(name);
      result.second += sizeof(float) * static_cast<uint64_t>(k * k);
    }
    return result;
  }

  absl::Status QuantizeLayers(size_t begin, size_t end, const std::vector<InputName>& wanted) {
    const FolderCalibration& calibration = *options_.calibration;
    QUANTD_ASSIGN_OR_RETURN(InputsByMatrix inputs,
                            MeasureInputs(*calibration.model, calibration.kv_type,
                                          calibration.tokens, calibration.reading, pool_, wanted));
    QUANTD_RETURN_IF_ERROR(FillUnseen({&source_.modules()[begin], end - begin}, &inputs));
    for (size_t layer = begin; layer < end; layer = EndOfLayer(layer)) {
      const absl::Span<const FolderModule> modules(&source_.modules()[layer],
                                                   EndOfLayer(layer) - layer);
      QUANTD_RETURN_IF_ERROR(scheme_.method == RoundingMethod::kGptq
                                 ? QuantizeByGptq(modules, inputs)
                                 : QuantizeByAwq(modules, inputs));
      for (const FolderModule& module : modules) inputs.erase(module.input);
    }
    return absl::OkStatus();
  }

  /// Experts that no token of the text went to are rounded as if all inputs were independent and
  /// of one size.
  absl::Status FillUnseen(absl::Span<const FolderModule> modules, InputsByMatrix* inputs) const {
    for (const FolderModule& module : modules) {
      InputStatistics& input = inputs->at(module.input);
      if (input.cols > 0) continue;
      if (!module.expert) {
        return source_.Error(absl::StrCat("tensor ", module.weight->name),
                             "multiplied nothing on the text; calibrate with a longer one");
      }
      input.cols = module.k;
      input.magnitudes.assign(static_cast<size_t>(module.k), 1.0f);
      input.products.assign(static_cast<size_t>(module.k * module.k), 0.0f);
      for (int64_t i = 0; i < module.k; ++i) input.products[i * module.k + i] = 1;
    }
    return absl::OkStatus();
  }

  /// Input by input, so that one solver serves all modules that share one and none is kept longer.
  absl::Status QuantizeByGptq(absl::Span<const FolderModule> modules,
                              const InputsByMatrix& inputs) {
    for (const InputName& name : InputsOf(modules).first) {
      const InputStatistics& input = inputs.at(name);
      std::unique_ptr<GptqSolver> solver;
      for (const FolderModule& module : modules) {
        if (module.input != name) continue;
        if (solver == nullptr) {
          GptqOptions options;
          options.grid = Grid(module);
          options.group = options_.settings.group;
          options.act_order = options_.settings.act_order;
          QUANTD_ASSIGN_OR_RETURN(GptqSolver made,
                                  GptqSolver::Create(input.products, input.cols, options, pool_));
          solver = std::make_unique<GptqSolver>(std::move(made));
        }
        QUANTD_RETURN_IF_ERROR(QuantizeModule(module, {&input, solver.get(), {}}));
      }
    }
    return absl::OkStatus();
  }

  absl::Status QuantizeByAwq(absl::Span<const FolderModule> modules, const InputsByMatrix& inputs) {
    const AwqRounding rounding = {Grid(modules[0]), options_.settings.group};
    QUANTD_ASSIGN_OR_RETURN(
        const AwqLayer layer,
        AwqLayer::Search(source_, modules, inputs, options_.calibration->model->config(), rounding,
                         pool_));
    for (const auto& [name, values] : layer.rewritten()) {
      QUANTD_RETURN_IF_ERROR(
          writer_->Write(name, hf::FloatBytes(values, source_.Find(name)->dtype)));
      rewritten_.insert(name);
    }
    for (const FolderModule& module : modules) {
      QUANTD_RETURN_IF_ERROR(
          QuantizeModule(module, {&inputs.at(module.input), nullptr, layer.Of(module)}));
    }
    return absl::OkStatus();
  }

  // --- One module ---

  absl::Status QuantizeModule(const FolderModule& module, const Encoding& encoding) {
    QUANTD_ASSIGN_OR_RETURN(const std::vector<float> weights, source_.ReadWeights(module, pool_));
    QuantTensor coded;
    absl::Span<const int32_t> k_order;
    switch (scheme_.method) {
      case RoundingMethod::kNf4:
        EncodeNf4(module, weights, &coded);
        break;
      case RoundingMethod::kNearest:
        EncodeNearest(module, weights, &coded);
        break;
      case RoundingMethod::kGptq:
        encoding.solver->Quantize(weights.data(), module.n, pool_, &coded);
        k_order = encoding.solver->k_order();
        break;
      case RoundingMethod::kAwq:
        EncodeAwq(module, encoding, weights, &coded);
        break;
    }
    if (!absl::c_all_of(coded.scales, [](float scale) { return std::isfinite(scale); })) {
      return absl::InvalidArgumentError(
          absl::StrCat(source_.path(), ": tensor ", module.weight->name,
                       ": holds a weight that is too large for the scales of ", scheme_.name));
    }
    const hf::PackOptions options = PackOptions(module);
    std::vector<hf::ModuleTensor> tensors = scheme_.packer->layout(module.n, module.k, options);
    scheme_.packer->pack(coded, k_order, options, &tensors);
    QuantizedTensor result = Compare(module, weights, coded, k_order, encoding.scaling);
    for (const hf::ModuleTensor& tensor : tensors) {
      result.to_bytes += tensor.bytes.size();
      QUANTD_RETURN_IF_ERROR(
          writer_->Write(absl::StrCat(module.name, tensor.suffix), tensor.bytes));
    }
    results_.push_back(std::move(result));
    return Done(*module.weight);
  }

  void EncodeNf4(const FolderModule& module, const std::vector<float>& weights,
                 QuantTensor* coded) {
    coded->Resize(kNf4, module.n, module.k);
    pool_.ParallelFor(module.n, 1, [&](int64_t begin, int64_t end, int) {
      for (int64_t row = begin; row < end; ++row) {
        QuantizeRow(weights.data() + row * module.k, row, coded);
      }
    });
  }

  void EncodeNearest(const FolderModule& module, const std::vector<float>& weights,
                     QuantTensor* coded) {
    const AffineGrid grid = Grid(module);
    const int64_t group = PackOptions(module).group;
    coded->Resize(
        AffineFormat(grid.bits, static_cast<int>(std::max<int64_t>(group, 0)), ZeroType::kMidpoint),
        module.n, module.k);
    const int64_t length = group == -1 ? module.k : group;
    pool_.ParallelFor(static_cast<int64_t>(weights.size()) / length, 1,
                      [&](int64_t begin, int64_t end, int) {
                        for (int64_t g = begin; g < end; ++g) {
                          const float* const first = weights.data() + g * length;
                          const AffineFit fit = FitAffineGroup(grid, first, nullptr, length);
                          coded->scales[g] = fit.scale;
                          for (int64_t i = 0; i < length; ++i) {
                            coded->codes[g * length + i] = fit.Code(first[i], grid.top());
                          }
                        }
                      });
  }

  void EncodeAwq(const FolderModule& module, const Encoding& encoding,
                 const std::vector<float>& weights, QuantTensor* coded) {
    const AwqRounding rounding = {Grid(module), options_.settings.group};
    const InputStatistics& statistics = *encoding.input;
    const AwqInput input = {statistics.cols, statistics.magnitudes, statistics.products};
    coded->Resize(
        AffineFormat(rounding.grid.bits, static_cast<int>(std::max<int64_t>(rounding.group, 0)),
                     ZeroType::kCode),
        module.n, module.k);
    pool_.ParallelFor(module.n, 1, [&](int64_t begin, int64_t end, int) {
      std::vector<float> scaled(static_cast<size_t>(module.k));
      for (int64_t row = begin; row < end; ++row) {
        for (int64_t c = 0; c < module.k; ++c) {
          scaled[c] = weights[row * module.k + c] * encoding.scaling.Of(row, c);
        }
        QuantizeAwqRow(input, rounding, encoding.scaling.in, scaled.data(), row, coded);
      }
    });
  }

  /// What the stored weights are worth, with all scaling undone.
  QuantizedTensor Compare(const FolderModule& module, const std::vector<float>& weights,
                          const QuantTensor& coded, absl::Span<const int32_t> k_order,
                          const WeightScaling& scaling) {
    QuantizedTensor result;
    result.name = module.weight->name;
    result.from = module.weight->scheme;
    result.to = scheme_.name;
    result.from_bytes = module.weight->stored_bytes;
    result.to_bytes = 0;
    result.weights = module.n * module.k;
    std::vector<float> row(static_cast<size_t>(coded.cols));
    for (int64_t r = 0; r < coded.rows; ++r) {
      RowFloats(coded, r, row.data());
      for (int64_t c = 0; c < coded.cols; ++c) {
        const int64_t at = r * coded.cols + (k_order.empty() ? c : k_order[c]);
        const double weight = weights[at];
        const float factor = scaling.Of(at / module.k, at % module.k);
        const double error = std::fabs(double{row[c]} / factor - weight);
        result.squared_error += error * error;
        result.squared_sum += weight * weight;
        result.max_error = std::max(result.max_error, error);
      }
    }
    return result;
  }

  // --- The rest ---

  absl::Status CopyOthers() {
    std::vector<uint8_t> buffer;
    for (const FolderTensor* tensor : others_) {
      QuantizedTensor result;
      QUANTD_ASSIGN_OR_RETURN(const absl::Span<const uint8_t> bytes,
                              source_.ReadBytes(*tensor, &buffer, &result));
      if (!rewritten_.contains(tensor->name)) {
        QUANTD_RETURN_IF_ERROR(writer_->Write(tensor->name, bytes));
      }
      result.name = tensor->name;
      result.from = tensor->scheme;
      result.to = DtypeName(tensor->dtype);
      result.from_bytes = tensor->stored_bytes;
      result.to_bytes = bytes.size();
      result.weights = tensor->elements();
      result.aside = true;
      results_.push_back(std::move(result));
      QUANTD_RETURN_IF_ERROR(Done(*tensor));
    }
    return absl::OkStatus();
  }

  absl::Status Done(const FolderTensor& tensor) {
    source_.GiveBack(tensor);
    done_bytes_ += tensor.stored_bytes;
    if (options_.progress && !options_.progress({done_bytes_, total_bytes_, tensor.name})) {
      return absl::CancelledError(absl::StrCat("cancelled after tensor ", tensor.name));
    }
    return absl::OkStatus();
  }

  /// The source's, as it is but for what says how weights are stored.
  absl::Status WriteConfig(const OutputFolder& folder) const {
    QUANTD_ASSIGN_OR_RETURN(const std::string text, source_.ReadConfig());
    using Json = nlohmann::ordered_json;
    Json config = Json::parse(text, nullptr, /*allow_exceptions=*/false);
    if (!config.is_object()) return source_.Error(kConfigFile, "has changed, and is no JSON now");
    config["quantization_config"] = Json::parse(
        scheme_.config(options_.settings, source_.skipped(), source_.modules()[0].weight->dtype));
    return folder.Write(kConfigFile, config.dump(2) + "\n");
  }

  const FolderSource& source_;
  const FolderScheme& scheme_;
  ThreadPool& pool_;
  const QuantizeFolderOptions& options_;
  std::unique_ptr<SafetensorsModelWriter> writer_;
  std::vector<const FolderTensor*> others_;     ///< that are not quantized
  absl::flat_hash_set<std::string> rewritten_;  ///< of them, those with new values
  uint64_t done_bytes_ = 0, total_bytes_ = 0;
  std::vector<QuantizedTensor> results_;
};

/// A calibration is there if one is needed, and can be used.
absl::Status CheckCalibration(const FolderSource& source, const FolderScheme& scheme,
                              const QuantizeFolderOptions& options) {
  if (!scheme.calibrated()) return absl::OkStatus();
  for (const FolderModule& module : source.modules()) {
    if (!module.expert || scheme.method != RoundingMethod::kAwq) continue;
    return absl::UnimplementedError(
        absl::StrCat(source.path(), ": tensor ", module.weight->name, ": ", scheme.name,
                     " of a mixture of experts is not supported; GPTQ, NF4, W8A8 and W4A16 are"));
  }
  if (options.calibration && options.calibration->model != nullptr) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("calibration: ", scheme.name, " needs a text to calibrate with"));
}

}  // namespace

absl::StatusOr<std::vector<QuantizedTensor>> QuantizeFolder(const std::string& source,
                                                            const FolderScheme& scheme,
                                                            const std::string& output,
                                                            ThreadPool& pool,
                                                            const QuantizeFolderOptions& options) {
  QUANTD_RETURN_IF_ERROR(CheckSettings(scheme, options.settings));
  QUANTD_ASSIGN_OR_RETURN(const std::unique_ptr<FolderSource> opened,
                          FolderSource::Open(source, options.requantize));
  QUANTD_RETURN_IF_ERROR(opened->CheckFits(scheme, options.settings));
  QUANTD_RETURN_IF_ERROR(CheckCalibration(*opened, scheme, options));
  for (const std::string& note : opened->notes()) {
    if (options.note) options.note(note);
  }
  QUANTD_ASSIGN_OR_RETURN(const std::unique_ptr<OutputFolder> folder,
                          OutputFolder::Create(output, options.overwrite));
  QUANTD_ASSIGN_OR_RETURN(std::vector<QuantizedTensor> results,
                          Job(*opened, scheme, pool, options).Run(*folder));
  QUANTD_RETURN_IF_ERROR(folder->Commit());
  return results;
}

}  // namespace quantd
