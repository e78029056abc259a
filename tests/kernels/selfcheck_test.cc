#include "kernels/selfcheck.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "kernels/base/hardware.h"

namespace quantd {
namespace {

const OpTable& Reference() { return *OpTables().front(); }

// The reference under another name, so that it is checked like any other: whatever a test makes
// wrong in it is all that is wrong.
OpTable Copy() {
  OpTable table = Reference();
  table.isa = Isa::kAvx2;
  table.name = "ops_copy";
  return table;
}

TEST(OpsSelfCheck, EveryTableThatThisMachineRunsAgrees) {
  for (const OpTable* table : OpTables()) {
    if (!ProbeHardware().Supports(table->isa)) continue;
    EXPECT_EQ(DisagreeingOp(*table, ""), "") << table->name;
  }
  EXPECT_EQ(DisagreeingOp(Copy(), ""), "");
}

TEST(OpsSelfCheck, FaultOfATableOrOfOneOperation) {
  EXPECT_EQ(DisagreeingOp(Copy(), "ops_copy"), "rms_norm");
  for (const std::string& op : OpNames()) {
    EXPECT_EQ(DisagreeingOp(Copy(), OpKernelName(op, Isa::kAvx2)), op);
    EXPECT_EQ(DisagreeingOp(Copy(), OpKernelName(op, Isa::kReference)), "");
  }
}

TEST(OpsSelfCheck, SeesSumsOfSquaresThatOverflow) {
  OpTable table = Copy();
  table.rms_norm = [](const float* x, const float* weight, float eps, int64_t n, float* out) {
    float squares = 0;
    for (int64_t i = 0; i < n; ++i) squares += x[i] * x[i];
    const float scale = 1 / std::sqrt(squares / static_cast<float>(n) + eps);
    for (int64_t i = 0; i < n; ++i) out[i] = x[i] * scale * weight[i];
  };
  EXPECT_EQ(DisagreeingOp(table, ""), "rms_norm");
}

TEST(OpsSelfCheck, SeesTheWrongPairsOfRope) {
  OpTable table = Copy();
  table.rope = [](float* x, const float* cos, const float* sin, int64_t rope_dim, bool) {
    Reference().rope(x, cos, sin, rope_dim, false);
  };
  EXPECT_EQ(DisagreeingOp(table, ""), "rope");
}

TEST(OpsSelfCheck, SeesExponentialsThatOverflow) {
  OpTable table = Copy();
  table.swiglu = [](const float* gate, const float* up, int64_t n, float* out) {
    for (int64_t i = 0; i < n; ++i) {
      const float e = std::exp(gate[i]);
      out[i] = gate[i] * e / (1 + e) * up[i];
    }
  };
  EXPECT_EQ(DisagreeingOp(table, ""), "swiglu");
}

TEST(OpsSelfCheck, SeesWritesBehindTheRange) {
  OpTable table = Copy();
  table.add = [](float* x, const float* y, int64_t n) {
    Reference().add(x, y, n);
    if (n == 77) x[n] = 0;
  };
  EXPECT_EQ(DisagreeingOp(table, ""), "add");
}

TEST(OpsSelfCheck, SeesTheLastElementLeftOut) {
  OpTable table = Copy();
  table.softmax = [](float* x, int64_t n) {
    if (n % 8 == 5) x[n - 1] = -INFINITY;
    Reference().softmax(x, n);
  };
  EXPECT_EQ(DisagreeingOp(table, ""), "softmax");
}

TEST(OpsSelfCheck, SeesSmallRelativeErrorsOfSmallValues) {
  OpTable table = Copy();
  table.softmax = [](float* x, int64_t n) {
    Reference().softmax(x, n);
    for (int64_t i = 0; i < n; ++i) x[i] *= x[i] < 1e-3f ? 1.0001f : 1.0f;
  };
  EXPECT_EQ(DisagreeingOp(table, ""), "softmax");
}

const AttentionKernel& Reference(KvType type) {
  for (const AttentionKernel* kernel : AttentionKernels()) {
    if (kernel->isa == Isa::kReference && kernel->type == type) return *kernel;
  }
  std::abort();
}

class AttentionSelfCheck : public testing::TestWithParam<KvType> {
 protected:
  // As Copy() above.
  AttentionKernel AttentionCopy() const {
    AttentionKernel kernel = Reference(GetParam());
    kernel.isa = Isa::kAvx2;
    return kernel;
  }
};

TEST_P(AttentionSelfCheck, EveryKernelThatThisMachineRunsAgrees) {
  for (const AttentionKernel* kernel : AttentionKernels()) {
    if (kernel->type != GetParam() || !ProbeHardware().Supports(kernel->isa)) continue;
    EXPECT_TRUE(AgreesWithReference(*kernel, false)) << kernel->name;
  }
  EXPECT_TRUE(AgreesWithReference(AttentionCopy(), false));
}

TEST_P(AttentionSelfCheck, FaultIsSeen) {
  EXPECT_FALSE(AgreesWithReference(AttentionCopy(), true));
}

TEST_P(AttentionSelfCheck, SeesOneStoredElementThatIsWrong) {
  AttentionKernel kernel = AttentionCopy();
  kernel.store = [](const KvView& kv, int layer, const int32_t* blocks, int64_t position,
                    const float* k, const float* v) {
    std::vector<float> values(v, v + int64_t{kv.layout.kv_heads} * kv.layout.head_dim);
    if (position == 33) values.back() += 0.01f;
    Reference(kv.layout.type).store(kv, layer, blocks, position, k, values.data());
  };
  EXPECT_FALSE(AgreesWithReference(kernel, false));
}

// Runs the reference on a call that `change` made wrong.
template <typename Change>
void RunChanged(const AttentionCall& call, ThreadPool& pool, Change change) {
  AttentionCall wrong = call;
  std::vector<AttentionSequence> sequences(call.sequences, call.sequences + call.sequence_count);
  change(&wrong, &sequences);
  wrong.sequences = sequences.data();
  Reference(call.kv.layout.type).run(wrong, pool);
}

TEST_P(AttentionSelfCheck, SeesTheNewestTokenLeftOut) {
  AttentionKernel kernel = AttentionCopy();
  kernel.run = [](const AttentionCall& call, ThreadPool& pool) {
    RunChanged(call, pool, [](AttentionCall*, std::vector<AttentionSequence>* sequences) {
      for (AttentionSequence& sequence : *sequences) --sequence.context;
    });
  };
  EXPECT_FALSE(AgreesWithReference(kernel, false));
}

TEST_P(AttentionSelfCheck, SeesASlotReadThatHoldsNoToken) {
  AttentionKernel kernel = AttentionCopy();
  kernel.run = [](const AttentionCall& call, ThreadPool& pool) {
    RunChanged(call, pool, [](AttentionCall*, std::vector<AttentionSequence>* sequences) {
      ++sequences->back().context;
    });
  };
  EXPECT_FALSE(AgreesWithReference(kernel, false));
}

TEST_P(AttentionSelfCheck, SeesBlocksInTheWrongOrder) {
  AttentionKernel kernel = AttentionCopy();
  kernel.run = [](const AttentionCall& call, ThreadPool& pool) {
    const int32_t* const blocks = call.sequences[0].blocks;
    const int32_t swapped[] = {blocks[1], blocks[0]};
    RunChanged(call, pool, [&](AttentionCall*, std::vector<AttentionSequence>* sequences) {
      sequences->front().blocks = swapped;
    });
  };
  EXPECT_FALSE(AgreesWithReference(kernel, false));
}

TEST_P(AttentionSelfCheck, SeesHeadsThatReadTheWrongKvHead) {
  AttentionKernel kernel = AttentionCopy();
  // Heads 0, 2, 4 read KV head 0 and heads 1, 3, 5 KV head 1: the grouping of other models.
  kernel.run = [](const AttentionCall& call, ThreadPool& pool) {
    const int64_t dim = call.kv.layout.head_dim;
    const AttentionSequence& last = call.sequences[call.sequence_count - 1];
    const int64_t rows = last.first_row + last.rows;
    constexpr int kFrom[] = {0, 2, 4, 1, 3, 5};
    std::vector<float> q(rows * call.q_stride), out(q.size());
    const auto shuffle = [&](const float* from, float* to, bool back) {
      for (int64_t row = 0; row < rows; ++row) {
        for (int64_t h = 0; h < 6; ++h) {
          const int64_t a = row * call.q_stride + kFrom[h] * dim;
          const int64_t b = row * call.q_stride + h * dim;
          std::memcpy(to + (back ? a : b), from + (back ? b : a), dim * sizeof(float));
        }
      }
    };
    shuffle(call.q, q.data(), false);
    RunChanged(call, pool, [&](AttentionCall* wrong, std::vector<AttentionSequence>*) {
      wrong->q = q.data();
      wrong->out = out.data();
    });
    shuffle(out.data(), call.out, true);
  };
  EXPECT_FALSE(AgreesWithReference(kernel, false));
}

std::vector<KvType> AllKvTypes() {
  std::vector<KvType> types;
  for (const KvTypeInfo& info : KvTypes()) types.push_back(info.type);
  return types;
}

INSTANTIATE_TEST_SUITE_P(KvTypes, AttentionSelfCheck, testing::ValuesIn(AllKvTypes()),
                         [](const auto& info) { return std::string(KvTypeName(info.param)); });

}  // namespace
}  // namespace quantd
