// Any bytes must parse or be refused with a status; whatever parses must be readable to its last
// value and weight, and the hyper-parameters derived from it must be or be refused likewise.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "kernels/base/check.h"
#include "runtime/formats/gguf.h"
#include "runtime/formats/scheme_table.h"

namespace quantd {
namespace {

/// Keeps the reads below from being optimized away.
volatile uint64_t sink = 0;

void TouchMetadata(const GgufFile& file) {
  for (const GgufKeyValue& entry : file.metadata()) {
    QUANTD_CHECK(file.Find(entry.key) == &entry, "every key is found by its name");
    if (const auto value = file.OptionalUint(entry.key); value.ok()) sink = sink + **value;
    if (const auto value = file.OptionalFloat(entry.key); value.ok()) sink = sink + (**value > 0);
    if (const auto value = file.OptionalBool(entry.key); value.ok()) sink = sink + **value;
    if (const auto value = file.OptionalString(entry.key); value.ok()) {
      for (const char c : **value) sink = sink + static_cast<uint8_t>(c);
    }
    if (const auto array = file.OptionalStringArray(entry.key); array.ok()) {
      for (const absl::string_view text : (*array)->strings) {
        for (const char c : text) sink = sink + static_cast<uint8_t>(c);
      }
    }
    if (const auto array = file.OptionalFloatArray(entry.key); array.ok()) {
      for (const float value : **array) sink = sink + (value > 0);
    }
    if (const auto array = file.OptionalIntArray(entry.key); array.ok()) {
      for (const int32_t value : **array) sink = sink + static_cast<uint32_t>(value);
    }
  }
}

void DecodeTensors(const GgufFile& file) {
  QuantTensor slab;
  for (const GgufTensor& tensor : file.tensors()) {
    QUANTD_CHECK(file.FindTensor(tensor.name) == &tensor, "every tensor is found by its name");
    const absl::StatusOr<std::vector<float>> floats = ReadFloats(file, tensor);
    if (floats.ok()) {
      QUANTD_CHECK(static_cast<int64_t>(floats->size()) == tensor.cols() * tensor.rows(),
                   "one float per weight");
    }
    const auto source = OpenWeight(file, tensor);
    if (!source.ok()) continue;
    const absl::Status status = (*source)->Decode(0, (*source)->rows(), &slab);
    QUANTD_CHECK(status.ok() == floats.ok(), "both ways of reading accept the same bytes");
    for (const uint8_t code : slab.codes) {
      QUANTD_CHECK(code >> slab.format.bits == 0, "a code has no more bits than its format");
    }
  }
}

}  // namespace
}  // namespace quantd

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto file = quantd::GgufFile::Parse(absl::MakeConstSpan(data, size), "fuzz.gguf");
  if (!file.ok()) {
    QUANTD_CHECK(file.status().message().find("fuzz.gguf: ") == 0, "errors name the file");
    return 0;
  }
  quantd::TouchMetadata(**file);
  quantd::DecodeTensors(**file);
  return 0;
}
