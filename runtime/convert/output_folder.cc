#include "runtime/convert/output_folder.h"

#include <sys/stat.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "kernels/base/status_macros.h"
#include "runtime/formats/file_error.h"
#include "runtime/formats/temporary_file.h"

namespace quantd {
namespace {

namespace fs = std::filesystem;

constexpr const char* kSideFiles[] = {
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "tokenizer.model",
    "spiece.model",
    "vocab.json",
    "merges.txt",
    "vocab.txt",
    "chat_template.jinja",
    "chat_template.json",
    "generation_config.json",
    "LICENSE",
    "LICENSE.txt",
    "LICENSE.md",
    "NOTICE",
    "NOTICE.txt",
    "USE_POLICY.md",
};

absl::Status SystemError(absl::string_view path, absl::string_view what, int error) {
  return absl::ErrnoToStatus(error, absl::StrCat(path, ": ", what));
}

absl::Status CheckReplaceable(const std::string& path, bool overwrite) {
  std::error_code error;
  if (!fs::exists(fs::symlink_status(path, error))) return absl::OkStatus();
  const auto refused = [&](absl::string_view why) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": ", why));
  };
  if (!fs::is_directory(path, error)) return refused("exists and is no folder");
  if (fs::is_empty(path, error)) return absl::OkStatus();
  if (!overwrite) return refused("exists; it is replaced only where that is asked for");
  if (!fs::exists(fs::path(path) / "config.json", error)) {
    return refused("is no folder of a model (it has no config.json), so it is not replaced");
  }
  for (const fs::directory_entry& entry : fs::directory_iterator(path, error)) {
    if (!entry.is_directory(error)) continue;
    return refused(absl::StrCat("holds a folder, ", Printable(entry.path().filename().string()),
                                ", so it is not replaced"));
  }
  if (error) return SystemError(path, "cannot read", error.value());
  return absl::OkStatus();
}

}  // namespace

OutputFolder::OutputFolder(std::string path)
    : path_(std::move(path)), temporary_(TemporaryName(path_)) {}

OutputFolder::~OutputFolder() {
  std::error_code ignored;
  if (exists_) fs::remove_all(temporary_, ignored);
}

absl::StatusOr<std::unique_ptr<OutputFolder>> OutputFolder::Create(const std::string& path,
                                                                   bool overwrite) {
  std::string plain = path;
  while (plain.size() > 1 && plain.back() == '/') plain.pop_back();
  QUANTD_RETURN_IF_ERROR(CheckReplaceable(plain, overwrite));
  std::unique_ptr<OutputFolder> folder(new OutputFolder(plain));
  if (mkdir(folder->temporary_.c_str(), 0777) != 0) {
    return SystemError(folder->temporary_, "cannot create", errno);
  }
  folder->exists_ = true;
  return folder;
}

absl::Status OutputFolder::Write(absl::string_view name, absl::string_view text) const {
  TemporaryFile file(absl::StrCat(temporary_, "/", name));
  QUANTD_RETURN_IF_ERROR(file.Open());
  QUANTD_RETURN_IF_ERROR(file.Append(text.data(), text.size()));
  return file.Commit();
}

absl::Status OutputFolder::CopySideFiles(const ModelDirectory& source) const {
  for (const char* name : kSideFiles) {
    if (!source.Has(name)) continue;
    const absl::StatusOr<std::string> from = source.Resolve(name);
    if (!from.ok()) return FileError(source.path(), name, from.status().message());
    std::error_code error;
    fs::copy_file(*from, fs::path(temporary_) / name, error);
    if (error) return SystemError(*from, "cannot copy", error.value());
  }
  return absl::OkStatus();
}

absl::Status OutputFolder::Commit() {
  std::error_code error;
  std::string old;
  if (fs::exists(path_, error) && !fs::is_empty(path_, error)) {
    old = TemporaryName(path_);
    if (std::rename(path_.c_str(), old.c_str()) != 0) {
      return SystemError(path_, "cannot rename", errno);
    }
  }
  if (std::rename(temporary_.c_str(), path_.c_str()) != 0) {
    const int reason = errno;
    if (!old.empty()) std::rename(old.c_str(), path_.c_str());
    return SystemError(temporary_, absl::StrCat("cannot rename to ", path_), reason);
  }
  exists_ = false;
  if (!old.empty()) fs::remove_all(old, error);
  return absl::OkStatus();
}

}  // namespace quantd
