// Any text must give an index or a status that names the file; an index names plain files only,
// each once, and every tensor's file.

#include <cstddef>
#include <cstdint>

#include "absl/container/flat_hash_set.h"
#include "kernels/base/check.h"
#include "runtime/formats/safetensors_index.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  const auto index = quantd::ParseSafetensorsIndex(text, "fuzz.json");
  if (!index.ok()) {
    QUANTD_CHECK(index.status().message().find("fuzz.json: ") == 0, "errors name the file");
    return 0;
  }
  absl::flat_hash_set<absl::string_view> seen;
  for (const std::string& shard : index->shards) {
    QUANTD_CHECK(!shard.empty() && shard.find('/') == std::string::npos && shard != "..",
                 "no file lies outside of the folder");
    QUANTD_CHECK(seen.insert(shard).second, "every file is listed once");
  }
  QUANTD_CHECK(!index->shard_of.empty(), "an index lists tensors");
  for (const auto& [tensor, shard] : index->shard_of) {
    QUANTD_CHECK(shard < index->shards.size(), "every tensor has a file");
  }
  return 0;
}
