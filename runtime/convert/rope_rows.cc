#include "runtime/convert/rope_rows.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "runtime/model/family.h"

namespace quantd {

absl::StatusOr<int64_t> PairedRows(const Checkpoint& source, const ModelConfig& config,
                                   absl::string_view name) {
  if (!FindGgufFamily(config.architecture)->gguf_rope_adjacent) return 0;
  bool rotated = false;
  for (const char* part : {".attn_q.weight", ".attn_q.bias", ".attn_k.weight", ".attn_k.bias"}) {
    rotated |= absl::EndsWith(name, part);
  }
  if (!rotated) return 0;
  if (config.rope_dim == config.head_dim) return config.head_dim;
  const bool of_gguf = source.gguf() != nullptr;
  return source.Unsupported(
      of_gguf ? "rope.dimension_count" : "partial_rotary_factor",
      absl::StrCat("leaves ", config.rope_dim, " rotated of ", config.head_dim, " dimensions; in ",
                   of_gguf ? "a folder" : "GGUF", " a ", config.architecture, " rotates all"));
}

int64_t HfRowOf(int64_t row, int64_t paired) {
  if (paired == 0) return row;
  const int64_t within = row % paired;
  return row - within + within % 2 * (paired / 2) + within / 2;
}

int64_t GgufRowOf(int64_t row, int64_t paired) {
  if (paired == 0) return row;
  const int64_t within = row % paired, half = paired / 2;
  return row - within + within % half * 2 + within / half;
}

}  // namespace quantd
