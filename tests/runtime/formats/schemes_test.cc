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
#include "tests/runtime/formats/scheme_definitions.h"
#include "tests/support/test_data.h"

namespace quantd {

void PrintTo(const GgufScheme& scheme, std::ostream* out) { *out << scheme.name; }

namespace {

using ::testing::HasSubstr;

/// Weight of canonical rows in double, by the definition in weight_source.h.
double Canonical(const QuantTensor& rows, int64_t row, int64_t col) {
  const QuantFormat& format = rows.format;
  const int64_t at = row * rows.cols + col;
  if (format.is_float()) return rows.values[at];
  const int64_t group = at / format.group, upper = format.two_level() ? at / kSuperGroup : group;
  double scale = rows.scales[upper], min = 0;
  if (format.two_level()) scale *= rows.sub_scales[group];
  if (format.zero == ZeroType::kMin) {
    min = rows.mins[upper] * (format.two_level() ? double{rows.sub_mins[group] * 1.0} : 1.0);
  }
  const double code = rows.codes[at];
  if (format.table != CodeTable::kNone) return scale * TableValues(format.table)[rows.codes[at]];
  if (format.zero == ZeroType::kMin) return scale * code + min;
  return scale * (code - std::ldexp(1, format.bits - 1));
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
      for (const int at : definition::HalfOffsets(type())) data[block + at + 1] &= ~0x04;
      if (type() == "F32") data[block + 3] &= ~0x40;
      if (type() == "BF16") data[block + 1] &= ~0x40;
      if (type() == "MXFP4") data[block] = static_cast<char>(random() % 253);
    }
    return data;
  }

  std::vector<double> ExpectedRows(const std::string& data) const {
    std::vector<double> weights;
    const auto* bytes = reinterpret_cast<const uint8_t*>(data.data());
    for (size_t block = 0; block < data.size(); block += scheme().block_bytes) {
      for (int i = 0; i < scheme().block_weights; ++i) {
        weights.push_back(definition::Weight(type(), bytes + block, i));
      }
    }
    return weights;
  }

  std::string Encode(const std::vector<float>& weights) const {
    std::string data(scheme().RowBytes(weights.size()), '\0');
    RowEncoder(scheme()).Encode(weights.data(), weights.size(),
                                reinterpret_cast<uint8_t*>(data.data()));
    return data;
  }

