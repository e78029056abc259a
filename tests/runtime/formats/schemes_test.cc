// The tensor types against an independent implementation of the format's description: one weight at
// a time, in double, straight from the bytes.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "kernels/base/float16.h"
#include "runtime/formats/scheme_table.h"
#include "runtime/formats/schemes.h"
#include "tests/runtime/formats/gguf_builder.h"
#include "tests/support/test_data.h"

namespace quantd {

void PrintTo(const GgufScheme& scheme, std::ostream* out) { *out << scheme.name; }

namespace {

using ::testing::HasSubstr;

/// Value of a half by the definition of the interchange format.
double Half(uint16_t bits) {
  const int exponent = bits >> 10 & 31, fraction = bits & 1023;
  const double sign = bits >> 15 ? -1 : 1;
  if (exponent == 31) return fraction ? std::nan("") : sign * INFINITY;
  if (exponent == 0) return sign * std::ldexp(fraction, -24);
  return sign * std::ldexp(1024 + fraction, exponent - 25);
}

double HalfAt(const uint8_t* bytes) { return Half(bytes[0] | bytes[1] << 8); }

int Nibble(const uint8_t* bytes, int i) {  // i < 16: low nibbles; then the high ones
  return i < 16 ? bytes[i] % 16 : bytes[i - 16] / 16;
}

int Bit(const uint8_t* bytes, int i) { return bytes[i / 8] >> i % 8 & 1; }

int Q6Code(const uint8_t* block, int i) {
  const int half = i / 128, l = i % 32, part = i / 32 % 4;
  const uint8_t* ql = block + 64 * half;
  const int two = block[128 + 32 * half + l] >> 2 * part & 3;
  const int four = part == 0   ? ql[l] & 15
                   : part == 1 ? ql[l + 32] & 15
                   : part == 2 ? ql[l] >> 4
                               : ql[l + 32] >> 4;
  return two * 16 + four;
}

/// Weight i of one block of the named type.
double Expected(const std::string& type, const uint8_t* block, int i) {
  if (type == "F32") {
    float value;
    std::memcpy(&value, block, 4);
    return value;
  }
  if (type == "F16") return HalfAt(block);
  if (type == "BF16") {
    const uint32_t bits = static_cast<uint32_t>(block[0] | block[1] << 8) << 16;
    float value;
    std::memcpy(&value, &bits, 4);
    return value;
  }
  const double d = HalfAt(block);
  if (type == "Q8_0") return d * static_cast<int8_t>(block[2 + i]);
  if (type == "Q4_0") return d * (Nibble(block + 2, i) - 8);
  if (type == "Q4_1") return d * Nibble(block + 4, i) + HalfAt(block + 2);
  if (type == "Q5_0") return d * (Nibble(block + 6, i) + 16 * Bit(block + 2, i) - 16);
  if (type == "Q5_1")
    return d * (Nibble(block + 8, i) + 16 * Bit(block + 4, i)) + HalfAt(block + 2);
  if (type == "Q6_K") {
    const int scale = static_cast<int8_t>(block[192 + i / 16]);
    return HalfAt(block + 208) * scale * (Q6Code(block, i) - 32);
  }
  ADD_FAILURE() << "no independent decoder for " << type;
  return 0;
}

/// Where a block holds its halves of scale and minimum.
std::vector<int> ScaleOffsets(const std::string& type) {
  if (type == "F32") return {};
  if (type == "Q4_1" || type == "Q5_1") return {0, 2};
  return {type == "Q6_K" ? 208 : 0};
}

/// Weight of canonical rows in double, by the definition in quant_format.h.
double Canonical(const QuantTensor& rows, int64_t row, int64_t col) {
  const QuantFormat& format = rows.format;
  if (format.is_float()) return rows.values[row * rows.cols + col];
  const int64_t group = (row * rows.cols + col) / format.group;
  const double code = rows.codes[row * rows.cols + col];
  if (format.zero == ZeroType::kMin) return rows.scales[group] * code + double{rows.mins[group]};
  return rows.scales[group] * (code - std::ldexp(1, format.bits - 1));
}

/// A file with one tensor "w" of the scheme.
struct OneTensor {
  OneTensor(const GgufScheme& scheme, uint64_t k, uint64_t n, const std::string& data) {
    GgufBuilder builder;
    builder.tensors = {{"w", {k, n}, scheme.type_id, 0}};
    builder.data = data;
    const std::string built = builder.Bytes();
    bytes.assign(built.begin(), built.end());
    auto parsed = GgufFile::Parse(bytes, "memory.gguf");
    EXPECT_TRUE(parsed.ok()) << parsed.status();
    file = std::move(parsed).value();
  }
  const GgufTensor& tensor() const { return file->tensors()[0]; }
  std::vector<uint8_t> bytes;
  std::unique_ptr<GgufFile> file;
};

class SchemeTest : public ::testing::TestWithParam<GgufScheme> {
 protected:
  const GgufScheme& scheme() const { return GetParam(); }
  std::string type() const { return scheme().name; }
  int64_t Cols() const { return scheme().block_weights == 256 ? 512 : 96; }

