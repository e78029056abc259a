#ifndef QUANTD_RUNTIME_FORMATS_HF_SCHEME_TABLE_H_
#define QUANTD_RUNTIME_FORMATS_HF_SCHEME_TABLE_H_

#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "runtime/formats/hf_module.h"

namespace quantd {

/// How a library of the Hugging Face world stores the weight of a linear module. ONE row per scheme
/// in the table: the loader, reports and the tests all read it; adding a scheme is two functions
/// and a row.
struct HfScheme {
  const char* name;  ///< "GPTQ", for reports and messages
  /// Whether a module is stored in this way, by the configuration and by which tensors it has.
  bool (*applies)(const HfModule& module);
  /// Validates types, shapes and whatever else the decoder relies on.
  absl::StatusOr<std::unique_ptr<HfSource>> (*open)(const HfModule& module);
  /// Suffixes of tensors that may lie beside the weight and are not needed to read it.
  std::vector<const char*> others;
};

/// Every scheme that this build reads. The first that applies to a module is the one it is stored
/// in; plain floats come last.
const std::vector<HfScheme>& HfSchemes();

/// The weight of a module.
struct HfWeight {
  const HfScheme* scheme;
  std::unique_ptr<HfSource> source;
  /// Every tensor of the module but its bias: those that source reads, and others that the scheme
  /// knows.
  std::vector<const SafetensorsTensor*> tensors;
};

/// Finds how the module is stored, by its own tensors: a model may leave any module unquantized.
/// Model and configuration must outlive the result. Errors: DATA_LOSS naming file and tensor;
/// UNIMPLEMENTED for a weight that no scheme reads.
absl::StatusOr<HfWeight> OpenHfWeight(const HfModule& module);

/// Reads a whole float tensor of any shape (norms, biases), in file order. Errors: DATA_LOSS naming
/// file and tensor for another type, or a value that is NaN or infinite.
absl::StatusOr<std::vector<float>> ReadFloats(const SafetensorsTensor& tensor);

}  // namespace quantd

#endif  // QUANTD_RUNTIME_FORMATS_HF_SCHEME_TABLE_H_
