// bitsandbytes.
//
// Four bits (NF4, FP4):
//   weight             u8 [N * K / 2, 1], or the same bytes as another type: codes of the flattened
//                      matrix, the even one in the high nibble
//   weight.absmax      F32 or U8 [blocks]: a scale for each `blocksize` weights
//   weight.quant_map   F32 [16]: value of each code
//   weight.nested_absmax F32 [ceil(blocks / nested_blocksize)], weight.nested_quant_map F32 [256]:
//                      with double quantization, scale = nested_quant_map[absmax] * nested_absmax +
//                      nested_offset
//   weight.quant_state.bitsandbytes__nf4 (or __fp4): UTF-8 JSON with quant_type, blocksize, shape,
//                      nested_blocksize, nested_offset
//
// LLM.int8(): weight I8 [N, K], SCB F32 [N] the largest magnitude of each row, weight_format U8 (0:
// rows as they are); weight = code * SCB / 127.

#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "kernels/base/status_macros.h"
#include "runtime/formats/hf_scales.h"
#include "runtime/formats/hf_schemes.h"
#include "runtime/formats/json_document.h"

namespace quantd::hf {
namespace {

constexpr Dtype kF32Only[] = {Dtype::kF32};
constexpr Dtype kU8Only[] = {Dtype::kU8};
constexpr Dtype kI8Only[] = {Dtype::kI8};

/// What the JSON beside a weight of four bits says.
struct QuantState {
  const SafetensorsTensor* tensor;
  CodeTable table;
  int64_t n, k, block_size;
  int64_t nested_block_size = 0;  ///< 0: scales are stored as they are
  float nested_offset = 0;
};

struct StateName {
  const char* suffix;
  CodeTable table;
};
constexpr StateName kStateNames[] = {
    {".weight.quant_state.bitsandbytes__nf4", CodeTable::kNf4},
    {".weight.quant_state.bitsandbytes__fp4", CodeTable::kFp4},
};

const StateName* FindState(const HfModule& module) {
  for (const StateName& name : kStateNames) {
    if (module.Find(name.suffix) != nullptr) return &name;
  }
  return nullptr;
}

absl::StatusOr<QuantState> ReadState(const HfModule& module) {
  constexpr int64_t kMost = int64_t{1} << 31;
  const StateName& name = *FindState(module);
  QuantState state{};
  state.table = name.table;
  QUANTD_ASSIGN_OR_RETURN(state.tensor, module.Get(name.suffix, kU8Only, {-1}));
  QUANTD_RETURN_IF_ERROR(state.tensor->CheckNotTruncated());
  const absl::string_view text(reinterpret_cast<const char*>(state.tensor->data),
                               state.tensor->bytes);
  QUANTD_ASSIGN_OR_RETURN(
      const std::unique_ptr<JsonDocument> document,
      JsonDocument::Parse(
          text, absl::StrCat(state.tensor->file->path(), ": tensor ", module.name(), name.suffix)));
  const JsonValue root = document->root();
  QUANTD_ASSIGN_OR_RETURN(const JsonValue shape, root.At("shape"));
  QUANTD_ASSIGN_OR_RETURN(const std::vector<JsonValue> extents, shape.Elements());
  if (extents.size() != 2) return shape.Error("expected 2 numbers");
  QUANTD_ASSIGN_OR_RETURN(state.n, extents[0].Int(1, kMost));
  QUANTD_ASSIGN_OR_RETURN(state.k, extents[1].Int(1, kMost));
  QUANTD_ASSIGN_OR_RETURN(state.block_size, root.Int("blocksize", 64, 1, kMost));
  if (module.Find(".weight.nested_absmax") == nullptr) return state;
  QUANTD_ASSIGN_OR_RETURN(state.nested_block_size, root.Int("nested_blocksize", 256, 1, kMost));
  QUANTD_ASSIGN_OR_RETURN(const double offset, root.Number("nested_offset", 0, -1e30, 1e30));
  state.nested_offset = static_cast<float>(offset);
  return state;
}

/// The scales of a weight of four bits.
struct Absmax {
  const SafetensorsTensor* absmax;
  const SafetensorsTensor* nested_absmax;  ///< null: absmax are the scales
  const SafetensorsTensor* nested_map;

