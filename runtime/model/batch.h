#ifndef QUANTD_RUNTIME_MODEL_BATCH_H_
#define QUANTD_RUNTIME_MODEL_BATCH_H_

#include <cstdint>
#include <vector>

namespace quantd {

/// One sequence's rows of a step.
struct BatchSequence {
  uint64_t sequence_id = 0;
  int32_t first_row = 0;        ///< its rows are [first_row, first_row + rows)
  int32_t rows = 0;             ///< 1 = decode, more = a chunk of prefill
  int32_t context = 0;          ///< tokens already in the KV cache before this step
  std::vector<int32_t> blocks;  ///< KV blocks covering context + rows tokens
};

/// Everything one forward step needs, described once and never changed afterwards. Row r of the
/// step is token tokens[r]; logits are computed for the rows in logit_rows only.
struct Batch {
  std::vector<int32_t> tokens;     ///< [rows], each in [0, vocab)
  std::vector<int32_t> positions;  ///< [rows]
  std::vector<BatchSequence> sequences;
  std::vector<int32_t> logit_rows;  ///< ascending; logits come out in this order

  int64_t rows() const { return static_cast<int64_t>(tokens.size()); }
};

}  // namespace quantd

#endif  // QUANTD_RUNTIME_MODEL_BATCH_H_
