#include "kernels/selfcheck.h"

#include <cmath>
#include <cstring>
#include <limits>

#include "absl/strings/str_cat.h"
#include "kernels/attention/attention_kernels.h"
#include "kernels/base/check.h"
#include "kernels/base/noise.h"

namespace quantd {
namespace {

using Floats = std::vector<float>;

constexpr float kTolerance = 1e-5f;
constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
// Lengths with and without full vectors of any width, and with incomplete ones.
constexpr int64_t kLengths[] = {1, 5, 64, 77};
// Values below this are compared with tolerance kTolerance * kTiny: subnormal floats have no
// relative precision.
constexpr float kTiny = 1e-36f;

// Within kTolerance of the expected value, or of `unit` where that is larger (for results that
// cancel).
bool Near(const Floats& expected, const Floats& actual, float unit) {
  for (size_t i = 0; i < expected.size(); ++i) {
    const float e = expected[i], a = actual[i];
    if (e == a || (std::isnan(e) && std::isnan(a))) continue;
    // Written so that a NaN on one side is no agreement.
    if (!(std::fabs(a - e) <= kTolerance * std::fmax(std::fabs(e), unit))) return false;
    if (std::isinf(e)) return false;
  }
  return true;
}

// Each runs one operation on its problems and appends whatever it wrote, and what lies behind it.

void TryRmsNorm(const OpTable& table, Floats* results) {
  Noise noise;
  for (const int64_t n : kLengths) {
    for (const float range : {0.0f, 1.0f, 1e30f}) {
      Floats x = noise.Uniform(n + 1, range);
      const Floats weight = noise.Uniform(n, 2.0f);
      table.rms_norm(x.data(), weight.data(), 1e-5f, n, x.data());
      results->insert(results->end(), x.begin(), x.end());
    }
  }
}

void TryRope(const OpTable& table, Floats* results) {
  Noise noise;
  for (const int64_t rope_dim : {2, 14, 64, 90}) {
    for (const bool adjacent : {false, true}) {
      Floats x = noise.Uniform(rope_dim + 5, 1.0f), cos, sin;
      for (const float angle : noise.Uniform(rope_dim / 2, 4.0f)) {
        cos.push_back(std::cos(angle));
        sin.push_back(std::sin(angle));
      }
      table.rope(x.data(), cos.data(), sin.data(), rope_dim, adjacent);
      results->insert(results->end(), x.begin(), x.end());
    }
  }
}

// Of an op that multiplies with a function of a gate.
template <auto OpTable::*kOp>
void TryGate(const OpTable& table, Floats* results) {
  Noise noise;
  for (const int64_t n : kLengths) {
    Floats gate = noise.Uniform(n, 20.0f);
    const Floats extremes = {0.0f,    -0.0f, 1e-6f, -1e-30f, 88.0f, -87.0f, 100.0f,
                             -100.0f, -1e4f, 3e38f, -3e38f,  kInf,  kNan};
    gate.insert(gate.end(), extremes.begin(), extremes.end());
    const auto size = static_cast<int64_t>(gate.size());
    Floats up = noise.Uniform(n, 2.0f);
    up.resize(size, 1.0f);
    Floats out(size + 1, 5.0f);
    (table.*kOp)(gate.data(), up.data(), size, out.data());
    results->insert(results->end(), out.begin(), out.end());
  }
}

void TrySoftCap(const OpTable& table, Floats* results) {
  Noise noise;
  for (const int64_t n : kLengths) {
    Floats x = noise.Uniform(n, 90.0f);
    x.insert(x.end(), {0.0f, -0.0f, 1e-20f, 3e38f, -3e38f, kInf, -kInf, kNan, 7.0f});
    table.soft_cap(x.data(), 30.0f, static_cast<int64_t>(x.size()) - 1);
    results->insert(results->end(), x.begin(), x.end());
  }
}

void TryAdd(const OpTable& table, Floats* results) {
  Noise noise;
  for (const int64_t n : kLengths) {
    Floats x = noise.Uniform(n + 1, 1.0f), y = noise.Uniform(n, 1.0f);
    x[0] = kInf;
    y[n - 1] = kNan;
    table.add(x.data(), y.data(), n);
    results->insert(results->end(), x.begin(), x.end());
  }
}

void TrySoftmax(const OpTable& table, Floats* results) {
  Noise noise;
  std::vector<Floats> problems = {
      {3e38f, -3e38f, 3e38f, 0},                     // the difference overflows
      {-3e38f, -3e38f, -3e38f},                      // only tiny ones
      {-kInf, 1, -kInf, 2, -kInf},                   // masked entries
      {0, -80, -87, -95, -103, -110, -1e9f, -1, 0},  // down to nothing
      {1, kNan, 2},
  };
  for (const int64_t n : kLengths) problems.push_back(noise.Uniform(n, 30.0f));
  for (Floats& x : problems) {
    const auto size = static_cast<int64_t>(x.size());
    x.push_back(7.0f);
    table.softmax(x.data(), size);
    results->insert(results->end(), x.begin(), x.end());
  }
}

struct OpCheck {
  const char* op;
  void (*run)(const OpTable& table, Floats* results);
  float unit;  // as in Near
};

constexpr OpCheck kOpChecks[] = {
    {"rms_norm", TryRmsNorm, kTiny},
    {"rope", TryRope, 1.0f},
    {"swiglu", TryGate<&OpTable::swiglu>, kTiny},
    {"geglu", TryGate<&OpTable::geglu>, kTiny},
    {"soft_cap", TrySoftCap, 1.0f},
    {"add", TryAdd, kTiny},
    {"softmax", TrySoftmax, kTiny},
};

// Every path of a kernel: several vectors at once, one vector, an incomplete one (64 + 16 + 13).
constexpr int kHeadDim = 93;
constexpr int kKvHeads = 2;
constexpr int kHeads = 6;  // three share a KV head

struct CheckedSequence {
  int64_t context, rows;
  int32_t blocks[9];
};

// The first crosses from a block into the next, the second ends in the middle of its last block,
// the third crosses from a segment into the next. Three heads in a row make 3, 6, 9 and 15 queries
// that see a block alike, which kernels cut into parts of many sizes.
constexpr CheckedSequence kSequences[] = {
    {29, 5, {3, 0}}, {44, 2, {1, 4}}, {255, 2, {12, 5, 13, 7, 2, 9, 6, 11, 8}}};
static_assert(kSegmentTokens == 256);
constexpr int64_t kBlocks = 14;
constexpr int64_t kWindow = 33;  // ends within a block, and before or behind a segment
constexpr int64_t kRows = 9;     // of all sequences

// What an attention kernel makes of the problem: its KV memory and its results.
struct AttentionResult {
  std::vector<std::byte> memory;
  Floats out;
};

// `cut`: with a window and a soft cap.
AttentionResult Attend(const AttentionKernel& kernel, bool cut) {
  constexpr int64_t kKvFloats = int64_t{kKvHeads} * kHeadDim, kStride = int64_t{kHeads} * kHeadDim;
  Noise noise;
  AttentionResult result;
  const KvLayout layout{kernel.type, /*layers=*/1, kKvHeads, kHeadDim};
  result.memory.assign(kBlocks * layout.block_bytes(), std::byte{0xff});  // NaN of either type
  result.out.assign(kRows * kStride, 0.0f);
  const KvView kv{layout, result.memory.data()};
  std::vector<AttentionSequence> sequences;
  int64_t row = 0;
  for (const CheckedSequence& s : kSequences) {
    for (int64_t position = 0; position < s.context + s.rows; ++position) {
      // Scores that grow along the sequence: the maximum rises from part to part.
      const float range = std::fmin(0.2f * static_cast<float>(position), 10.0f);
      const Floats k = noise.Uniform(kKvFloats, range), v = noise.Uniform(kKvFloats, 1.0f);
      kernel.store(kv, 0, s.blocks, position, k.data(), v.data());
    }
    sequences.push_back({row, s.rows, s.context, s.blocks});
    row += s.rows;
  }
  const Floats q = noise.Uniform(kRows * kStride, 1.0f);
  AttentionCall call;
  call.kv = kv;
  call.heads = kHeads;
  call.scale = 1.0f / std::sqrt(static_cast<float>(kHeadDim));
  if (cut) {
    call.window = kWindow;
    call.soft_cap = 2.0f;
  }
  call.sequences = sequences.data();
  call.sequence_count = static_cast<int64_t>(sequences.size());
  call.q = q.data();
  call.q_stride = kStride;
  call.out = result.out.data();
  call.out_stride = kStride;
  ThreadPool pool(1);
  kernel.run(call, pool);
  return result;
}

const AttentionKernel& ReferenceAttention(KvType type) {
  for (const AttentionKernel* kernel : AttentionKernels()) {
    if (kernel->isa == Isa::kReference && kernel->type == type) return *kernel;
  }
  QUANTD_CHECK(false, "every KV type has a reference attention kernel");
  return *AttentionKernels().front();
}

}  // namespace

const std::vector<std::string>& OpNames() {
  static const auto* const names = [] {
    auto* list = new std::vector<std::string>;
    for (const OpCheck& check : kOpChecks) list->push_back(check.op);
    return list;
  }();
  return *names;
}

std::string OpKernelName(const std::string& op, Isa isa) {
  return absl::StrCat(op, "_", Info(isa).name);
}

std::string DisagreeingOp(const OpTable& table, const std::string& inject_fault) {
  if (table.isa == Isa::kReference) return "";
  for (const OpCheck& check : kOpChecks) {
    Floats expected, actual;
    check.run(*OpTables().front(), &expected);
    check.run(table, &actual);
    if (inject_fault == table.name || inject_fault == OpKernelName(check.op, table.isa)) {
      actual.front() = actual.front() == 0.0f ? 1.0f : 0.0f;  // wrong for infinities, too
    }
    if (!Near(expected, actual, check.unit)) return check.op;
  }
  return "";
}

bool AgreesWithReference(const AttentionKernel& kernel, bool spoil) {
  if (kernel.isa == Isa::kReference) return true;
  for (const bool cut : {false, true}) {
    const AttentionResult expected = Attend(ReferenceAttention(kernel.type), cut);
    AttentionResult actual = Attend(kernel, cut);
    if (spoil) actual.out[0] += 1.0f;
    if (expected.memory != actual.memory || !Near(expected.out, actual.out, 1.0f)) return false;
  }
  return true;
}

}  // namespace quantd
