#include "runtime/engine/scheduler.h"

#include <algorithm>

#include "absl/container/flat_hash_map.h"
#include "kernels/base/check.h"

namespace quantd {
namespace {

int32_t BlocksFor(int32_t tokens) { return static_cast<int32_t>(KvBlocksFor(tokens)); }

// Blocks a running sequence will still take for the tokens it has already.
int32_t BlocksOwed(const ScheduledState& sequence) {
  return BlocksFor(static_cast<int32_t>(sequence.tokens.size())) -
         static_cast<int32_t>(sequence.blocks.size());
}

}  // namespace

// The blocks there would be if the plan made so far were carried out.
class Scheduler::Blocks {
 public:
  explicit Blocks(const PrefixIndex& index) : index_(index), room_(index.available()) {}

  int32_t room() const { return room_; }

  // Rows that fit into the last block of `s` and the free ones.
  int64_t RowsThatFit(const ScheduledState& s) const {
    return (static_cast<int64_t>(s.blocks.size()) + room_) * kKvBlockTokens - s.computed;
  }

  void Take(const ScheduledState& s, int32_t rows) {
    room_ -= std::max(0, BlocksFor(s.computed + rows) - static_cast<int32_t>(s.blocks.size()));
  }

  // A shared block has room for others only when its last user is gone.
  void GiveBack(const ScheduledState& s) {
    for (int32_t block : s.blocks) {
      if (index_.users(block) == ++given_back_[block]) ++room_;
    }
  }