  std::vector<float> EncodeAndDecode(const std::vector<float>& weights) const {
    const std::string data = Encode(weights);
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
  for (const int at : definition::HalfOffsets(type())) {
    for (const uint16_t bits : {0x7c00, 0xfc00, 0x7e00, 0x7c01, 0xffff}) {
      changes.push_back({last_block + at, Raw(bits)});
    }
  }
  if (type() == "BF16") {
    for (const uint16_t bits : {0x7f80, 0xff80, 0x7fc0}) changes.push_back({last_block, Raw(bits)});
  }
  if (type() == "F32") {
    for (const float bad : {INFINITY, -INFINITY, NAN}) changes.push_back({last_block, Raw(bad)});
  }
  if (type() == "MXFP4") {  // 255 is NaN, and 6 * 2^126 is more than a float holds
    for (const uint8_t bad : {253, 254, 255}) changes.push_back({last_block, Raw(bad)});
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
    if (type == "Q2_K") weights.push_back(15.0f / 8 * (i % 4 - 1));
    if (type == "Q3_K") weights.push_back(-0.25f * (i % 8 - 4));
    if (type == "Q4_K") weights.push_back(63.0f / 64 * (i % 16) - 63.0f / 32);
    if (type == "Q5_K") weights.push_back(63.0f / 64 * (i % 32));
    if (type == "Q6_K") weights.push_back(127.0f / 256 * (i % 16 * 4 - 32));
    if (type == "IQ4_NL" || type == "IQ4_XS") {
      weights.push_back(static_cast<float>(definition::Iq4Value(i % 16)) / 4);
    }
    if (type == "MXFP4") weights.push_back(static_cast<float>(definition::E2M1(i % 16)) * 32);
    if (type == "F32" || type == "F16" || type == "BF16") weights.push_back((i - 128) * 0x1p-20f);
  }
  if (type == "Q8_0") {
    for (int block = 0; block < 256; block += 32) weights[block + 31] = 0.25f * 127;
  }
  return weights;
}

/// What is decoded is packed into the same bytes: between the two, no bit is lost.
TEST_P(SchemeTest, PackingRestoresAnyBytes) {
  const std::string data = RandomRows(3, 5);
  const OneTensor file(scheme(), Cols(), 3, data);
  QuantTensor rows;
  ASSERT_TRUE((*OpenWeight(*file.file, file.tensor()))->Decode(0, 3, &rows).ok());
  std::string packed(data.size(), '\xff');
  for (int64_t row = 0; row < 3; ++row) {
    scheme().pack_row(rows, row,
                      reinterpret_cast<uint8_t*>(packed.data()) + row * scheme().RowBytes(Cols()));
  }
  EXPECT_EQ(packed, data);
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
  if (type == "MXFP4") return 0.032;  // half of the range has the step of 3 bits
  const int bits = type[0] == 'I' ? 4 : type[1] - '0';
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
    // MXFP4 has nothing between 3 and 4 (times a power of two).
    const double step = scheme().format.is_float() ? 0.01 : type() == "MXFP4" ? 0.15 : 0.1;
    for (const float decoded : EncodeAndDecode(std::vector<float>(256, constant))) {
      ASSERT_NEAR(decoded, constant, step * std::fabs(constant) + 0x1p-21);
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
    ASSERT_EQ(gguf::IsFiniteHalf(half), std::isfinite(definition::Half(half)));
    if (!gguf::IsFiniteHalf(half)) continue;
    ASSERT_EQ(gguf::FiniteHalfToFloat(half), definition::Half(half)) << bits;
    ASSERT_EQ(std::signbit(gguf::FiniteHalfToFloat(half)), bits >> 15 == 1) << bits;
  }
}

TEST(OpenWeight, RefusesMoreThanThreeDimensionsAndReadsOne) {
  GgufBuilder builder;
  builder.tensors = {
      {"tesseract", {2, 2, 2, 2}, 0, 0}, {"vector", {8}, 0, 64}, {"experts", {2, 2, 2}, 0, 96}};
  builder.data = std::string(128, '\0');
  const std::string built = builder.Bytes();
  const std::vector<uint8_t> bytes(built.begin(), built.end());
  const auto file = GgufFile::Parse(bytes, "memory.gguf");
  ASSERT_TRUE(file.ok()) << file.status();
  const absl::Status status = OpenWeight(**file, (*file)->tensors()[0]).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("memory.gguf: tensor tesseract: expected 1 to 3"));
  EXPECT_EQ(ReadFloats(**file, (*file)->tensors()[0])->size(), 16u);
  EXPECT_EQ((*OpenWeight(**file, (*file)->tensors()[1]))->rows(), 1);
  EXPECT_EQ((*OpenWeight(**file, (*file)->tensors()[2]))->rows(), 4);  // of all experts
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

/// A quantized model beside the one in F16 that another program made it from: no weight is further
/// from its original than the type's step allows.
void ExpectCloseToF16(const std::string& path) {
  const auto original = GgufFile::Open(SourcePath("config/models/shakespeare-6m-f16.gguf"));
  ASSERT_TRUE(original.ok()) << original.status();
  const auto file = GgufFile::Open(path);
  ASSERT_TRUE(file.ok()) << file.status();
  int compared = 0;
  for (const GgufTensor& tensor : (*file)->tensors()) {
    const GgufTensor* other = (*original)->FindTensor(tensor.name);
    ASSERT_NE(other, nullptr) << tensor.name;
    ASSERT_EQ(tensor.shape, other->shape);
    const std::vector<float> weights = *ReadFloats(**original, *other);
    QuantTensor rows;
    ASSERT_TRUE((*OpenWeight(**file, tensor))->Decode(0, tensor.rows(), &rows).ok());
    const QuantFormat& format = rows.format;
    if (format.is_float()) continue;
    ++compared;
    // Symmetric types cut off the far end (a whole step), all round (half a step); on top comes the
    // rounding of the scale, up to 2^-11 of it for each of 2^(bits-1) steps. Two-level scales are
    // rounded more coarsely, and fitted to the bulk of the weights, not to the outermost.
    const double steps = (format == kQ4_0 ? 1.0 : 0.5) + std::ldexp(1.0, format.bits - 12) +
                         (format.two_level() ? 2.0 : 0.0);
    double squares = 0, allowed = 0;
    for (size_t i = 0; i < weights.size(); ++i) {
      const int64_t row = i / rows.cols, col = i % rows.cols;
      const double error = std::fabs(Canonical(rows, row, col) - weights[i]);
      const double step = std::fabs(rows.Scale(row, col / format.group));
      ASSERT_LE(error, steps * step + 1e-7) << tensor.name << " " << i;
      squares += error * error;
      allowed += step * step / 12;
    }
    // On average a weight is as far away as even steps make it, or little more.
    EXPECT_LE(squares, 1.6 * allowed) << tensor.name;
  }
  EXPECT_GT(compared, 40) << path;
}

TEST(Schemes, BundledQuantizedModelsAreCloseToF16) {
  for (const std::string name : {"Q8_0", "Q4_0", "Q4_K_M"}) {
    ExpectCloseToF16(SourcePath("config/models/shakespeare-6m-" + name + ".gguf"));
  }
}

TEST(Schemes, TwoBitModelIsCloseToF16) {
  QUANTD_NEED_TEST_DATA(path, "models/shakespeare-6m-Q2_K.gguf");
  ExpectCloseToF16(path);
}

}  // namespace
}  // namespace quantd
