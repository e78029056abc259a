#ifndef QUANTD_RUNTIME_CONVERT_QUANTIZE_FOLDER_H_
#define QUANTD_RUNTIME_CONVERT_QUANTIZE_FOLDER_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "kernels/base/thread_pool.h"
#include "runtime/convert/folder_schemes.h"
#include "runtime/convert/quantize_model.h"
#include "runtime/model/chunk_reader.h"

namespace quantd {

/// The text that shows what inputs the weights meet, and the model that reads it: that of the
/// source, in full precision throughout.
struct FolderCalibration {
  Model* model = nullptr;
  KvType kv_type = KvType::kF16;
  std::vector<int32_t> tokens;
  ChunkOptions reading;  ///< its progress is called anew for every pass over the text
  /// For the statistics of inputs: as many layers as fit are observed in one pass over the text,
  /// one at least.
  uint64_t memory_bytes = uint64_t{4} << 30;
};

struct QuantizeFolderOptions {
  FolderSettings settings;
  /// Of schemes that are calibrated.
  std::optional<FolderCalibration> calibration;
  uint64_t shard_bytes = 5'000'000'000;  ///< of the output's files
  bool overwrite = false;                ///< as for OutputFolder::Create
  /// Of a GGUF file: also from weights that are quantized already; else that is an error.
  bool requantize = false;
  /// Told, before anything is written, what the output will not do as the source does.
  std::function<void(const std::string& note)> note;
  /// Called after each tensor. Returning false cancels: no folder is left.
  std::function<bool(const QuantizeProgress&)> progress;
};

/// Quantizes a model in full precision, a folder or a GGUF file, to another folder, which the
/// libraries that FolderScheme names read: the linear modules of the layers, experts included.
/// Embeddings, the output, norms, biases and what picks experts stay as they are, but that AWQ
/// folds scales into norms and biases. Uses every thread of the pool; memory is that of one matrix
/// and, with a calibration, of its statistics. Errors: those of FolderSource::Open, CheckSettings,
/// CheckFits, OutputFolder and MeasureInputs; INVALID_ARGUMENT when a calibration is missing;
/// CANCELLED.
absl::StatusOr<std::vector<QuantizedTensor>> QuantizeFolder(const std::string& source,
                                                            const FolderScheme& scheme,
                                                            const std::string& output,
                                                            ThreadPool& pool,
                                                            const QuantizeFolderOptions& options);

}  // namespace quantd

#endif  // QUANTD_RUNTIME_CONVERT_QUANTIZE_FOLDER_H_
