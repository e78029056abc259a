#include "runtime/convert/gguf_folder_source.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "kernels/base/check.h"
#include "kernels/base/status_macros.h"
#include "nlohmann/json.hpp"
#include "runtime/chat/chat_template_files.h"
#include "runtime/convert/rope_rows.h"
#include "runtime/formats/hf_packers.h"
#include "runtime/formats/scheme_table.h"
#include "runtime/model/hf_hyper_parameters.h"
#include "runtime/model/weights.h"
#include "runtime/quantize/row_floats.h"
#include "runtime/tokenizer/gguf_to_hf.h"

namespace quantd {
namespace {

using Json = nlohmann::ordered_json;

/// The types that both containers have.
constexpr std::array<Dtype, 3> kFloats = {Dtype::kF16, Dtype::kBF16, Dtype::kF32};

std::optional<Dtype> FloatDtype(const CheckpointTensor& tensor) {
  for (const Dtype dtype : kFloats) {
    if (tensor.scheme == DtypeName(dtype)) return dtype;
  }
  return std::nullopt;
}

/// "float16", as config.json has it.
const char* TorchName(Dtype dtype) {
  return dtype == Dtype::kF16 ? "float16" : dtype == Dtype::kBF16 ? "bfloat16" : "float32";
}

/// The module of a tensor and the rest of its name: "blk.3.ffn_up" and ".weight".
std::pair<absl::string_view, absl::string_view> SplitName(absl::string_view name) {
  const size_t dot = name.rfind('.');
  return {name.substr(0, dot), name.substr(dot)};
}

}  // namespace

GgufFolderSource::GgufFolderSource(std::unique_ptr<Checkpoint> checkpoint, const Family& family)
    : FolderSource(checkpoint->path(), family), checkpoint_(std::move(checkpoint)) {}

absl::StatusOr<std::unique_ptr<FolderSource>> GgufFolderSource::Open(const std::string& path,
                                                                     bool requantize) {
  QUANTD_ASSIGN_OR_RETURN(std::unique_ptr<Checkpoint> checkpoint, Checkpoint::Open(path));
  return Of(std::move(checkpoint), requantize);
}

absl::StatusOr<std::unique_ptr<FolderSource>> GgufFolderSource::Of(
    std::unique_ptr<Checkpoint> checkpoint, bool requantize) {
  QUANTD_CHECK(checkpoint->gguf() != nullptr, "the caller knows it from a folder");
  QUANTD_ASSIGN_OR_RETURN(const ModelConfig config, ReadModelConfig(*checkpoint));
  std::unique_ptr<GgufFolderSource> source(
      new GgufFolderSource(std::move(checkpoint), *FindGgufFamily(config.architecture)));
  QUANTD_RETURN_IF_ERROR(source->Describe(config, requantize));
  return source;
}

absl::Status GgufFolderSource::Describe(const ModelConfig& config, bool requantize) {
  std::vector<FolderTensor> tensors;
  const Dtype dtype = ModelDtype();
  for (const TensorSpec& spec : ModelTensors(config)) {
    const CheckpointTensor* tensor = checkpoint_->Find(spec.name);
    if (tensor == nullptr) continue;  // an optional one, ReadModelConfig has found the others
    if (!FloatDtype(*tensor) && !requantize) {
      return absl::InvalidArgumentError(absl::StrCat(
          path(), ": tensor ", tensor->stored, ": is ", tensor->scheme,
          " already; quantize from the model in F16, BF16 or F32, since errors add up, or ask for "
          "it (requantize)"));
    }
    QUANTD_RETURN_IF_ERROR(AddTensor(config, spec, *tensor, dtype, &tensors));
  }
  QUANTD_RETURN_IF_ERROR(SetTensors(std::move(tensors)));
  return DescribeText(config);
}

/// The type of most weights, and then of all: libraries do not convert what they load. Of those
/// that are quantized, F16.
Dtype GgufFolderSource::ModelDtype() const {
  std::array<uint64_t, kFloats.size()> weights = {};
  for (const CheckpointTensor& tensor : checkpoint_->tensors()) {
    const Dtype dtype = FloatDtype(tensor).value_or(Dtype::kF16);
    const size_t place =
        static_cast<size_t>(std::find(kFloats.begin(), kFloats.end(), dtype) - kFloats.begin());
    weights[place] += static_cast<uint64_t>(tensor.rows() * tensor.cols());
  }
  return kFloats[static_cast<size_t>(std::max_element(weights.begin(), weights.end()) -
                                     weights.begin())];
}

absl::Status GgufFolderSource::AddTensor(const ModelConfig& config, const TensorSpec& spec,
                                         const CheckpointTensor& tensor, Dtype dtype,
                                         std::vector<FolderTensor>* tensors) {
  Place place;
  place.tensor = &tensor;
  place.lacks_one = HfNormLacksOne(family(), tensor.name);
  QUANTD_ASSIGN_OR_RETURN(place.paired, PairedRows(*checkpoint_, config, tensor.name));
  FolderTensor made;
  made.scheme = tensor.scheme;
  made.dtype = dtype;
  const auto [module, suffix] = SplitName(tensor.name);
  const std::optional<std::string> name = HfPartName(family(), module);
  made.shape = {spec.cols};
  if (!spec.vector) made.shape = {spec.rows / spec.parts, spec.cols};
  made.stored_bytes = tensor.bytes / static_cast<uint64_t>(spec.parts);
  for (int64_t part = 0; part < spec.parts; ++part) {
    // Experts are one tensor, even if there is one of them.
    const std::optional<std::string> expert = HfPartName(family(), absl::StrCat(module, ".", part));
    QUANTD_CHECK(name || expert, "the tensors of a family have names in both containers");
    made.name = absl::StrCat(name ? *name : *expert, suffix);
    place.first_row = part * spec.rows / spec.parts;
    tensors->push_back(made);
    places_.push_back(place);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<float>> GgufFolderSource::ReadVector(const Place& place) const {
  QUANTD_ASSIGN_OR_RETURN(const std::vector<float> stored, checkpoint_->ReadFloats(*place.tensor));
  std::vector<float> values(stored.size());
  for (size_t i = 0; i < values.size(); ++i) {
    values[i] = stored[static_cast<size_t>(GgufRowOf(static_cast<int64_t>(i), place.paired))];
    if (place.lacks_one) values[i] -= 1;
  }
  return values;
}

absl::Status GgufFolderSource::ReadRow(const Place& place, const TensorRows& rows, int64_t row,
                                       QuantTensor* decoded, float* out) const {
  return rows.Read(place.first_row + GgufRowOf(row, place.paired), decoded, out);
}

/// Appends values in the type of the tensor.
absl::Status GgufFolderSource::Round(const FolderTensor& tensor, absl::Span<const float> values,
                                     std::vector<uint8_t>* buffer, QuantizedTensor* result) const {
  for (const float value : values) {
    const float rounded = hf::RoundedTo(tensor.dtype, value);
    if (!std::isfinite(rounded)) {
      return Error(absl::StrCat("tensor ", places_[Index(tensor)].tensor->stored),
                   absl::StrCat("holds ", value, ", too large for ", DtypeName(tensor.dtype)));
    }
    const double error = std::fabs(double{rounded} - value);
    result->squared_error += error * error;
    result->squared_sum += double{value} * value;
    result->max_error = std::max(result->max_error, error);
  }
  const std::vector<uint8_t> bytes = hf::FloatBytes(values, tensor.dtype);
  buffer->insert(buffer->end(), bytes.begin(), bytes.end());
  return absl::OkStatus();
}

absl::StatusOr<absl::Span<const uint8_t>> GgufFolderSource::ReadBytes(
    const FolderTensor& tensor, std::vector<uint8_t>* buffer, QuantizedTensor* result) const {
  const Place& place = places_[Index(tensor)];
  const GgufTensor& stored = *checkpoint_->gguf()->FindTensor(place.tensor->name);
  QUANTD_RETURN_IF_ERROR(checkpoint_->gguf()->CheckNotTruncated(stored));
  buffer->clear();
  if (tensor.shape.size() == 1) {
    QUANTD_ASSIGN_OR_RETURN(const std::vector<float> values, ReadVector(place));
    QUANTD_RETURN_IF_ERROR(Round(tensor, values, buffer, result));
    return *buffer;
  }
  const int64_t row_count = tensor.shape[0], cols = tensor.shape[1];
  if (place.paired == 0 && tensor.scheme == DtypeName(tensor.dtype)) {
    const uint64_t row_bytes = stored.bytes / static_cast<uint64_t>(stored.rows());
    return absl::MakeConstSpan(stored.data + place.first_row * static_cast<int64_t>(row_bytes),
                               static_cast<size_t>(row_count) * row_bytes);
  }
  QUANTD_ASSIGN_OR_RETURN(const TensorRows rows, TensorRows::Open(*checkpoint_, *place.tensor));
  QuantTensor decoded;
  std::vector<float> values(static_cast<size_t>(cols));
  for (int64_t row = 0; row < row_count; ++row) {
    QUANTD_RETURN_IF_ERROR(ReadRow(place, rows, row, &decoded, values.data()));
    QUANTD_RETURN_IF_ERROR(Round(tensor, values, buffer, result));
  }
  return *buffer;
}

absl::StatusOr<std::vector<float>> GgufFolderSource::ReadFloats(const FolderTensor& tensor) const {
  return ReadVector(places_[Index(tensor)]);
}

absl::StatusOr<std::vector<float>> GgufFolderSource::ReadWeights(const FolderModule& module,
                                                                 ThreadPool& pool) const {
  const Place& place = places_[Index(*module.weight)];
  QUANTD_ASSIGN_OR_RETURN(const TensorRows rows, TensorRows::Open(*checkpoint_, *place.tensor));
  std::vector<float> floats(static_cast<size_t>(module.n * module.k));
  std::vector<absl::Status> results(pool.size());
  pool.ParallelFor(module.n, 1, [&](int64_t begin, int64_t end, int thread) {
    QuantTensor decoded;
    for (int64_t row = begin; row < end && results[thread].ok(); ++row) {
      results[thread] = ReadRow(place, rows, row, &decoded, floats.data() + row * module.k);
    }
  });
  for (const absl::Status& result : results) QUANTD_RETURN_IF_ERROR(result);
  return floats;
}

void GgufFolderSource::GiveBack(const FolderTensor& tensor) const {
  checkpoint_->GiveBack(*places_[Index(tensor)].tensor);
}

absl::Status GgufFolderSource::DescribeText(const ModelConfig& config) {
  QUANTD_ASSIGN_OR_RETURN(const HfTokenizerText tokenizer, GgufToHf(*checkpoint_->gguf()));
  QUANTD_ASSIGN_OR_RETURN(const std::string parameters,
                          WriteHfHyperParameters(config, *checkpoint_));
  QUANTD_ASSIGN_OR_RETURN(const ChatTemplateSource chat,
                          ReadChatTemplateSource(*checkpoint_->gguf()));
  SetNotes(tokenizer.notes);
  Json generation = Json::object();
  const auto set = [](const char* key, std::optional<int32_t> id, Json* json) {
    if (id) (*json)[key] = *id;
  };
  set("bos_token_id", tokenizer.bos, &generation);
  set("eos_token_id", tokenizer.eos, &generation);
  if (tokenizer.end_ids.size() > 1) generation["eos_token_id"] = tokenizer.end_ids;
  set("pad_token_id", tokenizer.padding, &generation);

  Json json = Json::parse(parameters);
  // Else classes have ids of their own, which the vocabulary need not have.
  for (const char* key : {"bos_token_id", "eos_token_id", "pad_token_id"}) {
    json[key] = generation.contains(key) ? generation[key] : Json(nullptr);
  }
  json["torch_dtype"] = TorchName(ModelDtype());
  config_ = json.dump(2) + "\n";
  if (!generation.empty()) {
    side_files_.push_back({"generation_config.json", generation.dump(2) + "\n"});
  }
  if (tokenizer.tokenizer_json.empty()) return absl::OkStatus();
  side_files_.push_back({"tokenizer.json", tokenizer.tokenizer_json});
  Json text = Json::parse(tokenizer.tokenizer_config);
  text["model_max_length"] = json["max_position_embeddings"];
  const std::string templates = ChatTemplatesJson(chat.templates);
  if (!templates.empty()) text["chat_template"] = Json::parse(templates);
  side_files_.push_back({"tokenizer_config.json", text.dump(2) + "\n"});
  return absl::OkStatus();
}

absl::Status GgufFolderSource::WriteSideFiles(const OutputFolder& folder) const {
  for (const SideFile& file : side_files_) {
    QUANTD_RETURN_IF_ERROR(folder.Write(file.name, file.text));
  }
  return absl::OkStatus();
}

}  // namespace quantd
