#ifndef QUANTD_RUNTIME_FORMATS_SYNTH_H_
#define QUANTD_RUNTIME_FORMATS_SYNTH_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace quantd {

/// Shape of a Llama-architecture model that synthetic weights can be written for.
struct SynthShape {
  const char* name;
  int32_t dim;
  int32_t layers;
  int32_t heads;
  int32_t kv_heads;
  int32_t ff;
  int32_t vocab;  ///< raised to that of the vocabulary file if that is larger
  int32_t context;
  float rope_base;
  bool tied;  ///< no output.weight: the token embedding is used

  int32_t head_dim() const { return dim / heads; }
};

/// THE list of shapes, for reports and `--help`.
const std::vector<SynthShape>& SynthShapes();
/// Null if there is none of that name.
const SynthShape* FindSynthShape(absl::string_view name);

/// What WriteSyntheticModel writes. All fields but seed and progress are required.
struct SynthOptions {
  std::string shape;       ///< a name of SynthShapes()
  std::string format;      ///< of the matrices, a name of FormatMix; norms are F32
  std::string vocab_path;  ///< GGUF file whose tokenizer is copied
  std::string output_path;
  uint64_t seed = 1;  ///< the same seed gives the same bytes
  /// Called after each tensor with the bytes written and their total; may be empty.
  std::function<void(uint64_t done, uint64_t total)> progress;
};

/// Writes a model of random weights: for benchmarks and tests, which need real shapes but no sense.
/// Weights are bell-shaped with standard deviation 0.02, so that activations stay finite. A
/// vocabulary smaller than the shape's is padded with unused tokens.
/// Errors: INVALID_ARGUMENT naming the option, for an unknown shape or format or a shape whose rows
/// are no multiple of the format's block; those of GgufFile::Open and GgufWriter::Write.
absl::Status WriteSyntheticModel(const SynthOptions& options);

}  // namespace quantd

#endif  // QUANTD_RUNTIME_FORMATS_SYNTH_H_
