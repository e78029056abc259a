#ifndef QUANTD_RUNTIME_ENGINE_SCHEDULER_H_
#define QUANTD_RUNTIME_ENGINE_SCHEDULER_H_

#include <cstdint>
#include <set>
#include <vector>

#include "runtime/cache/prefix_index.h"
#include "runtime/engine/sequence.h"
#include "runtime/model/batch.h"

namespace quantd {

struct SchedulerOptions {
  int32_t max_sequences = 0;      ///< running at once; >= 1
  int32_t step_token_budget = 0;  ///< rows of a step; >= max_sequences, so that all can decode
  bool prefix_cache = true;
};

/// What the next step should do.
struct StepPlan {
  /// Rows to compute of a running sequence.
  struct Work {
    ScheduledState* sequence;
    int32_t rows;
  };
  /// A waiting sequence that starts to run, and its first rows behind the cached prefix.
  struct Admission {
    ScheduledState* sequence;
    int32_t rows;
    PrefixIndex::Match prefix;
  };
  std::vector<ScheduledState*> preempted;
  std::vector<Work> decodes, prefills;
  std::vector<Admission> admissions;

  bool empty() const { return decodes.empty() && prefills.empty() && admissions.empty(); }
};

/// The step as committed. It stays unchanged until the next Commit.
struct CommittedStep {
  struct Entry {
    ScheduledState* sequence;
    int32_t rows;
    int32_t logits;  ///< its row of the executor's logits; -1 = prefill is not complete yet
    bool decode;     ///< the row is of a sampled token; else of a prompt, or recomputed
  };
  Batch batch;
  std::vector<Entry> entries;
  std::vector<ScheduledState*> started;  ///< left the queue for the first time
  int32_t preemptions = 0;
  int32_t cached_prompt_tokens = 0;  ///< of `started`, found in the prefix index
  int32_t prefix_query_tokens = 0;   ///< of `started`, looked up in it
};

/// Decides which rows of which sequences each step computes, and owns the KV blocks they use.
///
/// Order is everywhere the same: priority, then arrival. A step has a row for every running
/// sequence that is decoding; prefill, in chunks, gets what is left of the token budget, running
/// sequences before waiting ones. When blocks run out, a sequence takes those of the last one in
/// order, which waits again and later recomputes; the first in order therefore always advances,
/// and so does the whole, provided that each sequence fits into the pool alone. A sequence starts
/// only when there is room for all its tokens and a block more for each that runs.
///
/// Engine thread only. Sequences and index must outlive their time in it.
class Scheduler {
 public:
  Scheduler(const SchedulerOptions& options, PrefixIndex* index)
      : options_(options), index_(index) {}

  /// Puts a sequence in the queue.
  void Add(ScheduledState* sequence);
  /// Takes a sequence out, wherever it is, and gives its blocks back. It must not be in flight.
  void Remove(ScheduledState* sequence);

  /// The policy. Changes nothing. Not empty while there is any sequence.
  StepPlan Plan() const;
  /// Carries out a plan made since the last change: preempts, starts, takes blocks, advances.
  const CommittedStep& Commit(const StepPlan& plan);
  /// The committed step has been computed: its full blocks may be shared from now on.
  void MarkComputed();

  int32_t running() const { return static_cast<int32_t>(running_.size()); }
  int32_t waiting() const { return static_cast<int32_t>(waiting_.size()); }

 private:
  class Blocks;
  void PlanRunning(Blocks* blocks, int32_t* prefill_rows, StepPlan* plan) const;
  void PlanAdmissions(int32_t room, int32_t prefill_rows, StepPlan* plan) const;
  void Preempt(ScheduledState* sequence);
  void Admit(const StepPlan::Admission& admission);
  void AddRows(ScheduledState* sequence, int32_t rows);
  void ReleaseBlocks(ScheduledState* sequence);

  const SchedulerOptions options_;
  PrefixIndex* const index_;
  std::vector<ScheduledState*> running_;  // sorted by RunsBefore
  std::set<ScheduledState*, RunsBefore> waiting_;
  CommittedStep step_;
};

}  // namespace quantd

#endif  // QUANTD_RUNTIME_ENGINE_SCHEDULER_H_
