#include "kernels/gemm/selfcheck.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <map>
#include <mutex>
#include <utility>
#include <vector>

#include "absl/hash/hash.h"
#include "absl/strings/string_view.h"
#include "kernels/gemm/activations.h"
#include "kernels/gemm/noise_tensor.h"
#include "kernels/gemm/reference.h"
#include "kernels/gemm/rows32.h"

namespace quantd {
namespace {

constexpr int64_t kRows = kGroupRows + 21;
// Every width of a column tile, and more than one tile.
constexpr int64_t kInputRows[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 19, 49};
constexpr int64_t kMaxInputRows = 49;

// A K with a tail, as far as the format has one, and more than one superblock.
int64_t CheckedK(const QuantFormat& format) {
  if (format.is_float()) return 77;
  if (format.two_level()) return 2 * kSuperWeights;
  return kSuperWeights + (format.group == 0 ? 76 : format.group);
}

// A hash of the bits of each output row: `y` [kMaxInputRows, kRows].
using RowHashes = std::array<size_t, kMaxInputRows>;
RowHashes HashRows(const std::vector<float>& y) {
  RowHashes hashes;
  for (int64_t i = 0; i < kMaxInputRows; ++i) {
    hashes[i] = absl::HashOf(
        absl::string_view(reinterpret_cast<const char*>(&y[i * kRows]), kRows * sizeof(float)));
  }
  return hashes;
}

// What the scalar reference gives for all input rows: the same for every kernel of a format and
// arithmetic, and for every m, so it is computed once in the life of a process.
RowHashes Expected(const GemmKernel& kernel, GemmArgs args) {
  static std::mutex mutex;
  static auto* const known = new std::map<std::pair<PackedFormat, Arithmetic>, RowHashes>;
  const std::lock_guard<std::mutex> lock(mutex);
  const auto found = known->find({kernel.packed, kernel.arithmetic});
  if (found != known->end()) return found->second;
  std::vector<float> y(kMaxInputRows * kRows);
  args.m = kMaxInputRows;
  args.y = y.data();
  ReferenceRun(kernel.packed, kernel.arithmetic)(args);
  return known->try_emplace({kernel.packed, kernel.arithmetic}, HashRows(y)).first->second;
}

}  // namespace

bool AgreesWithReference(const GemmKernel& kernel, bool spoil) {
  const QuantFormat& format = EntryOf(kernel.packed).example;
  const int64_t k = CheckedK(format), blocks = QuantizedBlocks(k);
  const int span = PackedSpan(format);
  Noise noise;
  const QuantTensor rows = NoiseTensor(format, kRows, k, &noise);
  AlignedBuffer packed(Rows32Bytes(kernel.packed, kRows, k, span));
  const int64_t group_bytes = Rows32GroupBytes(kernel.packed, k, span);
  for (int64_t r = 0; r < kRows; r += kGroupRows) {
    PackRows32(kernel.packed, rows, r, packed.as<uint8_t>() + r / kGroupRows * group_bytes);
  }
  const std::vector<float> x = noise.Uniform(kMaxInputRows * k, 4.0f);
  std::vector<QuantizedBlock> q(kMaxInputRows * blocks);
  std::vector<uint16_t> bf16(kMaxInputRows * Bf16Stride(k));
  for (int64_t i = 0; i < kMaxInputRows; ++i) {
    if (kernel.activations == ActivationType::kInt8) QuantizeRow(&x[i * k], k, &q[i * blocks]);
    if (kernel.activations == ActivationType::kBF16)
      RoundRow(&x[i * k], k, &bf16[i * Bf16Stride(k)]);
  }

  std::vector<float> actual(kMaxInputRows * kRows);
  GemmArgs args{packed.as<uint8_t>(),
                (kRows + kGroupRows - 1) / kGroupRows,
                kRows,
                k,
                span,
                /*m=*/0,
                x.data(),
                k,
                q.data(),
                blocks,
                actual.data(),
                kRows};
  args.bf16 = bf16.data();
  args.bf16_stride = Bf16Stride(k);
  const RowHashes expected = Expected(kernel, args);
  for (const int64_t m : kInputRows) {
    if (!kernel.TakesM(m)) continue;
    args.m = m;
    kernel.run(args);
    if (spoil) actual[0] += 1.0f;
    const RowHashes hashes = HashRows(actual);
    if (!std::equal(hashes.begin(), hashes.begin() + m, expected.begin())) return false;
  }
  return true;
}

bool AgreesWithReference(const Quantizer& quantizer) {
  constexpr int64_t kK = 2 * kQuantizedWeights + 77;
  Noise noise;
  std::vector<float> x = noise.Uniform(kK, 1.0f);
  for (int i = 0; i < 32; ++i) {
    x[i] *= 1e3f;  // others are far smaller
    x[64 + i] = 0;
    x[96 + i] *= 1e-30f;
  }
  for (const float last : {1.0f, 3e38f, std::numeric_limits<float>::quiet_NaN(),
                           std::numeric_limits<float>::infinity()}) {
    x[kK - 1] = last;
    QuantizedBlock expected[QuantizedBlocks(kK)], actual[QuantizedBlocks(kK)];
    QuantizeRow(x.data(), kK, expected);
    quantizer.run(x.data(), kK, actual);
    if (std::memcmp(expected, actual, sizeof(expected)) != 0) return false;
  }
  return true;
}

}  // namespace quantd
