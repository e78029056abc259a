#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kernels/gemm/gemm.h"
#include "kernels/gemm/rows16.h"
#include "kernels/kernel_set.h"
#include "tests/kernels/gemm/gemm_test_util.h"

namespace quantd {
namespace {

using ::testing::HasSubstr;

std::unique_ptr<KernelSet> Kernels() {
  return std::move(KernelSet::Create(ProbeHardware(), {})).value();
}

TEST(PackWeight, DecodeRowGivesEveryWeightBack) {
  const auto kernels = Kernels();
  ThreadPool pool(3);
  for (const NamedFormat& named : NamedFormats()) {
    const int64_t k = named.format.is_float() ? 172 : 256 + named.format.group;
    for (const int64_t n : {1, 16, 83}) {
      const QuantTensor t = RandomTensor(named.format, n, k, 11);
      const auto packed = PackWeight(TensorSource(t), *kernels, pool);
      ASSERT_TRUE(packed.ok()) << packed.status();
      std::vector<float> row(k);
      for (int64_t i = 0; i < n; ++i) {
        DecodeRow(*packed, i, row.data());
        for (int64_t j = 0; j < k; ++j)
          ASSERT_EQ(row[j], t.At(i, j)) << named.name << i << "," << j;
      }
    }
  }
}

// Reading fewer bytes is what quantization is for: a packed weight costs what the file did.
TEST(PackWeight, KeepsBytesPerWeightOfTheFile) {
  const auto kernels = Kernels();
  ThreadPool pool(1);
  const std::pair<QuantFormat, int> bytes_per_32[] = {
      {kF32, 128}, {kF16, 64},  {kBF16, 64}, {kQ8_0, 34},
      {kQ4_0, 18}, {kQ4_1, 20}, {kQ5_0, 22}, {kQ5_1, 24},
  };
  for (const auto& [format, bytes] : bytes_per_32) {
    const auto packed = PackWeight(TensorSource(RandomTensor(format, 32, 64, 1)), *kernels, pool);
    ASSERT_TRUE(packed.ok());
    EXPECT_EQ(packed->bytes(), 32 * 64 / 32 * bytes) << FormatName(format);
  }
}

// The byte order that kernels/README.md promises, spelled out for one format of each kind.
TEST(PackRows16, ByteOrder) {
  QuantTensor t = RandomTensor(kQ5_1, 16, 32, 9);
  uint8_t block[384] = {};
  PackRows16(PackedFormat::kQ5_1, t, 0, block);
  for (int row = 0; row < 16; ++row) {
    for (int k = 0; k < 32; ++k) {
      const int byte = 64 * (k / 4 % 4) + 4 * row + k % 4;
      const int nibble = k < 16 ? block[byte] & 15 : block[byte] >> 4;
      const int fifth = block[256 + 4 * row + k % 4] >> (k / 4) & 1;
      EXPECT_EQ(t.codes[row * 32 + k], nibble | fifth << 4);
    }
    EXPECT_EQ(HalfToFloat(block[320 + 2 * row] | block[321 + 2 * row] << 8), t.scales[row]);
    EXPECT_EQ(HalfToFloat(block[352 + 2 * row] | block[353 + 2 * row] << 8), t.mins[row]);
  }
  t = RandomTensor(kQ8_0, 16, 32, 9);
  uint8_t bytes[544] = {};
  PackRows16(PackedFormat::kQ8_0, t, 0, bytes);
  for (int row = 0; row < 16; ++row) {
    for (int k = 0; k < 32; ++k) {
      EXPECT_EQ(t.codes[row * 32 + k], bytes[64 * (k / 4) + 4 * row + k % 4]);
    }
  }
}

TEST(PackWeight, ErrorOfTheSourceComesBack) {
  const auto kernels = Kernels();
  ThreadPool pool(2);
  TensorSource source(RandomTensor(kQ4_0, 300, 32, 1));
  source.FailAt(290, absl::DataLossError("tensor t: bad scale"));
  const auto packed = PackWeight(source, *kernels, pool);
  EXPECT_EQ(packed.status(), absl::DataLossError("tensor t: bad scale"));
}

TEST(PackWeight, RefusesFormatsWithoutKernelAndBadShapes) {
  const auto kernels = Kernels();
  ThreadPool pool(1);
  QuantFormat unknown = kQ4_0;
  unknown.group = 128;
  const auto none = PackWeight(TensorSource(RandomTensor(unknown, 16, 128, 1)), *kernels, pool);
  EXPECT_EQ(none.status().code(), absl::StatusCode::kUnimplemented);
  EXPECT_THAT(std::string(none.status().message()), HasSubstr("int4g128"));

  QuantTensor ragged = RandomTensor(kQ4_0, 16, 32, 1);
  ragged.cols = 31;
  EXPECT_EQ(PackWeight(TensorSource(ragged), *kernels, pool).status().code(),
            absl::StatusCode::kInvalidArgument);
  QuantTensor empty;
  EXPECT_EQ(PackWeight(TensorSource(empty), *kernels, pool).status().code(),
            absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace quantd
