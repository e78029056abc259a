#include "runtime/formats/format_mix.h"

#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "kernels/base/check.h"
#include "runtime/formats/schemes.h"

namespace quantd {
namespace {

// Sets of layers. The numbers are those of llama.cpp's mixes, so that a name means the same bytes
// everywhere.
using Layers = bool (*)(int32_t layer, int32_t layers);
bool Every(int32_t, int32_t) { return true; }
bool FirstTwo(int32_t layer, int32_t) { return layer < 2; }
bool FirstFour(int32_t layer, int32_t) { return layer < 4; }
bool FirstEighth(int32_t layer, int32_t layers) { return layer < layers / 8; }
bool FirstSixteenth(int32_t layer, int32_t layers) { return layer < layers / 16; }
/// The first and the last eighth, and every third layer between.
bool Sensitive(int32_t layer, int32_t layers) {
  return layer < layers / 8 || layer >= 7 * layers / 8 || (layer - layers / 8) % 3 == 2;
}

struct Exception {
  const char* part;
  Layers layers;
  const GgufScheme* scheme;
};

}  // namespace

struct FormatMix::Row {
  const char* name;
  uint32_t file_type;                 ///< in general.file_type
  const GgufScheme* base;             ///< of every matrix but the output and the exceptions
  std::vector<Exception> exceptions;  ///< the first that fits counts
};

const std::vector<FormatMix::Row>& FormatMix::Rows() {
  using namespace gguf;
  static const auto* const rows = new std::vector<Row>{
      {"Q3_K_M",
       12,
       &kQ3_KScheme,
       {{"attn_v", FirstTwo, &kQ5_KScheme},
        {"attn_v", Every, &kQ4_KScheme},
        {"attn_output", Every, &kQ4_KScheme},
        {"ffn_down", FirstSixteenth, &kQ5_KScheme},
        {"ffn_down", Every, &kQ4_KScheme}}},
      {"Q4_K_S",
       14,
       &kQ4_KScheme,
       {{"attn_v", FirstFour, &kQ5_KScheme}, {"ffn_down", FirstEighth, &kQ5_KScheme}}},
      {"Q4_K_M",
       15,
       &kQ4_KScheme,
       {{"attn_v", Sensitive, &kQ6_KScheme}, {"ffn_down", Sensitive, &kQ6_KScheme}}},
      {"Q5_K_S", 16, &kQ5_KScheme, {}},
      {"Q5_K_M",
       17,
       &kQ5_KScheme,
       {{"attn_v", Sensitive, &kQ6_KScheme}, {"ffn_down", Sensitive, &kQ6_KScheme}}},
  };
  return *rows;
}

absl::StatusOr<FormatMix> FormatMix::Find(absl::string_view name) {
  if (const GgufScheme* scheme = FindGgufScheme(name)) return FormatMix(scheme, nullptr);
  for (const Row& row : Rows()) {
    if (absl::EqualsIgnoreCase(row.name, name)) return FormatMix(nullptr, &row);
  }
  return absl::InvalidArgumentError(
      absl::StrCat("format: \"", name, "\" is unknown; known are ", Names()));
}

std::string FormatMix::Names() {
  std::string names = SupportedGgufTypes();
  for (const Row& row : Rows()) absl::StrAppend(&names, ", ", row.name);
  return names;
}

FormatMix FormatMix::WithFineOutput() const {
  FormatMix mix = *this;
  mix.fine_output_ = true;
  return mix;
}

const char* FormatMix::name() const { return all_ != nullptr ? all_->name : row_->name; }

uint32_t FormatMix::file_type() const {
  return all_ != nullptr ? all_->file_type : row_->file_type;
}

const GgufScheme& FormatMix::SchemeFor(const MatrixPlace& place) const {
  const bool output = place.part == "output" || (place.tied && place.part == "token_embd");
  if (all_ != nullptr) {
    const bool fine = output && fine_output_ && all_->format.bits < gguf::kQ6_KScheme.format.bits;
    return fine ? FittingScheme(gguf::kQ6_KScheme, place.cols) : *all_;
  }
  if (output) return FittingScheme(gguf::kQ6_KScheme, place.cols);
  for (const Exception& exception : row_->exceptions) {
    if (place.part != exception.part || !exception.layers(place.layer, place.layers)) continue;
    return FittingScheme(*exception.scheme, place.cols);
  }
  return FittingScheme(*row_->base, place.cols);
}

const GgufScheme& FittingScheme(const GgufScheme& scheme, int64_t cols) {
  if (cols % scheme.block_weights == 0) return scheme;
  if (cols % gguf::kQ8_0Scheme.block_weights != 0) return gguf::kF16Scheme;
  if (scheme.format == kQ6_K) return gguf::kQ8_0Scheme;
  if (scheme.format == kQ5_K) return gguf::kQ5_1Scheme;
  return scheme.format == kQ4_K ? gguf::kQ5_0Scheme : gguf::kIq4NlScheme;
}

}  // namespace quantd
