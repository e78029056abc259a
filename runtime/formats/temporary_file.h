#ifndef QUANTD_RUNTIME_FORMATS_TEMPORARY_FILE_H_
#define QUANTD_RUNTIME_FORMATS_TEMPORARY_FILE_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace quantd {

/// A name beside `path` that no other writer takes, of this process or another.
std::string TemporaryName(const std::string& path);

/// A file that is written under a temporary name beside its own, so that a reader never sees half
/// of it; removed unless Commit moved it to its own name. Errors are those of the file system,
/// naming the path. Not thread-safe.
class TemporaryFile {
 public:
  explicit TemporaryFile(const std::string& path);
  ~TemporaryFile();
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;

  absl::Status Open();
  /// Writes at the end of what was appended.
  absl::Status Append(const void* data, uint64_t size);
  /// Appends zeros up to a multiple of `alignment` bytes.
  absl::Status Pad(uint64_t alignment);
  /// Writes anywhere; what lies between is zero until it is written.
  absl::Status WriteAt(uint64_t offset, const void* data, uint64_t size);
  /// Gives the file its name, once its bytes are on the disk.
  absl::Status Commit();

 private:
  absl::Status Failure(absl::string_view what) const;

  const std::string path_;
  const std::string temporary_;
  int fd_ = -1;
  bool exists_ = false;    ///< under its temporary name
  uint64_t position_ = 0;  ///< end of what was appended
};

}  // namespace quantd

#endif  // QUANTD_RUNTIME_FORMATS_TEMPORARY_FILE_H_
