#ifndef QUANTD_RUNTIME_FORMATS_SAFETENSORS_WRITER_H_
#define QUANTD_RUNTIME_FORMATS_SAFETENSORS_WRITER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "runtime/formats/dtype.h"
#include "runtime/formats/temporary_file.h"

namespace quantd {

/// A tensor that is going to be written. shape is as stored: the last dimension is contiguous.
struct SafetensorsEntry {
  std::string name;
  Dtype dtype = Dtype::kF32;  ///< of whole bytes
  std::vector<int64_t> shape;

  uint64_t bytes() const;
};

/// Writes a safetensors file: the header first, then the data of its tensors in any order, each at
/// its place, so that a model larger than memory can be written. Tensors lie as the original
/// library lays them out: those of wider types first, those of one width by name, so that every
/// element is aligned. Not thread-safe.
class SafetensorsWriter {
 public:
  /// Creates the file under a temporary name and writes its header. Names must differ. Errors:
  /// those of the file system, naming the path.
  static absl::StatusOr<std::unique_ptr<SafetensorsWriter>> Create(
      const std::string& path, std::vector<SafetensorsEntry> tensors);

  /// Writes the data of a tensor of the header. Errors: those of the file system; INTERNAL for a
  /// name that is not there or was written already, or another number of bytes than shape and type
  /// imply.
  absl::Status Write(absl::string_view name, absl::Span<const uint8_t> bytes);
  /// Gives the file its name. INTERNAL if a tensor was not written.
  absl::Status Finish();

 private:
  struct Place {
    uint64_t offset, bytes;
    bool written = false;
  };
  explicit SafetensorsWriter(const std::string& path) : file_(path) {}

  TemporaryFile file_;
  absl::flat_hash_map<std::string, Place> places_;
};

/// Writes the tensors of a model into a folder: model.safetensors, or, where they have more than
/// `shard_bytes`, several files and model.safetensors.index.json. Not thread-safe.
class SafetensorsModelWriter {
 public:
  /// Tensors go into shards in the order given, as many as fit, one at least.
  static absl::StatusOr<std::unique_ptr<SafetensorsModelWriter>> Create(
      const std::string& folder, const std::vector<SafetensorsEntry>& tensors,
      uint64_t shard_bytes);

  /// As SafetensorsWriter, of the shard that holds the tensor.
  absl::Status Write(absl::string_view name, absl::Span<const uint8_t> bytes);
  absl::Status Finish();

 private:
  SafetensorsModelWriter() = default;
  absl::Status WriteIndex() const;

  std::string folder_;
  std::vector<std::string> names_;  ///< of the files
  std::vector<std::unique_ptr<SafetensorsWriter>> shards_;
  absl::flat_hash_map<std::string, size_t> shard_of_;
  uint64_t total_bytes_ = 0;
};

}  // namespace quantd

#endif  // QUANTD_RUNTIME_FORMATS_SAFETENSORS_WRITER_H_
