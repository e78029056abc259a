#include "kernels/attention/attention.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "kernels/base/float16.h"
#include "kernels/base/hardware.h"

namespace quantd {
namespace {

constexpr int kLayers = 2, kLayer = 1;

struct Shape {
  int heads, kv_heads, head_dim;
};

// One sequence's keys, values and queries for all its positions, as plain arrays.
struct Sequence {
  int64_t tokens = 0;
  std::vector<float> q, k, v;  // [tokens, heads or kv_heads, head_dim]
  std::vector<int32_t> blocks;
};

std::vector<float> Normal(int64_t n, float deviation, std::mt19937& random) {
  std::normal_distribution<float> normal(0.0f, deviation);
  std::vector<float> values(n);
  for (float& v : values) v = normal(random);
  return values;
}

// Sequences in one KV memory: their blocks are scattered, and every byte that is not stored through
// the kernel is a NaN of the element type.
class Fixture {
 public:
  Fixture(const AttentionKernel& kernel, Shape shape, const std::vector<int64_t>& lengths,
          float deviation = 1.0f)
      : scale(1.0f / std::sqrt(static_cast<float>(shape.head_dim))),
        kernel_(kernel),
        shape_(shape) {
    std::mt19937 random(17);
    const KvLayout layout{kernel.type, kLayers, shape.kv_heads, shape.head_dim};
    int32_t count = 3;
    for (const int64_t n : lengths) count += (n + kKvBlockTokens - 1) / kKvBlockTokens;
    memory_.assign(count * layout.block_bytes(), std::byte{0xff});
    kv_ = {layout, memory_.data()};
    std::vector<int32_t> free(count);
    for (int32_t i = 0; i < count; ++i) free[i] = i;
    std::shuffle(free.begin(), free.end(), random);
    for (const int64_t n : lengths) {
      Sequence s;
      s.tokens = n;
      s.q = Normal(n * shape.heads * shape.head_dim, deviation, random);
      s.k = Normal(n * shape.kv_heads * shape.head_dim, deviation, random);
      s.v = Normal(n * shape.kv_heads * shape.head_dim, 1, random);
      for (int64_t b = 0; b * kKvBlockTokens < n; ++b) {
        s.blocks.push_back(free.back());
        free.pop_back();
      }
      sequences_.push_back(std::move(s));
    }
  }

  int64_t window = 0;  // as in AttentionCall
  float soft_cap = 0, scale;

  std::vector<Sequence>& sequences() { return sequences_; }
  const KvView& kv() const { return kv_; }
  int64_t row_floats() const { return int64_t{shape_.heads} * shape_.head_dim; }

  void Store(const Sequence& s, int64_t begin, int64_t end) {
    const int64_t floats = int64_t{shape_.kv_heads} * shape_.head_dim;
    for (int64_t p = begin; p < end; ++p) {
      kernel_.store(kv_, kLayer, s.blocks.data(), p, &s.k[p * floats], &s.v[p * floats]);
    }
  }

  // One piece of a sequence in a call.
  struct Piece {
    size_t sequence;
    int64_t begin, end;  // positions
  };

  // Stores and runs the pieces as one call; rows lie in their order, strides are padded. Returns
  // [rows, heads * head_dim].
  std::vector<float> Run(const std::vector<Piece>& pieces, ThreadPool& pool) {
    std::vector<AttentionSequence> parts;
    std::vector<float> q;
    const int64_t stride = row_floats() + 5;
    int64_t rows = 0;
    for (const Piece& piece : pieces) {
      const Sequence& s = sequences_[piece.sequence];
      Store(s, piece.begin, piece.end);
      parts.push_back({rows, piece.end - piece.begin, piece.begin, s.blocks.data()});
      for (int64_t p = piece.begin; p < piece.end; ++p, ++rows) {
        q.insert(q.end(), s.q.begin() + p * row_floats(), s.q.begin() + (p + 1) * row_floats());
        q.insert(q.end(), 5, NAN);
      }
    }
    std::vector<float> out(rows * stride, -77.0f);
    AttentionCall call;
    call.kv = kv_;
    call.layer = kLayer;
    call.heads = shape_.heads;
    call.scale = scale;
    call.soft_cap = soft_cap;
    call.window = window;
    call.sequences = parts.data();
    call.sequence_count = static_cast<int64_t>(parts.size());
    call.q = q.data();
    call.q_stride = stride;
    call.out = out.data();
    call.out_stride = stride;
    kernel_.run(call, pool);
    std::vector<float> dense;
    for (int64_t r = 0; r < rows; ++r) {
      dense.insert(dense.end(), out.begin() + r * stride, out.begin() + r * stride + row_floats());
      for (int64_t i = row_floats(); i < stride; ++i) EXPECT_EQ(out[r * stride + i], -77.0f);
    }
    return dense;
  }

