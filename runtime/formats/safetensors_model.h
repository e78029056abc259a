#ifndef QUANTD_RUNTIME_FORMATS_SAFETENSORS_MODEL_H_
#define QUANTD_RUNTIME_FORMATS_SAFETENSORS_MODEL_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "runtime/formats/model_directory.h"
#include "runtime/formats/safetensors.h"

namespace quantd {

/// The named tensors of a model: of one safetensors file, or of all the shards that an index lists.
/// Owns the files; every tensor knows its own. Immutable, thread-safe.
class SafetensorsModel {
 public:
  /// Opens the model of a folder: model.safetensors, else model.safetensors.index.json with the
  /// shards it names. Errors: those of SafetensorsFile::Open; DATA_LOSS when index and shards
  /// disagree or a shard is missing or lies outside; NOT_FOUND when the folder has neither file;
  /// UNIMPLEMENTED, saying what to do, when it has weights of another format only.
  static absl::StatusOr<std::unique_ptr<SafetensorsModel>> Open(const ModelDirectory& directory);
  /// A model of one file, which may be named anything.
  static std::unique_ptr<SafetensorsModel> OfFile(std::unique_ptr<SafetensorsFile> file);

  /// The folder or the file, for messages.
  const std::string& path() const { return path_; }
  uint64_t file_bytes() const;
  const std::vector<std::unique_ptr<SafetensorsFile>>& files() const { return files_; }
  /// File by file, in the order of their headers.
  const std::vector<const SafetensorsTensor*>& tensors() const { return tensors_; }
  const SafetensorsTensor* FindTensor(absl::string_view name) const;

  /// An error of the model as a whole: "PATH: FIELD: what".
  absl::Status Error(absl::string_view field, absl::string_view what) const;

 private:
  explicit SafetensorsModel(std::string path) : path_(std::move(path)) {}
  absl::Status OpenShards(const ModelDirectory& directory);
  void Add(std::unique_ptr<SafetensorsFile> file);

  const std::string path_;
  std::vector<std::unique_ptr<SafetensorsFile>> files_;
  std::vector<const SafetensorsTensor*> tensors_;
  absl::flat_hash_map<absl::string_view, const SafetensorsTensor*> index_;
};

}  // namespace quantd

#endif  // QUANTD_RUNTIME_FORMATS_SAFETENSORS_MODEL_H_
