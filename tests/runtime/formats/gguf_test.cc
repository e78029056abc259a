#include "runtime/formats/gguf.h"

#include <limits>
#include <map>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/formats/scheme_table.h"
#include "tests/runtime/formats/gguf_builder.h"
#include "tests/support/test_data.h"

namespace quantd {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

/// Keeps the bytes that the parsed file points into.
struct Parsed {
  explicit Parsed(const GgufBuilder& builder) {
    const std::string built = builder.Bytes();
    bytes.assign(built.begin(), built.end());
    absl::StatusOr<std::unique_ptr<GgufFile>> parsed = GgufFile::Parse(bytes, "memory.gguf");
    EXPECT_TRUE(parsed.ok()) << parsed.status();
    file = std::move(parsed).value();
  }
  std::vector<uint8_t> bytes;
  std::unique_ptr<GgufFile> file;
};

GgufBuilder EveryValueType() {
  GgufBuilder file;
  file.keys = {
      RawKey("u8", 0, Raw<uint8_t>(255)),
      RawKey("i8", 1, Raw<int8_t>(-128)),
      RawKey("u16", 2, Raw<uint16_t>(65535)),
      RawKey("i16", 3, Raw<int16_t>(-32768)),
      RawKey("u32", 4, Raw<uint32_t>(4294967295u)),
      RawKey("i32", 5, Raw<int32_t>(-2147483647 - 1)),
      RawKey("f32", 6, Raw<float>(0.25f)),
      RawKey("yes", 7, Raw<uint8_t>(1)),
      RawKey("no", 7, Raw<uint8_t>(0)),
      RawKey("string", 8, RawString("h\xc3\xa9llo")),
      RawKey("u64", 10, Raw<uint64_t>(~uint64_t{0})),
      RawKey("i64", 11, Raw<int64_t>(std::numeric_limits<int64_t>::min())),
      RawKey("f64", 12, Raw<double>(1e300)),
      RawKey("plus", 11, Raw<int64_t>(7)),
      RawKey("strings", 9, RawArray(8, 3, RawString("a") + RawString("") + RawString("b"))),
      RawKey("floats", 9, RawArray(6, 2, Raw(1.5f) + Raw(-2.0f))),
      RawKey("doubles", 9, RawArray(12, 1, Raw(0.5))),
      RawKey("huge doubles", 9, RawArray(12, 1, Raw(1e300))),
      RawKey("ints", 9, RawArray(5, 2, Raw<int32_t>(-1) + Raw<int32_t>(6))),
      RawKey("bytes", 9, RawArray(1, 2, Raw<int8_t>(-1) + Raw<int8_t>(2))),
      RawKey("big ints", 9, RawArray(4, 1, Raw<uint32_t>(1u << 31))),
      RawKey("empty", 9, RawArray(8, 0, ""))};
  return file;
}

TEST(GgufFile, ReadsEveryValueTypeAtItsExtremes) {
  const Parsed parsed(EveryValueType());
  const GgufFile& file = *parsed.file;
  EXPECT_EQ(*file.Uint("u8"), 255u);
  EXPECT_EQ(*file.Uint("u16"), 65535u);
  EXPECT_EQ(*file.Uint("u32"), 4294967295u);
  EXPECT_EQ(*file.Uint("u64"), ~uint64_t{0});
  EXPECT_EQ(*file.Uint("plus"), 7u);
  EXPECT_EQ(std::get<int64_t>(file.Find("i8")->value), -128);
  EXPECT_EQ(std::get<int64_t>(file.Find("i16")->value), -32768);
  EXPECT_EQ(std::get<int64_t>(file.Find("i32")->value), std::numeric_limits<int32_t>::min());
  EXPECT_EQ(std::get<int64_t>(file.Find("i64")->value), std::numeric_limits<int64_t>::min());
  EXPECT_EQ(*file.Float("f32"), 0.25);
  EXPECT_EQ(*file.Float("f64"), 1e300);
  EXPECT_EQ(*file.OptionalBool("yes"), true);
  EXPECT_EQ(*file.OptionalBool("no"), false);
  EXPECT_EQ(*file.String("string"), "h\xc3\xa9llo");
  EXPECT_THAT((*file.OptionalStringArray("strings"))->strings, ElementsAre("a", "", "b"));
  EXPECT_THAT(**file.OptionalFloatArray("floats"), ElementsAre(1.5f, -2.0f));
  EXPECT_THAT(**file.OptionalFloatArray("doubles"), ElementsAre(0.5f));
  EXPECT_THAT(**file.OptionalIntArray("ints"), ElementsAre(-1, 6));
  EXPECT_THAT(**file.OptionalIntArray("bytes"), ElementsAre(-1, 2));
  EXPECT_EQ((*file.OptionalStringArray("empty"))->count, 0u);
}

TEST(GgufFile, AbsentKeysAreNulloptOrNamed) {
  const Parsed parsed(EveryValueType());
  const GgufFile& file = *parsed.file;
  EXPECT_EQ(*file.OptionalUint("absent"), std::nullopt);
  EXPECT_EQ(*file.OptionalFloat("absent"), std::nullopt);
  EXPECT_EQ(*file.OptionalBool("absent"), std::nullopt);
  EXPECT_EQ(*file.OptionalString("absent"), std::nullopt);
  EXPECT_EQ(*file.OptionalStringArray("absent"), nullptr);
  EXPECT_EQ(*file.OptionalFloatArray("absent"), std::nullopt);
  EXPECT_EQ(*file.OptionalIntArray("absent"), std::nullopt);
  for (const absl::Status& status : {file.Uint("absent").status(), file.Float("absent").status(),
                                     file.String("absent").status()}) {
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
    EXPECT_EQ(status.message(), "memory.gguf: absent: the key is missing");
  }
}

TEST(GgufFile, WrongTypesNameKeyFileAndBothTypes) {
  const Parsed parsed(EveryValueType());
  const GgufFile& file = *parsed.file;
  const std::vector<std::pair<absl::Status, std::string>> cases = {
      {file.Uint("i8").status(), "i8: -128 must not be negative"},
      {file.Uint("f32").status(), "f32: expected an unsigned integer, found f32"},
      {file.Uint("yes").status(), "yes: expected an unsigned integer, found bool"},
      {file.Float("u8").status(), "u8: expected a float, found u8"},
      {file.OptionalBool("u8").status(), "u8: expected a bool, found u8"},
      {file.String("strings").status(), "strings: expected a string, found array"},
      {file.OptionalStringArray("string").status(), "string: expected an array, found string"},
      {file.OptionalStringArray("ints").status(), "array of strings, found one of i32"},
      {file.OptionalFloatArray("ints").status(), "array of floats, found one of i32"},
      {file.OptionalFloatArray("huge doubles").status(), "element 0 (1e+300) is out of range"},
      {file.OptionalIntArray("floats").status(), "array of integers, found one of f32"},
      {file.OptionalIntArray("strings").status(), "array of integers, found one of string"},
      {file.OptionalIntArray("big ints").status(), "element 0 (2147483648) is out of range"},
  };
  for (const auto& [status, message] : cases) {
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << message;
    EXPECT_THAT(std::string(status.message()), HasSubstr("memory.gguf: "));
    EXPECT_THAT(std::string(status.message()), HasSubstr(message));
  }
}

TEST(GgufFile, ReadsVersion2AndFilesWithoutTensors) {
  GgufBuilder builder = EveryValueType();
  builder.version = 2;
  const Parsed parsed(builder);
  EXPECT_EQ(parsed.file->version(), 2u);
  EXPECT_TRUE(parsed.file->tensors().empty());
  EXPECT_EQ(parsed.file->metadata().size(), builder.keys.size());
  EXPECT_EQ(parsed.file->part_count(), 1u);
}

TEST(GgufFile, PlacesTensorsByAlignmentInAnyOrderWithHoles) {
  for (const uint32_t alignment : {1u, 8u, 64u, 4096u}) {
    GgufBuilder builder = SmallGguf();
    builder.alignment = alignment;
    builder.keys.push_back(RawKey("general.alignment", 4, Raw(alignment)));
    const uint64_t far = 4096 * 3;  // a multiple of every alignment, with a hole before it
    builder.tensors = {{"late", {2, 2, 2, 1}, 0, far}, {"early", {8}, 0, 0}};
    builder.data = std::string(far + 32, '\0');
    builder.data.replace(0, 4, Raw(3.0f));
    builder.data.replace(far + 28, 4, Raw(-7.0f));
    const Parsed parsed(builder);
    const GgufTensor& late = *parsed.file->FindTensor("late");
    const GgufTensor& early = *parsed.file->FindTensor("early");
    EXPECT_EQ(early.offset % alignment, 0u);
    EXPECT_EQ(late.offset, early.offset + far);
    EXPECT_EQ(late.data, parsed.bytes.data() + late.offset);
    EXPECT_EQ(late.bytes, 32u);
    EXPECT_EQ(late.cols(), 2);
    EXPECT_EQ(late.rows(), 4);
    EXPECT_EQ(ReadFloats(*parsed.file, early)->front(), 3.0f);
    EXPECT_EQ(ReadFloats(*parsed.file, late)->back(), -7.0f);
  }
}

TEST(GgufFile, AcceptsBytesBehindThePaddedData) {
  GgufBuilder builder = SmallGguf();
  builder.data += "appended by some tool";
  EXPECT_EQ(Parsed(builder).file->tensors().size(), 2u);
}

TEST(GgufFile, OpenNamesAFileThatIsMissing) {
  const absl::Status status = GgufFile::Open("/nonexistent/model.gguf").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(status.message()), HasSubstr("/nonexistent/model.gguf"));
}

