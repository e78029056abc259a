#ifndef QUANTD_RUNTIME_FORMATS_MODEL_DIRECTORY_H_
#define QUANTD_RUNTIME_FORMATS_MODEL_DIRECTORY_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace quantd {

/// A folder that holds the files of one model, as the Hugging Face hub lays it out. Names of files
/// may come from untrusted text: none leads out of the folder, by path or by symbolic link. (In the
/// hub's own cache a model is `snapshots/REVISION`, all links into `blobs` beside `snapshots`;
/// these count as inside.) Immutable, thread-safe.
class ModelDirectory {
 public:
  /// Errors: NOT_FOUND and the like, INVALID_ARGUMENT when it is no directory, naming the path.
  static absl::StatusOr<ModelDirectory> Open(const std::string& path);

  const std::string& path() const { return path_; }
  /// PATH/NAME, for messages and for names that are constants of this program.
  std::string Join(absl::string_view name) const;
  bool Has(absl::string_view name) const;

  /// Path of the file `name`, which exists and lies inside. Errors, without path and field, which
  /// the caller knows better (see FileError): DATA_LOSS for a name that is no plain file name, a
  /// link that leads out; NOT_FOUND.
  absl::StatusOr<std::string> Resolve(absl::string_view name) const;

 private:
  ModelDirectory() = default;
  std::string path_;   ///< as given
  std::string real_;   ///< without links
  std::string blobs_;  ///< where links may lead besides; "" for nowhere
};

/// Empty if `name` is a plain file name; else what is wrong with it ("contains a path separator").
absl::string_view FileNameFault(absl::string_view name);

}  // namespace quantd

#endif  // QUANTD_RUNTIME_FORMATS_MODEL_DIRECTORY_H_
