#include "runtime/formats/model_directory.h"

#include <sys/stat.h>

#include <cerrno>
#include <climits>
#include <cstdlib>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "runtime/formats/file_error.h"

namespace quantd {
namespace {

/// The path without links, "." and ".."; "" with errno set when there is none.
std::string RealPath(const std::string& path) {
  char buffer[PATH_MAX];
  return realpath(path.c_str(), buffer) == nullptr ? "" : std::string(buffer);
}

std::string ParentOf(const std::string& path) { return path.substr(0, path.rfind('/')); }

bool IsInside(absl::string_view path, absl::string_view folder) {
  return absl::StartsWith(path, folder) && path.substr(folder.size(), 1) == "/";
}

}  // namespace

absl::string_view FileNameFault(absl::string_view name) {
  if (name.empty()) return "is empty";
  if (name.find_first_of("/\\") != absl::string_view::npos) return "contains a path separator";
  if (name == "." || name == "..") return "is a folder";
  if (name.find('\0') != absl::string_view::npos) return "contains NUL";
  if (name.size() > NAME_MAX) return "is too long";
  return "";
}

absl::StatusOr<ModelDirectory> ModelDirectory::Open(const std::string& path) {
  ModelDirectory directory;
  directory.path_ = path;
  while (directory.path_.size() > 1 && directory.path_.back() == '/') directory.path_.pop_back();
  directory.real_ = RealPath(path);
  if (directory.real_.empty()) {
    return absl::ErrnoToStatus(errno, absl::StrCat(path, ": cannot open"));
  }
  struct stat info;
  if (stat(path.c_str(), &info) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat(path, ": cannot stat"));
  }
  if (!S_ISDIR(info.st_mode)) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": is no directory"));
  }
  const std::string snapshots = ParentOf(directory.real_);
  if (absl::EndsWith(snapshots, "/snapshots")) {
    directory.blobs_ = absl::StrCat(ParentOf(snapshots), "/blobs");
  }
  return directory;
}

std::string ModelDirectory::Join(absl::string_view name) const {
  return absl::StrCat(path_, "/", name);
}

bool ModelDirectory::Has(absl::string_view name) const {
  struct stat info;
  return stat(Join(name).c_str(), &info) == 0;
}

absl::StatusOr<std::string> ModelDirectory::Resolve(absl::string_view name) const {
  const std::string quoted = absl::StrCat("\"", Printable(name), "\"");
  if (const absl::string_view fault = FileNameFault(name); !fault.empty()) {
    return absl::DataLossError(
        absl::StrCat(quoted, " ", fault, "; only files of the model's own folder are read"));
  }
  const std::string real = RealPath(Join(name));
  if (real.empty()) return absl::ErrnoToStatus(errno, absl::StrCat(quoted, " cannot be opened"));
  if (!IsInside(real, real_) && (blobs_.empty() || !IsInside(real, blobs_))) {
    return absl::DataLossError(absl::StrCat(
        quoted, " is a link that leads out of the model's folder; put the file itself there"));
  }
  return Join(name);
}

}  // namespace quantd