  /// Random bytes whose scales and float weights are finite.
  std::string RandomRows(int64_t rows, uint32_t seed) const {
    std::mt19937 random(seed);
    std::string data(rows * scheme().RowBytes(Cols()), '\0');
    for (char& byte : data) byte = static_cast<char>(random());
    for (size_t block = 0; block < data.size(); block += scheme().block_bytes) {
      for (const int at : ScaleOffsets(type())) data[block + at + 1] &= ~0x04;
      if (type() == "F32") data[block + 3] &= ~0x40;
    }
    return data;
  }

  std::vector<double> ExpectedRows(const std::string& data) const {
    std::vector<double> weights;
    const auto* bytes = reinterpret_cast<const uint8_t*>(data.data());
    for (size_t block = 0; block < data.size(); block += scheme().block_bytes) {
      for (int i = 0; i < scheme().block_weights; ++i) {
        weights.push_back(Expected(type(), bytes + block, i));
      }
    }
    return weights;
  }

  std::vector<float> EncodeAndDecode(const std::vector<float>& weights) const {
    std::string data(scheme().RowBytes(weights.size()), '\0');
    scheme().encode_row(weights.data(), weights.size(), reinterpret_cast<uint8_t*>(data.data()));
    const OneTensor file(scheme(), weights.size(), 1, data);
    const auto floats = ReadFloats(*file.file, file.tensor());
    EXPECT_TRUE(floats.ok()) << floats.status();
    return floats.value_or(std::vector<float>());
  }
};

TEST_P(SchemeTest, DecodesAnyBytesAsTheFormatSays) {
  for (uint32_t seed = 0; seed < 20; ++seed) {
    const std::string data = RandomRows(5, seed);
    const std::vector<double> expected = ExpectedRows(data);
    const OneTensor file(scheme(), Cols(), 5, data);
    const auto source = OpenWeight(*file.file, file.tensor());
    ASSERT_TRUE(source.ok()) << source.status();
    EXPECT_EQ((*source)->format(), scheme().format);
    EXPECT_EQ((*source)->rows(), 5);
    EXPECT_EQ((*source)->cols(), Cols());
    QuantTensor slab;
    for (const auto& [begin, count] : std::vector<std::pair<int64_t, int64_t>>{{0, 5}, {3, 2}}) {
      ASSERT_TRUE((*source)->Decode(begin, count, &slab).ok());
      ASSERT_EQ(slab.rows, count);
      for (int64_t row = 0; row < count; ++row) {
        for (int64_t col = 0; col < Cols(); ++col) {
          ASSERT_EQ(Canonical(slab, row, col), expected[(begin + row) * Cols() + col])
              << "row " << begin + row << " col " << col;
        }
      }
    }
    EXPECT_TRUE((*source)->Decode(5, 0, &slab).ok());
    const auto floats = ReadFloats(*file.file, file.tensor());
    ASSERT_TRUE(floats.ok()) << floats.status();
    ASSERT_EQ(floats->size(), expected.size());
    for (size_t i = 0; i < expected.size(); ++i) {
      ASSERT_EQ((*floats)[i], static_cast<float>(expected[i])) << i;
    }
  }
}

TEST_P(SchemeTest, RefusesNumbersThatAreNotFiniteNamingTheRow) {
  const std::string good = RandomRows(3, 7);
  const size_t row_bytes = scheme().RowBytes(Cols());
  const size_t last_block = 2 * row_bytes - scheme().block_bytes;  // of row 1
  std::vector<std::pair<size_t, std::string>> changes;
  for (const int at : ScaleOffsets(type())) {
    for (const uint16_t bits : {0x7c00, 0xfc00, 0x7e00, 0x7c01, 0xffff}) {
      const uint16_t stored = type() == "BF16" && bits == 0x7c00   ? 0x7f80
                              : type() == "BF16" && bits == 0xfc00 ? 0xff80
                              : type() == "BF16"                   ? 0x7fc0
                                                                   : bits;
      changes.push_back({last_block + at, Raw(stored)});
    }
  }
  if (type() == "F32") {
    for (const float bad : {INFINITY, -INFINITY, NAN}) changes.push_back({last_block, Raw(bad)});
  }
  ASSERT_FALSE(changes.empty());
  for (const auto& [at, stored] : changes) {
    std::string data = good;
    data.replace(at, stored.size(), stored);
    const OneTensor file(scheme(), Cols(), 3, data);
    const auto source = OpenWeight(*file.file, file.tensor());
    QuantTensor slab;
    EXPECT_TRUE((*source)->Decode(0, 1, &slab).ok());
    for (const absl::Status& status :
         {(*source)->Decode(0, 3, &slab), ReadFloats(*file.file, file.tensor()).status()}) {
      EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
      EXPECT_THAT(std::string(status.message()), HasSubstr("memory.gguf: tensor w: row 1 "));
    }
  }
}

/// The codes a block can hold, times a scale that the type stores exactly.
std::vector<float> ExactWeights(const std::string& type) {
  std::vector<float> weights;
  for (int i = 0; i < 256; ++i) {
    if (type == "Q8_0") weights.push_back(0.25f * std::max(i % 32 * 8 - 127, -127));
    if (type == "Q4_0") weights.push_back(-0.5f * (i % 16 - 8));
    if (type == "Q4_1") weights.push_back(0.5f * (i % 16) - 3);
    if (type == "Q5_0") weights.push_back(2.0f * (i % 32 - 16));
    if (type == "Q5_1") weights.push_back(2.0f * (i % 32) + 100);
    if (type == "Q6_K") weights.push_back(127.0f / 256 * (i % 16 * 4 - 32));
    if (type == "F32" || type == "F16" || type == "BF16") weights.push_back((i - 128) * 0x1p-20f);
  }
  if (type == "Q8_0") {
    for (int block = 0; block < 256; block += 32) weights[block + 31] = 0.25f * 127;
  }
  return weights;
}

TEST_P(SchemeTest, EncodesRepresentableWeightsExactly) {
  EXPECT_EQ(EncodeAndDecode(ExactWeights(type())), ExactWeights(type()));
}

/// Root mean square error of uniform weights in [-1, 1], in units of the range. A quantizer of 2^b
/// even steps has 1 / (2^b sqrt(12)); half of that again is allowed for scales rounded to halves.
double AllowedError(const std::string& type) {
  if (type == "F32") return 0;
  if (type == "F16") return 0x1p-12;
  if (type == "BF16") return 0x1p-9;
  const int bits = type[1] - '0';
  return 1.5 / ((1 << bits) * std::sqrt(12.0));
}

TEST_P(SchemeTest, EncodesRandomWeightsWithinTheStep) {
  std::mt19937 random(11);
  std::uniform_real_distribution<float> uniform(-1, 1);
  for (const float magnitude : {1e-3f, 1.0f, 1e3f}) {
    std::vector<float> weights(256 * 20);
    for (float& weight : weights) weight = magnitude * uniform(random);
    const std::vector<float> decoded = EncodeAndDecode(weights);
    ASSERT_EQ(decoded.size(), weights.size());
    double sum = 0;
    for (size_t i = 0; i < weights.size(); ++i) sum += std::pow(decoded[i] - weights[i], 2);
    const double error = std::sqrt(sum / weights.size()) / (2 * magnitude);
    EXPECT_LE(error, AllowedError(type())) << "magnitude " << magnitude;
  }
}

TEST_P(SchemeTest, EncodesZeroConstantAndExtremeBlocks) {
  EXPECT_EQ(EncodeAndDecode(std::vector<float>(256, 0.0f)), std::vector<float>(256, 0.0f));
  for (const float constant : {-3.5f, 1.0f, 1e-7f}) {
    const double step = scheme().format.is_float() ? 0.01 : 0.1;
    for (const float decoded : EncodeAndDecode(std::vector<float>(256, constant))) {
      EXPECT_NEAR(decoded, constant, step * std::fabs(constant) + 0x1p-21);
    }
  }
  if (type() == "F16") return;  // a half has no room for what follows, and no scale
  std::vector<float> huge(256, 1e38f);
  huge[1] = -1e38f;
  for (const float decoded : EncodeAndDecode(huge)) EXPECT_TRUE(std::isfinite(decoded));
}

std::string SchemeName(const ::testing::TestParamInfo<GgufScheme>& info) { return info.param.name; }

INSTANTIATE_TEST_SUITE_P(All, SchemeTest, ::testing::ValuesIn(GgufSchemes()), SchemeName);

TEST(SchemeTable, RowsAreConsistentAndFound) {
  for (const GgufScheme& scheme : GgufSchemes()) {
    EXPECT_EQ(FindGgufScheme(scheme.type_id), &scheme);
    EXPECT_EQ(FindGgufScheme(absl::string_view(scheme.name)), &scheme);
    EXPECT_STREQ(KnownGgufTypeName(scheme.type_id), scheme.name);
    EXPECT_EQ(FormatName(scheme.format), scheme.name);
    EXPECT_EQ(scheme.block_weights % scheme.format.group, 0);
    EXPECT_THAT(SupportedGgufTypes(), HasSubstr(scheme.name));
  }
  EXPECT_EQ(FindGgufScheme(absl::string_view("q4_0"))->type_id, 2u);
  EXPECT_EQ(FindGgufScheme(absl::string_view("Q4")), nullptr);
  for (const uint32_t removed : {4u, 5u, 31u, 36u, 41u, 0xffffffffu}) {
    EXPECT_EQ(KnownGgufTypeName(removed), nullptr);
    EXPECT_EQ(FindGgufScheme(removed), nullptr);
  }
  EXPECT_STREQ(KnownGgufTypeName(16), "IQ2_XXS");
  EXPECT_STREQ(KnownGgufTypeName(39), "MXFP4");
}

TEST(Schemes, EveryFiniteHalfHasItsValue) {
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    const uint16_t half = static_cast<uint16_t>(bits);
    ASSERT_EQ(gguf::IsFiniteHalf(half), std::isfinite(Half(half)));
    if (!gguf::IsFiniteHalf(half)) continue;
    ASSERT_EQ(gguf::FiniteHalfToFloat(half), Half(half)) << bits;
    ASSERT_EQ(std::signbit(gguf::FiniteHalfToFloat(half)), bits >> 15 == 1) << bits;
  }
}

TEST(OpenWeight, RefusesMoreThanTwoDimensionsAndReadsOne) {
  GgufBuilder builder;
  builder.tensors = {{"cube", {2, 2, 2}, 0, 0}, {"vector", {8}, 0, 32}};
  builder.data = std::string(64, '\0');
  const std::string built = builder.Bytes();
  const std::vector<uint8_t> bytes(built.begin(), built.end());
  const auto file = GgufFile::Parse(bytes, "memory.gguf");
  ASSERT_TRUE(file.ok()) << file.status();
  const absl::Status status = OpenWeight(**file, (*file)->tensors()[0]).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("memory.gguf: tensor cube: expected 1 or 2"));
  EXPECT_EQ(ReadFloats(**file, (*file)->tensors()[0])->size(), 8u);
  EXPECT_EQ((*OpenWeight(**file, (*file)->tensors()[1]))->rows(), 1);
}

