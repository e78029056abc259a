// Every row of the kernel table against a computation that shares nothing with it: doubles, from
// QuantTensor::At. And against the scalar reference, to the bit.
#include "kernels/gemm/kernel_table.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <set>

#include "kernels/base/float16.h"
#include "kernels/base/hardware.h"
#include "kernels/gemm/activations.h"
#include "kernels/gemm/reference.h"
#include "kernels/gemm/rows32.h"
#include "tests/kernels/gemm/gemm_test_util.h"
#include "tests/support/guarded.h"

namespace quantd {
namespace {

constexpr int64_t kMaxM = 53;
constexpr int64_t kMaxN = 48;
constexpr float kCanary = -12345.5f;

// A weight, packed, with input rows and what their product must be. No kernel may read behind what
// it is given: sanitizers see nothing of that, these files being compiled without.
struct Problem {
  QuantTensor weight;
  Guarded<uint8_t> packed;
  Guarded<float> x;  // [m, k]
  Guarded<QuantizedBlock> q;
  Guarded<uint16_t> bf16;
  std::vector<double> expected;   // [m, n]
  std::vector<double> magnitude;  // [m, n], sum of |w x|: what rounding errors scale with
  std::vector<float> reference;   // [m, n], of the scalar reference
  bool rounded = false;           // weights and input rows, to BF16
  int64_t m = 0;

  int64_t k() const { return weight.cols; }
  int64_t q_stride() const { return QuantizedBlocks(k()); }

  GemmArgs Args(int64_t use_m, int64_t use_n, float* y, int64_t y_stride) const {
    return {packed.data(),
            (use_n + kGroupRows - 1) / kGroupRows,
            use_n,
            k(),
            PackedSpan(weight.format),
            use_m,
            x.data(),
            k(),
            q.data(),
            q_stride(),
            y,
            y_stride,
            false,
            bf16.data(),
            Bf16Stride(k())};
  }
  GemmArgs ArgsFrom(int64_t row, int64_t use_m, int64_t use_n, float* y, int64_t y_stride) const {
    GemmArgs args = Args(use_m, use_n, y, y_stride);
    args.x += row * args.x_stride;
    args.q += row * args.q_stride;
    args.bf16 += row * args.bf16_stride;
    return args;
  }
};

Guarded<uint8_t> Pack(const QuantTensor& weight) {
  const PackedFormat format = *ToPackedFormat(weight.format);
  const int span = PackedSpan(weight.format);
  Guarded<uint8_t> packed(Rows32Bytes(format, weight.rows, weight.cols, span));
  const int64_t group_bytes = Rows32GroupBytes(format, weight.cols, span);
  for (int64_t row = 0; row < weight.rows; row += kGroupRows) {
    PackRows32(format, weight, row, packed.data() + row / kGroupRows * group_bytes);
  }
  return packed;
}

double RoundedIf(bool rounded, float value) {
  return rounded ? BFloat16ToFloat(FloatToBFloat16(value)) : value;
}

Problem MakeProblem(QuantTensor weight, const std::vector<float>& x, Arithmetic arithmetic) {
  Problem p;
  p.rounded = arithmetic != Arithmetic::kFull;
  p.weight = std::move(weight);
  p.packed = Pack(p.weight);
  p.x = Guarded<float>(x);
  p.m = static_cast<int64_t>(p.x.size()) / p.k();
  p.q = Guarded<QuantizedBlock>(p.m * p.q_stride());
  p.bf16 = Guarded<uint16_t>(p.m * Bf16Stride(p.k()));
  for (int64_t i = 0; i < p.m; ++i) {
    QuantizeRow(&p.x[i * p.k()], p.k(), &p.q[i * p.q_stride()]);
    RoundRow(&p.x[i * p.k()], p.k(), &p.bf16[i * Bf16Stride(p.k())]);
  }
  std::vector<double> w(p.weight.rows * p.k());
  for (size_t i = 0; i < w.size(); ++i)
    w[i] = RoundedIf(p.rounded, p.weight.At(i / p.k(), i % p.k()));
  const bool is_int = FormatOf(*ToPackedFormat(p.weight.format)).is_int();
  std::vector<double> a(p.k());
  for (int64_t i = 0; i < p.m; ++i) {
    for (int64_t k = 0; k < p.k(); ++k) {
      const QuantizedBlock& block = p.q[i * p.q_stride() + k / kQuantizedWeights];
      const int at = static_cast<int>(k % kQuantizedWeights);
      a[k] = is_int ? std::ldexp(block.scale, block.shifts[at / 32]) * block.codes[at]
                    : RoundedIf(p.rounded, p.x[i * p.k() + k]);
    }
    for (int64_t n = 0; n < p.weight.rows; ++n) {
      double sum = 0, magnitude = 0;
      for (int64_t k = 0; k < p.k(); ++k) {
        sum += w[n * p.k() + k] * a[k];
        magnitude += std::abs(w[n * p.k() + k] * a[k]);
      }
      p.expected.push_back(sum);
      p.magnitude.push_back(magnitude);
    }
  }
  p.reference.resize(p.m * p.weight.rows);
  ReferenceRun(*ToPackedFormat(p.weight.format),
               arithmetic)(p.Args(p.m, p.weight.rows, p.reference.data(), p.weight.rows));
  return p;
}

Problem RandomProblem(const GemmKernel& kernel, int64_t k) {
  return MakeProblem(RandomTensor(EntryOf(kernel.packed).example, kMaxN, k, 7),
                     RandomFloats(kMaxM * k, 8), kernel.arithmetic);
}

class GemmKernelTest : public ::testing::TestWithParam<size_t> {
 protected:
  void SetUp() override {
    if (!ProbeHardware().Supports(kernel().isa)) {
      GTEST_SKIP() << "this processor lacks " << Info(kernel().isa).requires_;
    }
  }
  const GemmKernel& kernel() const { return GemmTable()[GetParam()]; }
  const QuantFormat& format() const { return EntryOf(kernel().packed).example; }

