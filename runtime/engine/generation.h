#ifndef QUANTD_RUNTIME_ENGINE_GENERATION_H_
#define QUANTD_RUNTIME_ENGINE_GENERATION_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "runtime/engine/request.h"
#include "runtime/engine/stop.h"
#include "runtime/tokenizer/tokenizer.h"

namespace quantd {

/// Turns the sampled tokens of one sequence into deltas and decides when it is complete. A token
/// that is a stop id is part of the ids and of the usage, but has no text. Not thread-safe; the
/// tokenizer must outlive it.
class Generation {
 public:
  /// `max_tokens` >= 1: tokens after which the sequence ends with kLength.
  Generation(const Request& request, int32_t max_tokens, const Tokenizer* tokenizer);

  /// What one more token led to.
  struct Step {
    Delta delta;
    std::optional<FinishReason> finish;  ///< kStop or kLength when it was the last
    std::string matched_stop;
    std::optional<int32_t> matched_stop_id;
  };
  Step Accept(GeneratedToken token);

  /// Text still held back, when the sequence ends for a reason from outside.
  std::string Flush();

  /// Ids that must not be sampled next: those that would end the sequence before min_tokens.
  absl::Span<const int32_t> BannedNext() const;
  int32_t tokens() const { return tokens_; }

 private:
  bool armed() const { return tokens_ >= min_tokens_; }

  IncrementalDetokenizer detokenizer_;
  StopStrings stop_strings_;
  std::vector<int32_t> stop_ids_;  // sorted
  const int32_t min_tokens_;
  const int32_t max_tokens_;
  int32_t tokens_ = 0;
};

}  // namespace quantd

#endif  // QUANTD_RUNTIME_ENGINE_GENERATION_H_
