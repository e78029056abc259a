#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kernels/base/float16.h"
#include "kernels/gemm/gemm.h"
#include "kernels/gemm/rows32.h"
#include "kernels/kernel_set.h"
#include "tests/kernels/gemm/gemm_test_util.h"

namespace quantd {
namespace {

using ::testing::HasSubstr;

std::unique_ptr<KernelSet> Kernels() {
  return std::move(KernelSet::Create(ProbeHardware(), {})).value();
}

// Formats of every kind: the named ones, and affine ones of all sorts of groups.
std::vector<QuantFormat> Formats() {
  std::vector<QuantFormat> formats;
  for (const PackedEntry& entry : PackedEntries()) formats.push_back(entry.example);
  for (const int group : {0, 16, 32, 48, 64, 96, 160, 256, 512}) {
    for (const int bits : {2, 3, 4, 8}) {
      formats.push_back(AffineFormat(bits, group, ZeroType::kCode));
      formats.push_back(AffineFormat(bits, group, ZeroType::kMidpoint));
    }
  }
  for (QuantFormat format : {kNf4, kFp4, kFp8}) {
    format.group = 128;
    formats.push_back(format);
  }
  return formats;
}

TEST(PackWeight, DecodeRowGivesEveryWeightBack) {
  const auto kernels = Kernels();
  ThreadPool pool(3);
  for (const QuantFormat& format : Formats()) {
    const int64_t multiple = format.k_multiple();
    const int64_t k = multiple == 1 ? 172 : (256 / multiple + 1) * multiple;
    for (const int64_t n : {1, 32, 83}) {
      const QuantTensor t = RandomTensor(format, n, k, 11);
      const auto packed = PackWeight(TensorSource(t), *kernels, pool);
      ASSERT_TRUE(packed.ok()) << packed.status();
      std::vector<float> row(k);
      for (int64_t i = 0; i < n; ++i) {
        DecodeRow(*packed, i, row.data());
        for (int64_t j = 0; j < k; ++j) {
          ASSERT_EQ(row[j], t.At(i, j)) << FormatName(format) << " " << i << "," << j;
        }
      }
    }
  }
}

TEST(PackWeight, DecodeRowPutsColumnsWhereTheirFeaturesAre) {
  const auto kernels = Kernels();
  ThreadPool pool(1);
  const QuantTensor t = RandomTensor(AffineFormat(4, 32, ZeroType::kCode), 5, 64, 3);
  TensorSource source(t);
  std::vector<int32_t> order(64);
  for (int c = 0; c < 64; ++c) order[c] = c * 5 % 64;
  source.Order(order);
  const auto packed = PackWeight(source, *kernels, pool);
  ASSERT_TRUE(packed.ok()) << packed.status();
  std::vector<float> row(64);
  DecodeRow(*packed, 4, row.data());
  for (int c = 0; c < 64; ++c) EXPECT_EQ(row[order[c]], t.At(4, c));
}

// Reading fewer bytes is what quantization is for: a packed weight costs what the file did, two
// levels of scales a little more (sub-scales take a byte each, where files have 4 to 6 bits).
TEST(PackWeight, KeepsBytesPerWeightOfTheFile) {
  const auto kernels = Kernels();
  ThreadPool pool(1);
  struct Case {
    QuantFormat format;
    double file_bits, extra;
  };
  const Case cases[] = {
      {kF32, 32, 0},         {kF16, 16, 0},
      {kBF16, 16, 0},        {kQ8_0, 8.5, 0},
      {kQ4_0, 4.5, 0},       {kQ4_1, 5, 0},
      {kQ5_0, 5.5, 0},       {kQ5_1, 6, 0},
      {kIq4Nl, 4.5, 0},      {kMxFp4, 4.25, 0},
      {kQ2_K, 2.625, 0},     {kQ3_K, 3.4375, 0.125},
      {kQ4_K, 4.5, 0.125},   {kQ5_K, 5.5, 0.125},
      {kQ6_K, 6.5625, 0.01}, {kIq4Xs, 4.25, 0.07},
      {kNf4, 4.5, 0},        {kFp8, 8, 0.125},
      {kInt8, 8, 0.125},     {AffineFormat(4, 128, ZeroType::kCode), 4.15625, 0.16},
  };
  for (const Case& c : cases) {
    const auto packed =
        PackWeight(TensorSource(RandomTensor(c.format, 32, 512, 1)), *kernels, pool);
    ASSERT_TRUE(packed.ok());
    const double bits = packed->bytes() * 8.0 / (32 * 512);
    EXPECT_GE(bits, c.file_bits) << FormatName(c.format);
    EXPECT_LE(bits, c.file_bits + c.extra) << FormatName(c.format);
  }
}

// The byte order that kernels/README.md promises, spelled out for one format of each kind.
TEST(PackRows32, ByteOrder) {
  QuantTensor t = RandomTensor(kQ5_1, 32, 64, 9);
  std::vector<uint8_t> group(Rows32GroupBytes(PackedFormat::kQ5_1, 64, 32));
  ASSERT_EQ(group.size(), 2 * (64 + 64 + 512 + 128));
  PackRows32(PackedFormat::kQ5_1, t, 0, group.data());
  for (int row = 0; row < 32; ++row) {
    for (int k = 0; k < 64; ++k) {
      const uint8_t* const block = group.data() + 4 * 64 + k / 32 * 640;
      const int j = k % 32 / 4, byte = row / 16 * 64 + 4 * (row % 16) + k % 4;
      const int nibble = block[j % 4 * 128 + byte] >> j / 4 * 4 & 15;
      const int fifth = block[512 + byte] >> j & 1;
      EXPECT_EQ(t.codes[row * 64 + k], nibble | fifth << 4);
    }
    for (int set = 0; set < 2; ++set) {
      const uint8_t* const scale = group.data() + 64 * set + 2 * row;
      EXPECT_EQ(HalfToFloat(scale[0] | scale[1] << 8), t.scales[row * 2 + set]);
      EXPECT_EQ(HalfToFloat(scale[128] | scale[129] << 8), t.mins[row * 2 + set]);
    }
  }
  t = RandomTensor(kQ6_K, 32, 256, 9);
  group.assign(Rows32GroupBytes(PackedFormat::kQ6_K, 256, 16), 0);
  ASSERT_EQ(group.size(), 64 + 16 * 32 + 8 * (512 + 256));
  PackRows32(PackedFormat::kQ6_K, t, 0, group.data());
  for (int row = 0; row < 32; ++row) {
    EXPECT_EQ(HalfToFloat(group[2 * row] | group[2 * row + 1] << 8), t.scales[row]);
    for (int k = 0; k < 256; ++k) {
      const uint8_t* const block = group.data() + 64 + 512 + k / 32 * 768;
      const int j = k % 32 / 4, byte = row / 16 * 64 + 4 * (row % 16) + k % 4;
      const int nibble = block[j % 4 * 128 + byte] >> j / 4 * 4 & 15;
      const int high = block[512 + j % 2 * 128 + byte] >> j / 2 * 2 & 3;
      EXPECT_EQ(t.codes[row * 256 + k], nibble | high << 4);
    }
    for (int set = 0; set < 16; ++set) {
      EXPECT_EQ(static_cast<int8_t>(group[64 + 32 * set + row]), t.sub_scales[row * 16 + set]);
    }
  }
}

// Scales and mins of 6 bits.
TEST(PackRows32, ByteOrderOfSixBits) {
  QuantTensor t = RandomTensor(kQ4_K, 32, 256, 9);
  std::vector<uint8_t> group(Rows32GroupBytes(PackedFormat::kQ4_K, 256, 32));
  ASSERT_EQ(group.size(), 2 * 64 + 8 * 32 + 4 * 32 + 8 * 512);
  PackRows32(PackedFormat::kQ4_K, t, 0, group.data());
  for (int row = 0; row < 32; ++row) {
    for (int set = 0; set < 8; ++set) {
      const int low = group[128 + 32 * set + row];
      const int high = group[128 + 256 + 32 * (set % 4) + row] >> set / 4 * 2;
      EXPECT_EQ(t.sub_scales[row * 8 + set], (low & 15) | (high & 3) << 4);
      EXPECT_EQ(t.sub_mins[row * 8 + set], low >> 4 | (high >> 4 & 3) << 4);
    }
  }
  t = RandomTensor(kIq4Xs, 32, 256, 9);
  group.assign(Rows32GroupBytes(PackedFormat::kIq4Xs, 256, 32), 0);
  ASSERT_EQ(group.size(), 64 + 4 * 32 + 2 * 32 + 8 * 512);
  PackRows32(PackedFormat::kIq4Xs, t, 0, group.data());
  for (int row = 0; row < 32; ++row) {
    for (int set = 0; set < 8; ++set) {
      const int low = group[64 + 32 * (set % 4) + row] >> set / 4 * 4 & 15;
      const int high = group[64 + 128 + 32 * (set % 2) + row] >> set / 2 * 2 & 3;
      EXPECT_EQ(t.sub_scales[row * 8 + set], (low | high << 4) - 32);
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
  unknown.bits = 7;
  const auto none = PackWeight(TensorSource(RandomTensor(unknown, 16, 64, 1)), *kernels, pool);
  EXPECT_EQ(none.status().code(), absl::StatusCode::kUnimplemented);
  EXPECT_THAT(std::string(none.status().message()), HasSubstr("INT7-g32-f16scale"));

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
