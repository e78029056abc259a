#ifndef QUANTD_RUNTIME_FORMATS_SAFETENSORS_INDEX_H_
#define QUANTD_RUNTIME_FORMATS_SAFETENSORS_INDEX_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace quantd {

/// What model.safetensors.index.json says: which file of the folder holds which tensor.
struct SafetensorsIndex {
  std::vector<std::string> shards;                      ///< plain file names, each once
  absl::flat_hash_map<std::string, uint32_t> shard_of;  ///< tensor name -> index into shards
};

/// Reads the index from its text; `path` is for messages. Errors: DATA_LOSS naming `path` and the
/// field when it is malformed, lists a tensor twice or no tensor, or names a file by more than its
/// name.
absl::StatusOr<SafetensorsIndex> ParseSafetensorsIndex(absl::string_view text,
                                                       const std::string& path);

}  // namespace quantd

#endif  // QUANTD_RUNTIME_FORMATS_SAFETENSORS_INDEX_H_
