#include "runtime/formats/temporary_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <utility>

#include "absl/strings/str_cat.h"
#include "kernels/base/status_macros.h"

namespace quantd {

std::string TemporaryName(const std::string& path) {
  static std::atomic<int> counter{0};  // two writers of one process never share a name
  return absl::StrCat(path, ".partial.", getpid(), ".", counter.fetch_add(1));
}

TemporaryFile::TemporaryFile(const std::string& path)
    : path_(path), temporary_(TemporaryName(path)) {}

TemporaryFile::~TemporaryFile() {
  if (fd_ >= 0) close(fd_);
  if (exists_) unlink(temporary_.c_str());
}

absl::Status TemporaryFile::Open() {
  fd_ = open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  exists_ = fd_ >= 0;
  return exists_ ? absl::OkStatus() : Failure("cannot create");
}

absl::Status TemporaryFile::Append(const void* data, uint64_t size) {
  QUANTD_RETURN_IF_ERROR(WriteAt(position_, data, size));
  position_ += size;
  return absl::OkStatus();
}

absl::Status TemporaryFile::Pad(uint64_t alignment) {
  const std::string zeros((alignment - position_ % alignment) % alignment, '\0');
  return Append(zeros.data(), zeros.size());
}

absl::Status TemporaryFile::WriteAt(uint64_t offset, const void* data, uint64_t size) {
  const char* next = static_cast<const char*>(data);
  while (size > 0) {
    const ssize_t written = pwrite(fd_, next, size, static_cast<off_t>(offset));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return Failure("cannot write");
    next += written;
    offset += static_cast<uint64_t>(written);
    size -= static_cast<uint64_t>(written);
  }
  return absl::OkStatus();
}

absl::Status TemporaryFile::Commit() {
  if (fsync(fd_) != 0) return Failure("cannot write");
  if (close(std::exchange(fd_, -1)) != 0) return Failure("cannot write");
  if (std::rename(temporary_.c_str(), path_.c_str()) != 0) {
    return Failure(absl::StrCat("cannot rename to ", path_));
  }
  exists_ = false;
  return absl::OkStatus();
}

absl::Status TemporaryFile::Failure(absl::string_view what) const {
  return absl::ErrnoToStatus(errno, absl::StrCat(temporary_, ": ", what));
}

}  // namespace quantd