  float At(int64_t block, const QuantState& state) const {
    if (nested_absmax == nullptr) return LoadElement<float>(*absmax, block);
    const float code = LoadElement<float>(*nested_map, absmax->data[block]);
    return code * LoadElement<float>(*nested_absmax, block / state.nested_block_size) +
           state.nested_offset;
  }
};

absl::StatusOr<Absmax> GetAbsmax(const HfModule& module, const QuantState& state) {
  Absmax scales{};
  const int64_t blocks = (state.n * state.k - 1) / state.block_size + 1;
  if (state.nested_block_size == 0) {
    QUANTD_ASSIGN_OR_RETURN(scales.absmax, module.Get(".weight.absmax", kF32Only, {blocks}));
    return scales;
  }
  const int64_t nested = (blocks - 1) / state.nested_block_size + 1;
  QUANTD_ASSIGN_OR_RETURN(scales.absmax, module.Get(".weight.absmax", kU8Only, {blocks}));
  QUANTD_ASSIGN_OR_RETURN(scales.nested_absmax,
                          module.Get(".weight.nested_absmax", kF32Only, {nested}));
  QUANTD_ASSIGN_OR_RETURN(scales.nested_map,
                          module.Get(".weight.nested_quant_map", kF32Only, {256}));
  return scales;
}

class FourBitSource : public HfSource {
 public:
  FourBitSource(const QuantFormat& format, const QuantState& state, const Absmax& scales,
                const SafetensorsTensor& weight, std::vector<const SafetensorsTensor*> tensors)
      : HfSource(format, state.n, state.k, std::move(tensors)),
        state_(state),
        scales_(scales),
        weight_(weight) {}

 protected:
  absl::Status DecodeRows(int64_t row_begin, int64_t row_count, QuantTensor* out) const override {
    // Rows are multiples of the group, which is even: no byte holds codes of two.
    const int64_t first = row_begin * cols();
    const uint8_t* bytes = weight_.data + first / 2;
    for (int64_t i = 0; i < row_count * cols() / 2; ++i) {
      out->codes[2 * i] = bytes[i] >> 4;
      out->codes[2 * i + 1] = bytes[i] & 15;
    }
    const int64_t length = format().group;
    for (size_t group = 0; group < out->scales.size(); ++group) {
      out->scales[group] =
          scales_.At((first + static_cast<int64_t>(group) * length) / state_.block_size, state_);
    }
    return CheckScales(*out, *scales_.absmax);
  }