TEST(OpenWeight, SeesThatTheFileWasCutOff) {
  const TemporaryFolder folder;
  const std::string path = folder.Write("model.gguf", SmallGguf().Bytes());
  const auto file = GgufFile::Open(path);
  ASSERT_TRUE(file.ok()) << file.status();
  const GgufTensor& tensor = (*file)->tensors()[1];
  const auto source = OpenWeight(**file, tensor);
  QuantTensor slab;
  ASSERT_TRUE((*source)->Decode(0, 3, &slab).ok());
  ASSERT_EQ(truncate(path.c_str(), 100), 0);
  for (const absl::Status& status :
       {(*source)->Decode(0, 3, &slab), ReadFloats(**file, tensor).status()}) {
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
    EXPECT_THAT(std::string(status.message()), HasSubstr(path + ": tensor second: "));
  }
}

/// Each quantized model beside the one in F16 that another program made it from: no weight is
/// further from its original than the type's step allows.
TEST(Schemes, BundledQuantizedModelsAreCloseToF16) {
  const auto original = GgufFile::Open(SourcePath("config/models/shakespeare-6m-f16.gguf"));
  ASSERT_TRUE(original.ok()) << original.status();
  for (const std::string name : {"Q8_0", "Q4_0"}) {
    const auto file = GgufFile::Open(SourcePath("config/models/shakespeare-6m-" + name + ".gguf"));
    ASSERT_TRUE(file.ok()) << file.status();
    int compared = 0;
    for (const GgufTensor& tensor : (*file)->tensors()) {
      const GgufTensor* other = (*original)->FindTensor(tensor.name);
      ASSERT_NE(other, nullptr) << tensor.name;
      ASSERT_EQ(tensor.shape, other->shape);
      const std::vector<float> weights = *ReadFloats(**original, *other);
      QuantTensor rows;
      ASSERT_TRUE((*OpenWeight(**file, tensor))->Decode(0, tensor.rows(), &rows).ok());
      if (rows.format.is_float()) continue;
      ++compared;
      // Q4_0 cuts off the far end (a whole step), the others round (half a step); on top comes the
      // rounding of the scale, up to 2^-11 of it for each of 2^(bits-1) steps.
      const double steps = (rows.format == kQ4_0 ? 1.0 : 0.5) +
                           std::ldexp(1.0, rows.format.bits - 12) +
                           (rows.format == kQ6_K ? 1.0 : 0.0);
      for (size_t i = 0; i < weights.size(); ++i) {
        const double decoded = Canonical(rows, i / rows.cols, i % rows.cols);
        const double step = std::fabs(rows.scales[i / rows.format.group]);
        ASSERT_LE(std::fabs(decoded - weights[i]), steps * step + 1e-7) << tensor.name << " " << i;
      }
    }
    EXPECT_GT(compared, 40) << name;
  }
}

}  // namespace
}  // namespace quantd
