#include "runtime/model/chunk_reader.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "kernels/base/status_macros.h"

namespace quantd {
namespace {

// A shorter chunk has no token to score.
constexpr int32_t kMinChunk = 3;

absl::Status Validate(const ModelConfig& config, absl::Span<const int32_t> tokens,
                      const ChunkOptions& options) {
  if (options.chunk < kMinChunk || options.chunk > config.context) {
    const bool more = config.long_context > config.context;
    return absl::InvalidArgumentError(absl::StrCat(
        "chunk: ", options.chunk, " is outside of [", kMinChunk, ", ", config.context, "]",
        more ? absl::StrCat("; a max_context allows up to ", config.long_context) : ""));
  }
  if (tokens.size() < static_cast<size_t>(options.chunk)) {
    return absl::InvalidArgumentError(
        absl::StrCat("tokens: ", tokens.size(), " are fewer than a chunk of ", options.chunk));
  }
  const auto known = [&](int32_t id) { return id >= 0 && id < config.vocab; };
  if (!std::all_of(tokens.begin(), tokens.end(), known) || !known(options.bos.value_or(0))) {
    return absl::InvalidArgumentError(
        absl::StrCat("tokens: an id is outside of [0, ", config.vocab, ")"));
  }
  return absl::OkStatus();
}

}  // namespace

ChunkReader::ChunkReader(Model& model, int32_t chunk, KvType type)
    : model_(model), chunk_(chunk), vocab_(model.config().vocab) {
  const KvLayout layout = model.kv_layout(type);
  const int32_t blocks = (chunk_ + kKvBlockTokens - 1) / kKvBlockTokens;
  kv_memory_ = AlignedBuffer(static_cast<size_t>(blocks * layout.block_bytes()));
  kv_ = {layout, kv_memory_.as<std::byte>()};
  for (int32_t b = 0; b < blocks; ++b) blocks_.push_back(b);
  logits_.resize(static_cast<size_t>(std::min(kStepRows, chunk_)) * vocab_);
}

void ChunkReader::Step(absl::Span<const int32_t> chunk, int32_t begin, int32_t end) {
  Batch batch;
  batch.sequences.push_back({0, 0, end - begin, begin, blocks_});
  targets_.clear();
  for (int32_t p = begin; p < end; ++p) {
    batch.tokens.push_back(chunk[p]);
    batch.positions.push_back(p);
    // The row at p predicts token p + 1.
    if (p < chunk_ / 2 || p + 1 >= chunk_) continue;
    batch.logit_rows.push_back(p - begin);
    targets_.push_back(chunk[p + 1]);
  }
  model_.Forward(batch, kv_, absl::MakeSpan(logits_));
}

absl::StatusOr<int64_t> ReadChunks(const ModelConfig& config, absl::Span<const int32_t> tokens,
                                   const ChunkOptions& options,
                                   std::initializer_list<ChunkReader*> readers,
                                   absl::FunctionRef<void()> visit) {
  QUANTD_RETURN_IF_ERROR(Validate(config, tokens, options));
  const int64_t chunks = static_cast<int64_t>(tokens.size()) / options.chunk;
  for (int64_t i = 0; i < chunks; ++i) {
    const absl::Span<const int32_t> part = tokens.subspan(i * options.chunk, options.chunk);
    std::vector<int32_t> chunk(part.begin(), part.end());
    if (options.bos) chunk[0] = *options.bos;
    for (int32_t begin = 0; begin < options.chunk; begin += ChunkReader::kStepRows) {
      const int32_t end = std::min(options.chunk, begin + ChunkReader::kStepRows);
      for (ChunkReader* reader : readers) reader->Step(chunk, begin, end);
      visit();
    }
    if (options.progress && !options.progress(i + 1, chunks)) {
      return absl::CancelledError("cancelled");
    }
  }
  return chunks;
}

}  // namespace quantd
