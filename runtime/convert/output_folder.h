#ifndef QUANTD_RUNTIME_CONVERT_OUTPUT_FOLDER_H_
#define QUANTD_RUNTIME_CONVERT_OUTPUT_FOLDER_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "runtime/formats/model_directory.h"

namespace quantd {

/// A folder for a model that is written under a temporary name beside its own, so that a reader
/// never sees half a model; removed with all that is in it unless Commit gave it its name. Errors
/// are those of the file system, naming the path. Not thread-safe.
class OutputFolder {
 public:
  /// Errors: INVALID_ARGUMENT if `path` exists and is no empty folder, unless `overwrite` is set
  /// and it holds a model (config.json) and no folders: nothing else is ever replaced.
  static absl::StatusOr<std::unique_ptr<OutputFolder>> Create(const std::string& path,
                                                              bool overwrite);
  ~OutputFolder();
  OutputFolder(const OutputFolder&) = delete;
  OutputFolder& operator=(const OutputFolder&) = delete;

  /// Where to write the files.
  const std::string& path() const { return temporary_; }
  absl::Status Write(absl::string_view name, absl::string_view text) const;
  /// Copies what a model's folder holds beside its weights and config.json: the tokenizer, the chat
  /// template, recommended sampling, licences.
  absl::Status CopySideFiles(const ModelDirectory& source) const;

  /// Gives the folder its name. What was there before is gone only when this one is in its place.
  absl::Status Commit();

 private:
  explicit OutputFolder(std::string path);

  const std::string path_;
  const std::string temporary_;
  bool exists_ = false;  ///< under its temporary name
};

}  // namespace quantd

#endif  // QUANTD_RUNTIME_CONVERT_OUTPUT_FOLDER_H_
