#ifndef QUANTD_TESTS_RUNTIME_MODEL_MODEL_FIXTURE_H_
#define QUANTD_TESTS_RUNTIME_MODEL_MODEL_FIXTURE_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "runtime/model/model.h"
#include "tests/support/test_data.h"

namespace quantd {

/// A model loaded for a test, with kernels of one forced instruction set ("" = the best) and its
/// own threads.
struct LoadedModel {
  std::unique_ptr<KernelSet> kernels;
  std::unique_ptr<ThreadPool> pool;
  std::unique_ptr<Model> model;
};

inline LoadedModel LoadModelOrDie(const Checkpoint& checkpoint, const std::string& isa = "",
                                  int threads = 2, const LoadOptions& options = {}) {
  LoadedModel loaded;
  auto kernels = KernelSet::Create(ProbeHardware(), KernelOverride{isa, ""});
  if (!kernels.ok()) ADD_FAILURE() << kernels.status();
  loaded.kernels = *std::move(kernels);
  loaded.pool = std::make_unique<ThreadPool>(threads);
  auto model = Model::Load(checkpoint, *loaded.kernels, *loaded.pool, options);
  if (!model.ok()) ADD_FAILURE() << model.status();
  loaded.model = *std::move(model);
  return loaded;
}

inline LoadedModel LoadModelOrDie(const std::string& path, const std::string& isa = "",
                                  int threads = 2, const LoadOptions& options = {}) {
  const auto checkpoint = Checkpoint::Open(path);
  if (!checkpoint.ok()) ADD_FAILURE() << checkpoint.status();
  return LoadModelOrDie(**checkpoint, isa, threads, options);
}

/// Names of the instruction sets that this machine can run, for parameterized tests.
inline std::vector<std::string> RunnableIsas() {
  std::vector<std::string> names;
  for (const IsaInfo& info : Isas()) {
    if (ProbeHardware().Supports(info.isa)) names.push_back(info.name);
  }
  return names;
}

/// Sequences of one model in a KV memory of their own. Blocks are handed out from the back, so that
/// a sequence's blocks are neither in order nor next to each other.
class Sequences {
 public:
  Sequences(Model& model, KvType type, int32_t blocks) : model_(model) {
    const KvLayout layout = model.kv_layout(type);
    memory_.assign(blocks * layout.block_bytes(), std::byte{0xff});
    kv_ = {layout, memory_.data()};
    for (int32_t b = 0; b < blocks; b += 2) free_.push_back(b);
    for (int32_t b = 1; b < blocks; b += 2) free_.push_back(b);
  }

  /// Tokens that a step appends to a sequence, numbered by the caller.
  struct Piece {
    int sequence;
    std::vector<int32_t> tokens;
  };

  /// Runs one step. Returns logits per piece: of its last row, or of `all_rows`.
  std::vector<std::vector<float>> Step(const std::vector<Piece>& pieces, bool all_rows = false) {
    Batch batch;
    for (const Piece& piece : pieces) Append(piece, all_rows, &batch);
    const size_t vocab = model_.config().vocab;
    std::vector<float> logits(batch.logit_rows.size() * vocab);
    model_.Forward(batch, kv_, absl::MakeSpan(logits));
    std::vector<std::vector<float>> parts;
    auto from = logits.begin();
    for (const Piece& piece : pieces) {
      const size_t floats = (all_rows ? piece.tokens.size() : 1) * vocab;
      parts.emplace_back(from, from + floats);
      from += floats;
    }
    return parts;
  }

 private:
  struct State {
    int32_t tokens = 0;
    std::vector<int32_t> blocks;
  };

  void Append(const Piece& piece, bool all_rows, Batch* batch) {
    State& state = states_[piece.sequence];
    const int32_t rows = static_cast<int32_t>(piece.tokens.size());
    const int32_t first = static_cast<int32_t>(batch->rows());
    while (static_cast<int32_t>(state.blocks.size()) * kKvBlockTokens < state.tokens + rows) {
      EXPECT_FALSE(free_.empty()) << "the test's KV memory is too small";
      state.blocks.push_back(free_.back());
      free_.pop_back();
    }
    batch->sequences.push_back(
        {static_cast<uint64_t>(piece.sequence), first, rows, state.tokens, state.blocks});
    for (int32_t i = 0; i < rows; ++i) {
      batch->tokens.push_back(piece.tokens[i]);
      batch->positions.push_back(state.tokens + i);
      if (all_rows || i + 1 == rows) batch->logit_rows.push_back(first + i);
    }
    state.tokens += rows;
  }

  Model& model_;
  std::vector<std::byte> memory_;
  KvView kv_;
  std::vector<int32_t> free_;
  std::map<int, State> states_;
};

}  // namespace quantd

#endif  // QUANTD_TESTS_RUNTIME_MODEL_MODEL_FIXTURE_H_
