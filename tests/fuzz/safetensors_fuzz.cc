// Any bytes must parse or be refused with a status that names the file; tensors of a file that
// parses must be found by their names, tile the data, and be readable to their last byte.

#include <cstddef>
#include <cstdint>

#include "kernels/base/check.h"
#include "runtime/formats/safetensors.h"

namespace quantd {
namespace {

/// Keeps the reads below from being optimized away.
volatile uint64_t sink = 0;

void CheckTensors(const SafetensorsFile& file, const uint8_t* end) {
  uint64_t bytes = 0;
  for (const SafetensorsTensor& tensor : file.tensors()) {
    QUANTD_CHECK(file.FindTensor(tensor.name) == &tensor, "every tensor is found by its name");
    QUANTD_CHECK(tensor.file == &file, "every tensor knows its file");
    QUANTD_CHECK(tensor.data + tensor.bytes <= end, "data lie inside the file");
    QUANTD_CHECK(
        static_cast<uint64_t>(tensor.elements()) * DtypeBits(tensor.dtype) == tensor.bytes * 8,
        "data have the size of the shape");
    for (const uint8_t byte : tensor.span()) sink = sink + byte;
    bytes += tensor.bytes;
  }
  QUANTD_CHECK(bytes < file.file_bytes(), "no byte belongs to two tensors");
}

}  // namespace
}  // namespace quantd

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto file = quantd::SafetensorsFile::Parse(absl::MakeConstSpan(data, size), "fuzz.bin");
  if (!file.ok()) {
    QUANTD_CHECK(file.status().message().find("fuzz.bin: ") == 0, "errors name the file");
    return 0;
  }
  quantd::CheckTensors(**file, data + size);
  return 0;
}
