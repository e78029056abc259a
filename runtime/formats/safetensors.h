#ifndef QUANTD_RUNTIME_FORMATS_SAFETENSORS_H_
#define QUANTD_RUNTIME_FORMATS_SAFETENSORS_H_

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "runtime/formats/dtype.h"
#include "runtime/formats/mapped_file.h"

namespace quantd {

class SafetensorsFile;

/// One tensor of a file. shape is as stored: the last dimension is the contiguous one (K).
struct SafetensorsTensor {
  std::string name;
  Dtype dtype = Dtype::kF32;
  std::vector<int64_t> shape;  ///< up to 8 dimensions, each >= 0; empty for a scalar
  uint64_t offset = 0;         ///< of data from the start of the file; lies wholly inside it
  uint64_t bytes = 0;
  const uint8_t* data = nullptr;          ///< of any alignment
  const SafetensorsFile* file = nullptr;  ///< the file that holds it, one of several shards

  int64_t elements() const;  ///< product of the shape
  absl::Span<const uint8_t> span() const { return absl::MakeConstSpan(data, bytes); }
  /// Tells the system that data will not be read soon. A hint; see MappedFile::GiveBack.
  void GiveBack() const;
  /// DATA_LOSS if the file has shrunk since it was opened, so that reading data would be fatal.
  absl::Status CheckNotTruncated() const;
  /// An error of this tensor: "PATH: tensor NAME: what".
  absl::Status Error(absl::string_view what) const;
};

/// A parsed and validated safetensors file: u64 header length, JSON header, data that the tensors
/// tile without a hole. Owns the mapping that tensors point into. Immutable, thread-safe, not
/// movable (tensors point back). Every error names the file and the field.
class SafetensorsFile {
 public:
  /// Errors: those of MappedFile::Open when the file cannot be read; DATA_LOSS when it is
  /// malformed.
  static absl::StatusOr<std::unique_ptr<SafetensorsFile>> Open(const std::string& path);
  /// Parses bytes that the caller keeps alive (tests, fuzzers). `name` stands for the path.
  static absl::StatusOr<std::unique_ptr<SafetensorsFile>> Parse(absl::Span<const uint8_t> bytes,
                                                                const std::string& name);
  SafetensorsFile(const SafetensorsFile&) = delete;
  SafetensorsFile& operator=(const SafetensorsFile&) = delete;

  const std::string& path() const { return path_; }
  uint64_t file_bytes() const { return bytes_.size(); }
  /// Null for Parse: then nothing can be given back or cut off.
  const MappedFile* mapping() const { return mapping_.get(); }
  /// In the order of the header.
  const std::vector<SafetensorsTensor>& tensors() const { return tensors_; }
  const SafetensorsTensor* FindTensor(absl::string_view name) const;
  /// The header's "__metadata__", in the order of the file.
  const std::vector<std::pair<std::string, std::string>>& metadata() const { return metadata_; }

  /// An error of this file: "PATH: FIELD: what".
  absl::Status Error(absl::string_view field, absl::string_view what) const;

 private:
  SafetensorsFile() = default;
  friend class SafetensorsParser;
  std::string path_;
  std::unique_ptr<MappedFile> mapping_;
  absl::Span<const uint8_t> bytes_;
  std::vector<SafetensorsTensor> tensors_;
  std::vector<std::pair<std::string, std::string>> metadata_;
  absl::flat_hash_map<absl::string_view, size_t> index_;  ///< keys are names of tensors_
};

}  // namespace quantd

#endif  // QUANTD_RUNTIME_FORMATS_SAFETENSORS_H_
