#ifndef QUANTD_RUNTIME_MODEL_CHUNK_READER_H_
#define QUANTD_RUNTIME_MODEL_CHUNK_READER_H_

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <optional>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/types/span.h"
#include "kernels/attention/attention.h"
#include "kernels/base/aligned_buffer.h"
#include "runtime/model/model.h"

namespace quantd {

/// How a text is read to judge a model by it.
struct ChunkOptions {
  int32_t chunk = 256;  ///< tokens per chunk, from 3 to the model's context
  /// Takes the place of each chunk's first token, for models trained with a BOS.
  std::optional<int32_t> bos;
  /// Called after each chunk; returning false cancels.
  std::function<bool(int64_t done_chunks, int64_t total_chunks)> progress;
};

/// Reads chunks with one model, each on its own, into the same KV blocks. Scored are the tokens of
/// the second half of a chunk but its first, so that all have at least chunk / 2 before them (as
/// llama.cpp's perplexity program counts). Borrows the model. Not thread-safe.
class ChunkReader {
 public:
  /// chunk must not exceed the model's context.
  ChunkReader(Model& model, int32_t chunk, KvType type);

  /// Runs positions [begin, end) of a chunk, at most kStepRows; those before `begin` were run.
  void Step(absl::Span<const int32_t> chunk, int32_t begin, int32_t end);
  /// Rows per step: bounds the memory that the logits take.
  static constexpr int32_t kStepRows = 128;

  /// Of the last step: how many rows are scored, their logits, and the token that came next.
  int64_t scored() const { return static_cast<int64_t>(targets_.size()); }
  absl::Span<const float> logits(int64_t i) const { return {&logits_[i * vocab_], vocab_}; }
  int32_t target(int64_t i) const { return targets_[i]; }

 private:
  Model& model_;
  const int32_t chunk_;
  const size_t vocab_;
  AlignedBuffer kv_memory_;
  KvView kv_;
  std::vector<int32_t> blocks_;
  std::vector<float> logits_;
  std::vector<int32_t> targets_;
};

/// Cuts `tokens` into consecutive full chunks and runs every step of each with all readers; then
/// calls visit() for that step's scored rows, which are the same in all. Returns the number of
/// chunks. Errors: INVALID_ARGUMENT for options or token ids that `config` does not allow, or fewer
/// tokens than a chunk; CANCELLED.
absl::StatusOr<int64_t> ReadChunks(const ModelConfig& config, absl::Span<const int32_t> tokens,
                                   const ChunkOptions& options,
                                   std::initializer_list<ChunkReader*> readers,
                                   absl::FunctionRef<void()> visit);

}  // namespace quantd

#endif  // QUANTD_RUNTIME_MODEL_CHUNK_READER_H_
