#ifndef QUANTD_RUNTIME_FORMATS_MAPPED_FILE_H_
#define QUANTD_RUNTIME_FORMATS_MAPPED_FILE_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace quantd {

/// A file mapped read-only. The mapping keeps the old inode alive when the path is replaced.
class MappedFile {
 public:
  /// Errors: NOT_FOUND, PERMISSION_DENIED, INVALID_ARGUMENT (a directory), naming the path.
  static absl::StatusOr<std::unique_ptr<MappedFile>> Open(const std::string& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  absl::Span<const uint8_t> bytes() const { return bytes_; }

  /// Tells the kernel that [data, data + size) will not be read soon: its pages leave the
  /// resident set. Safe on any sub-range; a hint only.
  void GiveBack(const uint8_t* data, uint64_t size) const;

  /// True if the file behind the mapping has shrunk since Open, so that touching the tail would
  /// raise SIGBUS; asked before each tensor is read.
  bool Truncated() const;

 private:
  MappedFile() = default;
  absl::Span<const uint8_t> bytes_;
  int fd_ = -1;
};

}  // namespace quantd

#endif  // QUANTD_RUNTIME_FORMATS_MAPPED_FILE_H_