  // What is kept of a vector of the KV memory.
  std::vector<double> Stored(const float* x) const {
    std::vector<double> stored(x, x + shape_.head_dim);
    float largest = 0;
    for (const double v : stored) largest = std::max(largest, static_cast<float>(std::fabs(v)));
    const float scale = largest / 127.0f, inverse = largest > 0 ? 127.0f / largest : 0.0f;
    for (double& v : stored) {
      const auto value = static_cast<float>(v);
      if (kernel_.type == KvType::kF16) v = HalfToFloat(FloatToHalf(value));
      if (kernel_.type == KvType::kBf16) v = BFloat16ToFloat(FloatToBFloat16(value));
      if (kernel_.type == KvType::kInt8) v = std::nearbyint(value * inverse) * scale;
    }
    return stored;
  }

  // The formula in double precision, from the plain arrays.
  std::vector<double> Expected(const Sequence& s, int64_t position, int head) const {
    const int dim = shape_.head_dim;
    const int64_t kv_head = head / (shape_.heads / shape_.kv_heads);
    std::vector<double> scores;
    std::vector<double> values(dim, 0.0);
    double max = -INFINITY, sum = 0;
    const int64_t first = window > 0 ? std::max<int64_t>(0, position - window + 1) : 0;
    for (int64_t p = first; p <= position; ++p) {
      double dot = 0;
      const std::vector<double> k = Stored(&s.k[(p * shape_.kv_heads + kv_head) * dim]);
      for (int i = 0; i < dim; ++i) {
        dot += static_cast<double>(s.q[position * row_floats() + head * dim + i]) * k[i];
      }
      scores.push_back(soft_cap == 0 ? dot * scale : soft_cap * std::tanh(dot * scale / soft_cap));
      max = std::max(max, scores.back());
    }
    for (int64_t p = first; p <= position; ++p) {
      const double weight = std::exp(scores[p - first] - max);
      sum += weight;
      const std::vector<double> v = Stored(&s.v[(p * shape_.kv_heads + kv_head) * dim]);
      for (int i = 0; i < dim; ++i) values[i] += weight * v[i];
    }
    for (double& value : values) value /= sum;
    return values;
  }