TEST(GgufFile, OpensTheBundledModel) {
  const auto file = GgufFile::Open(SourcePath("config/models/shakespeare-6m-Q4_0.gguf"));
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(*(*file)->String("general.architecture"), "llama");
  EXPECT_EQ(*(*file)->Uint("llama.embedding_length"), 256u);
  EXPECT_EQ((*(*file)->OptionalStringArray("tokenizer.ggml.tokens"))->count, 2048u);
  EXPECT_EQ((*file)->FindTensor("blk.5.ffn_down.weight")->shape, (std::vector<int64_t>{768, 256}));
}

TEST(GgufFile, OpensVocabularies) {
  const std::map<std::string, uint64_t> tokens = {{"vocab-llama-spm.gguf", 32000},
                                                  {"vocab-gpt-2.gguf", 50257},
                                                  {"vocab-deepseek-coder.gguf", 32256},
                                                  {"vocab-bert-bge.gguf", 30522}};
  for (const auto& [name, count] : tokens) {
    QUANTD_NEED_TEST_DATA(path, "vocab/" + name);
    const auto file = GgufFile::Open(path);
    ASSERT_TRUE(file.ok()) << file.status();
    EXPECT_TRUE((*file)->tensors().empty());
    EXPECT_EQ((*(*file)->OptionalStringArray("tokenizer.ggml.tokens"))->count, count) << name;
  }
}

}  // namespace
}  // namespace quantd