 private:
  const PrefixIndex& index_;
  int32_t room_;
  absl::flat_hash_map<int32_t, int32_t> given_back_;
};

StepPlan Scheduler::Plan() const {
  StepPlan plan;
  const auto decodes = std::count_if(running_.begin(), running_.end(),
                                     [](const ScheduledState* s) { return s->pending() == 1; });
  auto prefill_rows = options_.step_token_budget - static_cast<int32_t>(decodes);
  Blocks blocks(*index_);
  PlanRunning(&blocks, &prefill_rows, &plan);
  // Who was preempted goes first again, but not in the same step.
  if (!plan.preempted.empty()) return plan;

  int32_t room = blocks.room() - running();
  for (const StepPlan::Work& work : plan.prefills) {
    room -= BlocksOwed(*work.sequence) - (BlocksFor(work.sequence->computed + work.rows) -
                                          static_cast<int32_t>(work.sequence->blocks.size()));
  }
  PlanAdmissions(room, prefill_rows, &plan);
  return plan;
}

void Scheduler::PlanRunning(Blocks* blocks, int32_t* prefill_rows, StepPlan* plan) const {
  size_t end = running_.size();  // those from here on are preempted
  for (size_t i = 0; i < end; ++i) {
    ScheduledState* s = running_[i];
    const bool decode = s->pending() == 1;
    int32_t rows = decode ? 1 : std::min(s->pending(), *prefill_rows);
    if (rows == 0) continue;
    while (blocks->RowsThatFit(*s) == 0 && i + 1 < end) {
      blocks->GiveBack(*running_[--end]);
      plan->preempted.push_back(running_[end]);
    }
    // The last in order keeps what it has and waits for room, until somebody before it needs it.
    rows = static_cast<int32_t>(std::min<int64_t>(rows, blocks->RowsThatFit(*s)));
    if (rows == 0) continue;
    blocks->Take(*s, rows);
    if (!decode) *prefill_rows -= rows;
    (decode ? plan->decodes : plan->prefills).push_back({s, rows});
  }
}

void Scheduler::PlanAdmissions(int32_t room, int32_t prefill_rows, StepPlan* plan) const {
  int32_t slots = options_.max_sequences - running();
  for (ScheduledState* s : waiting_) {
    if (slots == 0 || prefill_rows <= 0) break;
    PrefixIndex::Match prefix;
    if (options_.prefix_cache) prefix = index_->Find(s->tokens, s->cache_salt);
    const int32_t need = BlocksFor(static_cast<int32_t>(s->tokens.size())) -
                         static_cast<int32_t>(prefix.blocks.size()) + prefix.idle;
    if (need > room) break;  // nobody overtakes the first in order
    const int32_t rows =
        std::min(static_cast<int32_t>(s->tokens.size()) - prefix.tokens(), prefill_rows);
    room -= need + 1;
    prefill_rows -= rows;
    --slots;
    plan->admissions.push_back({s, rows, std::move(prefix)});
  }
}

void Scheduler::Add(ScheduledState* sequence) { waiting_.insert(sequence); }

void Scheduler::Remove(ScheduledState* sequence) {
  if (!sequence->running) {
    waiting_.erase(sequence);
    return;
  }
  ReleaseBlocks(sequence);
  sequence->running = false;
  running_.erase(std::find(running_.begin(), running_.end(), sequence));
}

void Scheduler::ReleaseBlocks(ScheduledState* sequence) {
  index_->Release(sequence->blocks);
  sequence->blocks.clear();
  sequence->indexed_blocks = 0;
  sequence->chain = PrefixIndex::kRoot;
  sequence->computed = 0;
}

void Scheduler::Preempt(ScheduledState* sequence) {
  Remove(sequence);
  Add(sequence);
  ++step_.preemptions;
}

void Scheduler::Admit(const StepPlan::Admission& admission) {
  ScheduledState* s = admission.sequence;
  index_->Acquire(admission.prefix);
  s->blocks = admission.prefix.blocks;
  s->indexed_blocks = static_cast<int32_t>(s->blocks.size());
  s->chain = admission.prefix.chain;
  s->computed = admission.prefix.tokens();
  waiting_.erase(s);
  running_.insert(std::upper_bound(running_.begin(), running_.end(), s, RunsBefore()), s);
  s->running = true;
  if (s->started) return;
  s->started = true;
  s->cached_prompt_tokens = s->computed;
  step_.started.push_back(s);
  step_.cached_prompt_tokens += s->computed;
  if (options_.prefix_cache) step_.prefix_query_tokens += s->prompt_tokens;
}

void Scheduler::AddRows(ScheduledState* s, int32_t rows) {
  while (static_cast<int32_t>(s->blocks.size()) < BlocksFor(s->computed + rows)) {
    s->blocks.push_back(index_->Allocate());
    QUANTD_CHECK(s->blocks.back() >= 0, "a plan takes no more blocks than there are");
  }
  Batch& batch = step_.batch;
  const auto first_row = static_cast<int32_t>(batch.tokens.size());
  const auto begin = s->tokens.begin() + s->computed;
  batch.tokens.insert(batch.tokens.end(), begin, begin + rows);
  for (int32_t i = 0; i < rows; ++i) batch.positions.push_back(s->computed + i);
  batch.sequences.push_back({s->number, first_row, rows, s->computed, s->blocks});
  const bool decode = s->computed >= s->prompt_tokens && rows == 1;
  s->computed += rows;
  int32_t logits = -1;
  if (s->computed == static_cast<int32_t>(s->tokens.size())) {
    logits = static_cast<int32_t>(batch.logit_rows.size());
    batch.logit_rows.push_back(first_row + rows - 1);
  }
  step_.entries.push_back({s, rows, logits, decode});
}

const CommittedStep& Scheduler::Commit(const StepPlan& plan) {
  step_ = CommittedStep();
  for (ScheduledState* s : plan.preempted) Preempt(s);
  // Cached prefixes are taken before any block is allocated, which could evict them.
  for (const StepPlan::Admission& admission : plan.admissions) Admit(admission);
  for (const StepPlan::Work& work : plan.decodes) AddRows(work.sequence, work.rows);
  for (const StepPlan::Work& work : plan.prefills) AddRows(work.sequence, work.rows);
  for (const StepPlan::Admission& a : plan.admissions) AddRows(a.sequence, a.rows);
  return step_;
}

void Scheduler::MarkComputed() {
  if (!options_.prefix_cache) return;
  for (const CommittedStep::Entry& entry : step_.entries) {
    ScheduledState* s = entry.sequence;
    for (; (s->indexed_blocks + 1) * kKvBlockTokens <= s->computed; ++s->indexed_blocks) {
      const auto tokens = absl::MakeConstSpan(s->tokens).subspan(s->indexed_blocks * kKvBlockTokens,
                                                                 kKvBlockTokens);
      int32_t& block = s->blocks[s->indexed_blocks];
      block = index_->Insert(tokens, s->cache_salt, block, &s->chain);
    }
  }
}

}  // namespace quantd