  // An m that the kernel takes, with an uneven last tile where it takes many.
  int64_t SomeRows() const {
    return kernel().max_m == 1 ? 1 : std::max<int64_t>(9, kernel().min_m + 1);
  }

  // K that are no multiples of anything, as far as the format has them.
  std::vector<int64_t> TestedK() const {
    if (format().is_float()) return {1, 5, 172};
    if (format().group == 0) return {1, 44, 172, 300};
    const int64_t multiple = format().k_multiple();
    return {multiple, 3 * multiple, 512 + multiple};
  }

  // Runs use_m x use_n of the problem and checks outputs, bits and that nothing else is written.
  void Check(const Problem& p, int64_t use_m, int64_t use_n) {
    SCOPED_TRACE(testing::Message() << "m " << use_m << " n " << use_n << " k " << p.k());
    const int64_t stride = use_n + 3;
    std::vector<float> y(use_m * stride, kCanary);
    kernel().run(p.Args(use_m, use_n, y.data(), stride));
    for (int64_t i = 0; i < use_m; ++i) {
      ASSERT_EQ(
          0, std::memcmp(&y[i * stride], &p.reference[i * p.weight.rows], use_n * sizeof(float)));
    }
    for (int64_t i = 0; i < use_m; ++i) {
      for (int64_t n = 0; n < use_n; ++n) {
        const int64_t at = i * p.weight.rows + n;
        ASSERT_NEAR(y[i * stride + n], p.expected[at], 2e-6 * p.magnitude[at] + 1e-37)
            << "row " << i << " output " << n;
      }
      for (int64_t n = use_n; n < stride; ++n) ASSERT_EQ(y[i * stride + n], kCanary);
    }
  }
};

TEST_P(GemmKernelTest, MatchesNaiveProductAtTails) {
  for (const int64_t k : TestedK()) {
    const Problem p = RandomProblem(kernel(), k);
    for (const int64_t m : {1, 2, 3, 4, 5, 6, 7, 8, 9, 16, 17, 33, 53}) {
      if (!kernel().TakesM(m)) continue;
      for (const int64_t n : {1, 15, 16, 17, 32, 33, 48}) Check(p, m, n);
    }
  }
}

TEST_P(GemmKernelTest, ExtremeCodesAndActivationsDoNotSaturate) {
  const int top = format().is_float()                  ? 1
                  : format().code == CodeType::kF8E4M3 ? 0x7e
                                                       : (1 << format().bits) - 1;
  for (const int code : {0, top}) {
    for (const float x : {1.0f, -1.0f, 3e4f}) {
      const int64_t k = 3 * format().k_multiple();
      QuantTensor w = RandomTensor(format(), 17, k, 3);
      for (uint8_t& c : w.codes) c = static_cast<uint8_t>(code);
      // The largest value that F16 and BF16 both hold.
      for (float& value : w.values) value = code == 0 ? -65280.0f : 65280.0f;
      for (float& scale : w.scales) scale = 0.5f;
      const SetType type = FormatOf(kernel().packed).scale;
      const int8_t most = type == SetType::kLow4 ? 15
                          : type == SetType::kU6 ? 63
                          : type == SetType::kI6 ? 31
                                                 : 127;
      const bool has_sign = type == SetType::kI8 || type == SetType::kI6;
      for (int8_t& sub : w.sub_scales) {
        sub = static_cast<int8_t>(has_sign && code == 0 ? -1 - most : most);
      }
      for (uint8_t& sub : w.sub_mins) sub = static_cast<uint8_t>(most);
      for (uint8_t& zero : w.zeros) zero = static_cast<uint8_t>(top - code);
      const Problem p = MakeProblem(w, std::vector<float>(SomeRows() * k, x), kernel().arithmetic);
      Check(p, SomeRows(), 17);
    }
  }
}

TEST_P(GemmKernelTest, HugeTinyAndZeroScales) {
  // F16: largest, subnormal, normal. E8M0 has powers of two only, and no zero.
  const bool power = format().scale == ScaleType::kE8M0;
  const float scales[] = {power ? 0x1p-128f : 0.0f, power ? 0x1p16f : 65504.0f, 0x1p-24f, 0x1p-14f};
  const int64_t k = format().is_float() ? 75 : 3 * format().k_multiple();
  QuantTensor w = RandomTensor(format(), 17, k, 5);
  for (size_t i = 0; i < w.scales.size(); ++i) w.scales[i] = scales[i % 4];
  for (size_t i = 0; i < w.values.size(); i += 3) {
    w.values[i] = std::min(scales[i / 3 % 4], 65280.0f);
  }
  std::vector<float> x = RandomFloats(std::max<int64_t>(3, SomeRows()) * k, 6);
  for (int64_t i = 0; i < k; ++i) {
    x[i] = 0.0f;            // a row of zeros
    x[k + i] *= 1e-30f;     // a row of nearly nothing
    x[2 * k + i] *= 1e25f;  // and one of nearly too much
  }
  const Problem p = MakeProblem(w, x, kernel().arithmetic);
  Check(p, SomeRows(), 17);
}

TEST_P(GemmKernelTest, NanAndInfinityReachTheOutputOfTheirRowOnly) {
  const int64_t k = 2 * std::max<int64_t>(48, format().k_multiple());
  for (const float bad :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    std::vector<float> x = RandomFloats(3 * k, 6);
    x[k + 40] = bad;
    const Problem p = MakeProblem(RandomTensor(format(), 16, k, 5), x, kernel().arithmetic);
    std::vector<float> y(3 * 16);
    for (int64_t row = 0; row < 3; ++row) {
      kernel().run(kernel().max_m == 1 ? p.ArgsFrom(row, 1, 16, y.data() + row * 16, 16)
                                       : p.Args(3, 16, y.data(), 16));
    }
    for (int n = 0; n < 16; ++n) {
      EXPECT_TRUE(std::isfinite(y[n]));
      EXPECT_FALSE(std::isfinite(y[16 + n]));
      EXPECT_TRUE(std::isfinite(y[32 + n]));
    }
  }
}

// A row's bits do not depend on how many rows there are or where it stands.
TEST_P(GemmKernelTest, OutputDoesNotDependOnBatch) {
  const int64_t k = TestedK().back();
  const Problem p = RandomProblem(kernel(), k);
  const std::vector<float>& alone = p.reference;
  for (int64_t first = 0; first < kMaxM; first += 13) {
    for (int64_t m = 1; first + m <= kMaxM; ++m) {
      if (!kernel().TakesM(m)) continue;
      std::vector<float> y(m * kMaxN);
      kernel().run(p.ArgsFrom(first, m, kMaxN, y.data(), kMaxN));
      ASSERT_EQ(0, std::memcmp(y.data(), &alone[first * kMaxN], y.size() * sizeof(float)))
          << "rows " << first << " to " << first + m;
    }
  }
}

// More row groups than fit the slab, so that the slab loop turns.
TEST_P(GemmKernelTest, LargerThanASlab) {
  const int64_t k = 2048;
  const PackedFormat packed_format = kernel().packed;
  const int span = PackedSpan(format());
  const int64_t n = 2 * (192 * 1024 / Rows32GroupBytes(packed_format, k, span)) * kGroupRows + 21;
  const QuantTensor w = RandomTensor(format(), n, k, 1);
  const Guarded<uint8_t> packed = Pack(w);
  const std::vector<float> x = RandomFloats(kMaxM * k, 2);
  std::vector<QuantizedBlock> q(kMaxM * QuantizedBlocks(k));
  QuantizeRow(x.data(), kMaxM * k, q.data());
  std::vector<uint16_t> bf16(kMaxM * Bf16Stride(k));
  RoundRow(x.data(), kMaxM * k, bf16.data());
  const int64_t m = SomeRows();
  std::vector<float> y(m * n), reference(m * n);
  GemmArgs args{packed.data(),
                (n + kGroupRows - 1) / kGroupRows,
                n,
                k,
                span,
                m,
                x.data(),
                k,
                q.data(),
                QuantizedBlocks(k),
                y.data(),
                n,
                false,
                bf16.data(),
                Bf16Stride(k)};
  kernel().run(args);
  args.y = reference.data();
  ReferenceRun(packed_format, kernel().arithmetic)(args);
  EXPECT_EQ(0, std::memcmp(y.data(), reference.data(), y.size() * sizeof(float)));
}

std::vector<size_t> AllRows() {
  std::vector<size_t> rows(GemmTable().size());
  for (size_t i = 0; i < rows.size(); ++i) rows[i] = i;
  return rows;
}
INSTANTIATE_TEST_SUITE_P(Table, GemmKernelTest, ::testing::ValuesIn(AllRows()),
                         [](const auto& info) { return GemmTable()[info.param].name; });

TEST(GemmTable, NamesAreUniqueAndEveryFormatHasAReferenceForAnyM) {
  std::set<std::string> names;
  for (const GemmKernel& kernel : GemmTable()) {
    EXPECT_TRUE(names.insert(kernel.name).second) << kernel.name;
    EXPECT_NE(kernel.run, nullptr) << kernel.name;
    EXPECT_FALSE(kernel.how.empty()) << kernel.name;
    EXPECT_LT(kernel.max_m, kDistinctM);
    EXPECT_LT(kernel.min_m, kDistinctM);
  }
  for (const PackedEntry& entry : PackedEntries()) {
    int references = 0;
    for (const GemmKernel& kernel : GemmTable()) {
      if (kernel.packed != entry.packed || kernel.isa != Isa::kReference) continue;
      ++references;
      EXPECT_EQ(kernel.min_m, 1);
      EXPECT_EQ(kernel.max_m, 0);
    }
    EXPECT_EQ(references, 1) << entry.name;
  }
}

// What the capability table of the project says about multiplying each type.
TEST(GemmTable, NativeIsWhatTheProcessorMultiplies) {
  for (const GemmKernel& kernel : GemmTable()) {
    const bool vnni =
        kernel.isa == Isa::kAvxVnni || kernel.isa == Isa::kAvx512Vnni || kernel.isa == Isa::kAmx;
    const bool bf16 =
        kernel.packed == PackedFormat::kBF16 && kernel.arithmetic != Arithmetic::kFull;
    const bool bytes =
        kernel.packed == PackedFormat::kQ8_0 || kernel.packed == PackedFormat::kInt8 ||
        kernel.packed == PackedFormat::kAffine8 || kernel.packed == PackedFormat::kAffine8Fine;
    const bool expected = kernel.packed == PackedFormat::kF32 || (bytes && vnni) || bf16;
    EXPECT_EQ(kernel.native, expected) << kernel.name;
  }
}

}  // namespace
}  // namespace quantd