 private:
  const AttentionKernel& kernel_;
  const Shape shape_;
  std::vector<std::byte> memory_;
  KvView kv_;
  std::vector<Sequence> sequences_;
};

class AttentionTest : public testing::TestWithParam<const AttentionKernel*> {
 protected:
  void SetUp() override {
    if (!ProbeHardware().Supports(GetParam()->isa)) GTEST_SKIP() << "this processor cannot run it";
  }
  const AttentionKernel& kernel() const { return *GetParam(); }
  ThreadPool pool_{3};
};

TEST_P(AttentionTest, MatchesDoublePrecision) {
  const Shape shapes[] = {{1, 1, 8},  {8, 4, 32},  {4, 4, 64}, {6, 2, 80},
                          {5, 1, 16}, {8, 1, 128}, {3, 1, 33}, {40, 1, 8}};
  for (const Shape& shape : shapes) {
    Fixture fixture(kernel(), shape, {71});
    const std::vector<float> out = fixture.Run({{0, 0, 71}}, pool_);
    for (const int64_t p : {0, 1, 7, 30, 31, 32, 33, 63, 64, 70}) {
      for (int head = 0; head < shape.heads; ++head) {
        const std::vector<double> want = fixture.Expected(fixture.sequences()[0], p, head);
        for (int i = 0; i < shape.head_dim; ++i) {
          ASSERT_NEAR(out[p * fixture.row_floats() + head * shape.head_dim + i], want[i], 3e-6)
              << shape.head_dim << " p " << p << " head " << head << " element " << i;
        }
      }
    }
  }
}

TEST_P(AttentionTest, MatchesDoublePrecisionOverSeveralSegments) {
  const Shape shape{6, 2, 40};
  Fixture fixture(kernel(), shape, {600});
  const std::vector<float> out = fixture.Run({{0, 0, 600}}, pool_);
  for (const int64_t p : {254, 255, 256, 257, 300, 511, 512, 599}) {
    for (int head = 0; head < shape.heads; ++head) {
      const std::vector<double> want = fixture.Expected(fixture.sequences()[0], p, head);
      for (int i = 0; i < shape.head_dim; ++i) {
        ASSERT_NEAR(out[p * fixture.row_floats() + head * shape.head_dim + i], want[i], 3e-6)
            << "p " << p << " head " << head << " element " << i;
      }
    }
  }
}

TEST_P(AttentionTest, WindowSoftCapAndScaleMatchDoublePrecision) {
  const Shape shape{6, 2, 40};
  for (const int64_t window : {1, 2, 31, 32, 33, 100, 256, 300, 599, 600}) {
    Fixture fixture(kernel(), shape, {600});
    fixture.window = window;
    fixture.soft_cap = window % 2 == 0 ? 3.0f : 0.0f;
    fixture.scale = 0.37f;
    const std::vector<float> out = fixture.Run({{0, 0, 600}}, pool_);
    for (const int64_t p : {0, 1, 33, 99, 255, 256, 287, 288, 311, 512, 598, 599}) {
      const std::vector<double> want = fixture.Expected(fixture.sequences()[0], p, 4);
      for (int i = 0; i < shape.head_dim; ++i) {
        ASSERT_NEAR(out[p * fixture.row_floats() + 4 * shape.head_dim + i], want[i], 4e-6)
            << "window " << window << " p " << p << " element " << i;
      }
    }
  }
}

TEST_P(AttentionTest, SoftCapBoundsLargeScores) {
  Fixture fixture(kernel(), {2, 2, 16}, {90}, 12.0f);
  fixture.soft_cap = 1.5f;
  const std::vector<float> out = fixture.Run({{0, 0, 90}}, pool_);
  for (const int64_t p : {0, 31, 32, 89}) {
    const std::vector<double> want = fixture.Expected(fixture.sequences()[0], p, 1);
    for (int i = 0; i < 16; ++i) ASSERT_NEAR(out[p * 32 + 16 + i], want[i], 4e-6) << p << " " << i;
  }
}

TEST_P(AttentionTest, BlocksOutsideOfTheWindowAreNotTouched) {
  const Shape shape{4, 2, 32};
  for (const int64_t window : {1, 40, 64, 290}) {
    Fixture whole(kernel(), shape, {700});
    whole.window = window;
    const std::vector<float> all = whole.Run({{0, 0, 700}}, pool_);
    const int64_t row = whole.row_floats();
    // Query rows from 650 on, without what they do not see.
    Sequence& s = whole.sequences()[0];
    const int64_t first_seen = 650 - window + 1;
    std::fill_n(s.blocks.begin(), first_seen / kKvBlockTokens, -1000000000);
    std::vector<float> nan(64, NAN);
    for (int64_t p = first_seen / kKvBlockTokens * kKvBlockTokens; p < first_seen; ++p) {
      kernel().store(whole.kv(), kLayer, s.blocks.data(), p, nan.data(), nan.data());
    }
    for (const int threads : {1, 3}) {
      ThreadPool pool(threads);
      const std::vector<float> tail = whole.Run({{0, 650, 700}}, pool);
      EXPECT_EQ(std::memcmp(tail.data(), &all[650 * row], tail.size() * sizeof(float)), 0)
          << "window " << window << ", " << threads << " threads";
    }
  }
}

TEST_P(AttentionTest, PeakedAndGrowingScoresMatch) {
  // Scores of hundreds: nearly all weight on one token, and maxima that rise from block to block
  // and from segment to segment.
  const Shape shape{4, 2, 32};
  Fixture fixture(kernel(), shape, {400}, 6.0f);
  Sequence& s = fixture.sequences()[0];
  for (int64_t p = 0; p < 400; ++p) {
    for (int i = 0; i < 64; ++i) s.k[p * 64 + i] *= 0.01f * p;
  }
  const std::vector<float> out = fixture.Run({{0, 0, 400}}, pool_);
  for (const int64_t p : {0, 50, 127, 199, 260, 399}) {
    for (int head = 0; head < shape.heads; ++head) {
      const std::vector<double> want = fixture.Expected(s, p, head);
      for (int i = 0; i < shape.head_dim; ++i) {
        ASSERT_NEAR(out[p * fixture.row_floats() + head * shape.head_dim + i], want[i], 5e-4)
            << "p " << p << " head " << head << " element " << i;
      }
    }
  }
}

TEST_P(AttentionTest, RowDoesNotDependOnChunking) {
  for (const Shape& shape : {Shape{8, 4, 32}, Shape{3, 3, 40}, Shape{7, 1, 80}}) {
    const int64_t tokens = 331;
    Fixture fixture(kernel(), shape, {tokens});
    const std::vector<float> whole = fixture.Run({{0, 0, tokens}}, pool_);
    for (const int64_t chunk : {1, 7, 32, 50}) {
      // Fresh memory: what lies behind the chunk is NaN.
      Fixture again(kernel(), shape, {tokens});
      std::vector<float> parts;
      for (int64_t p = 0; p < tokens; p += chunk) {
        const auto part = again.Run({{0, p, std::min(tokens, p + chunk)}}, pool_);
        parts.insert(parts.end(), part.begin(), part.end());
      }
      ASSERT_EQ(parts.size(), whole.size());
      EXPECT_EQ(std::memcmp(parts.data(), whole.data(), whole.size() * sizeof(float)), 0)
          << "chunks of " << chunk;
    }
  }
}

TEST_P(AttentionTest, RowDoesNotDependOnTheBatchOrOnThreads) {
  const Shape shape{8, 2, 64};
  const std::vector<int64_t> lengths = {40, 1, 300, 97, 33};
  std::vector<std::vector<float>> alone;
  ThreadPool one(1);
  Fixture fixture(kernel(), shape, lengths);
  for (size_t s = 0; s < lengths.size(); ++s) {
    alone.push_back(fixture.Run({{s, 0, lengths[s]}}, one));
  }
  for (const int threads : {1, 2, 5}) {
    ThreadPool pool(threads);
    Fixture mixed(kernel(), shape, lengths);
    mixed.Store(mixed.sequences()[3], 0, 96);
    // Prefill of four sequences and one decode row.
    const std::vector<float> out =
        mixed.Run({{2, 0, 300}, {0, 0, 40}, {3, 96, 97}, {1, 0, 1}, {4, 0, 33}}, pool);
    const int64_t row = mixed.row_floats();
    const auto expect_rows = [&](size_t s, int64_t begin, int64_t rows, int64_t at) {
      EXPECT_EQ(std::memcmp(&out[at * row], &alone[s][begin * row], rows * row * sizeof(float)), 0)
          << "sequence " << s << ", " << threads << " threads";
    };
    expect_rows(2, 0, 300, 0);
    expect_rows(0, 0, 40, 300);
    expect_rows(3, 96, 1, 340);
    expect_rows(1, 0, 1, 341);
    expect_rows(4, 0, 33, 342);
  }
}

TEST_P(AttentionTest, WindowedRowDoesNotDependOnChunkingOrThreads) {
  const int64_t tokens = 700;
  for (const int64_t window : {37, 300}) {
    ThreadPool one(1);
    Fixture fixture(kernel(), {4, 2, 24}, {tokens});
    fixture.window = window;
    const std::vector<float> whole = fixture.Run({{0, 0, tokens}}, one);
    for (const int64_t chunk : {1, 11, 50}) {
      ThreadPool pool(chunk == 1 ? 5 : 2);
      std::vector<float> parts;
      for (int64_t p = 0; p < tokens; p += chunk) {
        const auto part = fixture.Run({{0, p, std::min(tokens, p + chunk)}}, pool);
        parts.insert(parts.end(), part.begin(), part.end());
      }
      EXPECT_EQ(std::memcmp(parts.data(), whole.data(), whole.size() * sizeof(float)), 0)
          << "window " << window << ", chunks of " << chunk;
    }
  }
}

TEST_P(AttentionTest, LongContextOverManyThreadsGivesTheSameBits) {
  const Shape shape{8, 2, 32};
  const int64_t tokens = 1500;
  Fixture fixture(kernel(), shape, {tokens, 20});
  fixture.Store(fixture.sequences()[0], 0, tokens);
  const std::vector<std::vector<Fixture::Piece>> calls = {
      {{0, tokens - 1, tokens}},
      {{0, tokens - 1, tokens}, {1, 0, 20}},
      {{0, tokens - 5, tokens}},
  };
  ThreadPool one(1);
  const std::vector<float> whole = fixture.Run({{0, tokens - 40, tokens}}, one);
  const std::vector<float> last(whole.end() - fixture.row_floats(), whole.end());
  for (const int threads : {1, 2, 3, 16}) {
    ThreadPool pool(threads);
    for (const std::vector<Fixture::Piece>& pieces : calls) {
      const std::vector<float> out = fixture.Run(pieces, pool);
      const auto row = out.begin() + (pieces[0].end - pieces[0].begin - 1) * fixture.row_floats();
      EXPECT_TRUE(std::equal(last.begin(), last.end(), row)) << threads << " threads";
    }
  }
}

TEST_P(AttentionTest, NanInOneSequenceStaysThere) {
  const Shape shape{4, 2, 32};
  Fixture fixture(kernel(), shape, {60, 60});
  fixture.sequences()[0].k[40 * 64 + 3] = NAN;  // position 40, KV head 0
  const std::vector<float> out = fixture.Run({{0, 0, 60}, {1, 0, 60}}, pool_);
  const int64_t row = fixture.row_floats();
  for (int64_t r = 0; r < 120; ++r) {
    EXPECT_EQ(std::isnan(out[r * row]), r >= 40 && r < 60) << r;
  }
}

TEST_P(AttentionTest, StoreWritesWhatTheReferenceWrites) {
  const AttentionKernel* reference = nullptr;
  for (const AttentionKernel* k : AttentionKernels()) {
    if (k->type == kernel().type && k->isa == Isa::kReference) reference = k;
  }
  ASSERT_NE(reference, nullptr);
  for (const int head_dim : {7, 8, 32, 80}) {
    const KvLayout layout{kernel().type, kLayers, 3, head_dim};
    std::vector<std::byte> a(4 * layout.block_bytes(), std::byte{0x11}), b = a;
    std::mt19937 random(5);
    const std::vector<int32_t> blocks = {2, 0, 3};
    for (const int64_t position : {0, 31, 32, 70}) {
      std::vector<float> k = Normal(3 * head_dim, 1, random), v = Normal(3 * head_dim, 1, random);
      k[0] = 65519.9f;  // rounds to the largest half
      k[1] = 1e30f;     // becomes infinity
      k[2] = 3e-8f;     // rounds to the smallest subnormal half
      v[0] = -0.0f;
      v[1] = 1.00048828125f;  // a tie, to even
      kernel().store({layout, a.data()}, kLayer, blocks.data(), position, k.data(), v.data());
      reference->store({layout, b.data()}, kLayer, blocks.data(), position, k.data(), v.data());
    }
    EXPECT_EQ(a, b) << "head_dim " << head_dim;
  }
}

TEST_P(AttentionTest, NanAndInfinityOfAValueShow) {
  const KvLayout layout{kernel().type, 1, 1, 21};
  for (const float odd : {NAN, -INFINITY}) {
    std::vector<std::byte> memory(layout.block_bytes(), std::byte{0});
    std::mt19937 random(5);
    std::vector<float> k = Normal(21, 1, random), v = Normal(21, 1, random), out(21);
    v[20] = odd;
    const int32_t block = 0;
    const AttentionSequence sequence{0, 1, 0, &block};
    kernel().store({layout, memory.data()}, 0, &block, 0, k.data(), v.data());
    AttentionCall call;
    call.kv = {layout, memory.data()};
    call.heads = 1;
    call.scale = 1;
    call.sequences = &sequence;
    call.sequence_count = 1;
    call.q = k.data();
    call.q_stride = call.out_stride = 21;
    call.out = out.data();
    kernel().run(call, pool_);
    EXPECT_FALSE(std::isfinite(out[20])) << odd;
  }
}

TEST(AttentionLayoutTest, Int8KeepsAScalePerTokenAndHead) {
  const KvLayout layout{KvType::kInt8, kLayers, 2, 3};
  EXPECT_EQ(layout.head_bytes(), 3 * 32 + 32 * 4);
  EXPECT_EQ(layout.plane_bytes(), 2 * layout.head_bytes());
  std::vector<float> memory(2 * layout.block_bytes() / 4, 0.0f);
  const std::vector<int32_t> blocks = {0, 1};
  const std::vector<float> k = {1, -2, 0.5f, 0, 0, 0}, v = {-1, 127, 63.5f, 4, 5, -6};
  const KvView kv{layout, reinterpret_cast<std::byte*>(memory.data())};
  for (const AttentionKernel* kernel : AttentionKernels()) {
    if (kernel->type == KvType::kInt8 && kernel->isa == Isa::kReference) {
      kernel->store(kv, kLayer, blocks.data(), 37, k.data(), v.data());
    }
  }
  const std::byte* const block = kv.base + layout.block_bytes();
  const int8_t k_codes[2][3] = {{64, -127, 32}, {0, 0, 0}};  // of 63.5 and 31.75
  const int8_t v_codes[2][3] = {{-1, 127, 64}, {85, 106, -127}};
  const float k_scales[] = {2.0f / 127, 0}, v_scales[] = {1, 6.0f / 127};
  for (int head = 0; head < 2; ++head) {
    const std::byte* const k_plane = block + layout.k_offset(kLayer) + head * layout.head_bytes();
    const std::byte* const v_plane = block + layout.v_offset(kLayer) + head * layout.head_bytes();
    for (int i = 0; i < 3; ++i) {
      EXPECT_EQ(static_cast<int8_t>(k_plane[i * 32 + 5]), k_codes[head][i]) << head << " " << i;
      EXPECT_EQ(static_cast<int8_t>(v_plane[5 * 3 + i]), v_codes[head][i]) << head << " " << i;
    }
    EXPECT_EQ(reinterpret_cast<const float*>(k_plane + 3 * 32)[5], k_scales[head]);
    EXPECT_EQ(reinterpret_cast<const float*>(v_plane + 3 * 32)[5], v_scales[head]);
  }
}

TEST(AttentionLayoutTest, StorePutsKeysTokenMajorAndValuesElementMajor) {
  const KvLayout layout{KvType::kF32, kLayers, 2, 3};
  EXPECT_EQ(layout.plane_bytes(), 2 * 3 * 32 * 4);
  EXPECT_EQ(layout.block_bytes(), 4 * layout.plane_bytes());
  std::vector<float> memory(2 * layout.block_bytes() / 4, 0.0f);
  const std::vector<int32_t> blocks = {0, 1};
  const std::vector<float> k = {1, 2, 3, 4, 5, 6}, v = {-1, -2, -3, -4, -5, -6};
  const KvView kv{layout, reinterpret_cast<std::byte*>(memory.data())};
  AttentionKernels().front()->store(kv, kLayer, blocks.data(), 37, k.data(), v.data());
  const float* block = memory.data() + layout.block_bytes() / 4;
  const float* k_plane = block + layout.k_offset(kLayer) / 4;
  const float* v_plane = block + layout.v_offset(kLayer) / 4;
  for (int head = 0; head < 2; ++head) {
    for (int i = 0; i < 3; ++i) {
      EXPECT_EQ(k_plane[(head * 3 + i) * kKvBlockTokens + 5], k[head * 3 + i]);
      EXPECT_EQ(v_plane[(head * kKvBlockTokens + 5) * 3 + i], v[head * 3 + i]);
    }
  }
}

TEST(AttentionKernelsTest, WeakestFirstWithinAType) {
  for (const KvTypeInfo& info : KvTypes()) {
    EXPECT_EQ(&Info(info.type), &info);  // the table has the order of the enumeration
    int last = -1;
    for (const AttentionKernel* kernel : AttentionKernels()) {
      if (kernel->type != info.type) continue;
      if (last < 0) {
        EXPECT_EQ(kernel->isa, Isa::kReference);
      }
      EXPECT_GT(static_cast<int>(kernel->isa), last);
      last = static_cast<int>(kernel->isa);
    }
    EXPECT_GE(last, 0) << info.name;
  }
}

INSTANTIATE_TEST_SUITE_P(AllKernels, AttentionTest, testing::ValuesIn(AttentionKernels()),
                         [](const auto& info) { return std::string(info.param->name); });

}  // namespace
}  // namespace quantd
