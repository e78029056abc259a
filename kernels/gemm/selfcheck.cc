#include "kernels/gemm/selfcheck.h"

#include <cstring>
#include <vector>

#include "kernels/base/float16.h"
#include "kernels/base/noise.h"
#include "kernels/gemm/activations.h"
#include "kernels/gemm/reference.h"
#include "kernels/gemm/rows16.h"

namespace quantd {
namespace {

constexpr int64_t kRows = 2 * kGroupRows + 5;
// Every width of a column tile, and more than one tile.
constexpr int64_t kInputRows[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 19};
constexpr int64_t kMaxInputRows = 19;

QuantTensor NoiseTensor(const QuantFormat& format, int64_t k, Noise* noise) {
  QuantTensor t;
  t.format = format;
  t.rows = kRows;
  t.cols = k;
  if (format.is_float()) {
    for (int64_t i = 0; i < kRows * k; ++i) t.values.push_back(noise->Uniform());
    return t;
  }
  for (int64_t i = 0; i < kRows * k; ++i) {
    t.codes.push_back(static_cast<uint8_t>(noise->Bits() & ((1u << format.bits) - 1)));
  }
  for (int64_t i = 0; i < kRows * k / format.group; ++i) {
    t.scales.push_back(HalfToFloat(FloatToHalf(noise->Uniform() * 0.01f)));
    if (format.zero == ZeroType::kMin) {
      t.mins.push_back(HalfToFloat(FloatToHalf(noise->Uniform())));
    }
  }
  return t;
}

}  // namespace

bool AgreesWithReference(const GemmKernel& kernel, bool spoil) {
  const PackedFormat format = *ToPackedFormat(kernel.format);
  const bool is_float = kernel.format.is_float();
  const int64_t k = is_float ? 77 : 2 * kBlockWeights + kernel.format.group;
  Noise noise;
  const QuantTensor rows = NoiseTensor(kernel.format, k, &noise);
  AlignedBuffer packed(Rows16Bytes(format, kRows, k));
  const int64_t group_bytes = Rows16GroupBytes(format, k);
  for (int64_t r = 0; r < kRows; r += kGroupRows) {
    PackRows16(format, rows, r, packed.as<uint8_t>() + r / kGroupRows * group_bytes);
  }
  const std::vector<float> x = noise.Uniform(kMaxInputRows * k, 4.0f);
  const int64_t blocks = (k + kBlockWeights - 1) / kBlockWeights;
  std::vector<QuantizedBlock> q(kMaxInputRows * blocks);
  for (int64_t i = 0; i < kMaxInputRows; ++i) QuantizeRow(&x[i * k], k, &q[i * blocks]);

  std::vector<float> expected(kMaxInputRows * kRows), actual(kMaxInputRows * kRows);
  for (const int64_t m : kInputRows) {
    if (!kernel.TakesM(m)) continue;
    GemmArgs args{packed.as<uint8_t>(),
                  (kRows + kGroupRows - 1) / kGroupRows,
                  kRows,
                  k,
                  m,
                  x.data(),
                  k,
                  q.data(),
                  blocks,
                  expected.data(),
                  kRows};
    ReferenceRun(format)(args);
    args.y = actual.data();
    kernel.run(args);
    if (spoil) actual[0] += 1.0f;
    if (std::memcmp(expected.data(), actual.data(), m * kRows * sizeof(float)) != 0) return false;
  }
  return true;
}

}  // namespace quantd