 private:
  const QuantState state_;
  const Absmax scales_;
  const SafetensorsTensor& weight_;
};

/// The table of values is a constant of the format; a file with another one would be read wrongly.
absl::Status CheckMap(const SafetensorsTensor& map, CodeTable table) {
  const absl::Span<const float> values = TableValues(table);
  for (size_t code = 0; code < values.size(); ++code) {
    const float stored = LoadElement<float>(map, static_cast<int64_t>(code));
    if (!(std::fabs(stored - values[code]) <= 1e-6f)) {
      return map.Error(absl::StrCat("value ", stored, " of code ", code, " is not the format's, ",
                                    values[code]));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<HfSource>> OpenFourBits(const HfModule& module) {
  QUANTD_ASSIGN_OR_RETURN(const QuantState state, ReadState(module));
  const SafetensorsTensor* weight = module.Find(".weight");
  if (weight == nullptr) return module.Get(".weight", kU8Only, {-1, 1}).status();
  if (static_cast<int64_t>(weight->bytes) != (state.n * state.k + 1) / 2) {
    return weight->Error(absl::StrCat("has ", weight->bytes, " bytes, but the ", state.n, " x ",
                                      state.k, " weights of its quant_state take ",
                                      (state.n * state.k + 1) / 2));
  }
  QUANTD_ASSIGN_OR_RETURN(const SafetensorsTensor* map,
                          module.Get(".weight.quant_map", kF32Only, {16}));
  QUANTD_ASSIGN_OR_RETURN(const Absmax scales, GetAbsmax(module, state));
  std::vector<const SafetensorsTensor*> tensors = {weight, map, state.tensor, scales.absmax};
  if (scales.nested_absmax != nullptr) {
    tensors.insert(tensors.end(), {scales.nested_absmax, scales.nested_map});
  }
  QUANTD_RETURN_IF_ERROR(map->CheckNotTruncated());
  QUANTD_RETURN_IF_ERROR(CheckMap(*map, state.table));
  QuantFormat format = state.table == CodeTable::kNf4 ? kNf4 : kFp4;
  QUANTD_ASSIGN_OR_RETURN(format.group, GroupLength(module, state.k, state.block_size));
  return std::make_unique<FourBitSource>(format, state, scales, *weight, std::move(tensors));
}

class Int8Source : public HfSource {
 public:
  Int8Source(const SafetensorsTensor& weight, const ScaleGrid& scales, float outlier_threshold,
             std::vector<const SafetensorsTensor*> tensors)
      : HfSource(kInt8, weight.shape[0], weight.shape[1], std::move(tensors)),
        weight_(weight),
        scales_(scales),
        outlier_threshold_(outlier_threshold) {}

  float outlier_threshold() const override { return outlier_threshold_; }

 protected:
  absl::Status DecodeRows(int64_t row_begin, int64_t row_count, QuantTensor* out) const override {
    const uint8_t* codes = weight_.data + row_begin * cols();
    // Adding 128 to a two's complement byte flips its top bit.
    for (int64_t i = 0; i < row_count * cols(); ++i) out->codes[i] = codes[i] ^ 0x80;
    return scales_.Fill(row_begin, out, /*divisor=*/127);
  }

 private:
  const SafetensorsTensor& weight_;
  const ScaleGrid scales_;
  const float outlier_threshold_;
};

absl::StatusOr<std::unique_ptr<HfSource>> OpenInt8(const HfModule& module) {
  QUANTD_ASSIGN_OR_RETURN(const SafetensorsTensor* weight,
                          module.Get(".weight", kI8Only, {-1, -1}));
  const int64_t n = weight->shape[0], k = weight->shape[1];
  if (n * k == 0) return weight->Error("holds no weights");
  QUANTD_ASSIGN_OR_RETURN(const SafetensorsTensor* scb, module.Get(".SCB", kF32Only, {n}));
  std::vector<const SafetensorsTensor*> tensors = {weight, scb};
  if (const SafetensorsTensor* order = module.Find(".weight_format"); order != nullptr) {
    QUANTD_RETURN_IF_ERROR(order->CheckNotTruncated());
    if (order->bytes != 1 || order->data[0] != 0) {
      return module.Unsupported(
          "weight_format is not 0 (row); save the model with a bitsandbytes of 0.45 or later");
    }
    tensors.push_back(order);
  }
  QUANTD_ASSIGN_OR_RETURN(const ScaleGrid scales, ScaleGrid::Of(module, *scb, n, k, std::nullopt));
  const BitsAndBytesConfig* const config = module.config<BitsAndBytesConfig>();
  const double threshold = (config != nullptr ? *config : BitsAndBytesConfig{}).outlier_threshold;
  return std::make_unique<Int8Source>(*weight, scales, static_cast<float>(threshold),
                                      std::move(tensors));
}

}  // namespace

HfScheme BitsAndBytes4Scheme() {
  return {"bitsandbytes 4-bit",
          [](const HfModule& module) { return FindState(module) != nullptr; },
          OpenFourBits,
          {}};
}

HfScheme BitsAndBytes8Scheme() {
  return {"LLM.int8()",
          [](const HfModule& module) {
            return module.Find(".SCB") != nullptr && module.Has(".weight", Dtype::kI8);
          },
          OpenInt8,
          {}};
}

}  // namespace quantd::hf
