// Every way a safetensors file can be broken: the parser must answer with a status that names the
// file and the field.

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/formats/safetensors.h"
#include "tests/runtime/formats/safetensors_builder.h"

namespace quantd {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

/// Parses a copy that ends exactly where the bytes do, so that a sanitizer sees any read beyond.
absl::Status ParseStatus(const std::string& bytes) {
  const std::vector<uint8_t> copy(bytes.begin(), bytes.end());
  return SafetensorsFile::Parse(copy, "bad.safetensors").status();
}

struct BadFile {
  const char* name;
  std::string bytes;
  const char* field;  ///< what follows the path in the message
  const char* what;   ///< part of the explanation
};

void PrintTo(const BadFile& bad, std::ostream* out) { *out << bad.name; }

std::string Header(const std::string& header) { return RawSafetensors(header, ""); }

/// Two tensors of 8 bytes, of which the second is described by `entry`.
std::string SecondTensor(const std::string& entry) {
  return RawSafetensorsOf({RawEntry("first", "F32", "[2]", "[0,8]"), entry}, std::string(16, 'x'));
}

/// The same, where only the shape of the second differs.
std::string SecondShape(const std::string& shape) {
  return SecondTensor(RawEntry("second", "F32", shape, "[8,16]"));
}

std::string SecondOffsets(const std::string& offsets) {
  return SecondTensor(RawEntry("second", "F32", "[2]", offsets));
}

std::vector<BadFile> BadHeaders() {
  const std::string good = SecondOffsets("[8,16]");
  return {
      {"Empty", "", "header length", "ends at byte 0"},
      {"SevenBytes", std::string(7, '\0'), "header length", "ends at byte 7"},
      {"LengthMinus1", Raw(~uint64_t{0}) + "{}", "header length", "18446744073709551615 exceeds"},
      {"LengthAboveLimit", Raw<uint64_t>(100'000'001) + "{}", "header length", "exceeds the limit"},
      {"LengthPastEnd", Raw<uint64_t>(3) + "{}", "header length", "3, but only 2 bytes follow"},
      {"LengthAtLimitPastEnd", Raw<uint64_t>(100'000'000) + "{}", "header length", "but only 2"},
      {"LengthZero", Raw<uint64_t>(0) + "{}", "header", "does not begin with"},
      {"GgufFile", "GGUF" + Raw<uint32_t>(3) + std::string(64, '\0'), "header length",
       "no safetensors file"},
      {"CutInHeader", good.substr(0, 40), "header length", "incomplete"},
      {"Array", Header("[]"), "header", "does not begin with"},
      {"LeadingSpace", Header(" {}"), "header", "does not begin with"},
      {"Unclosed", Header("{"), "header", "not valid JSON"},
      {"TrailingText", Header("{}x"), "header", "not valid JSON"},
      {"TrailingNul", Header(std::string("{}\0", 3)), "header", "NUL"},
      {"TwoObjects", Header("{}{}"), "header", "not valid JSON"},
      {"InvalidUtf8Name", Header("{\"\xff\xfe\":{}}"), "header", "UTF-8"},
      {"LoneSurrogate", Header("{\"\\ud800\":{}}"), "header", "surrogate"},
      {"DeepName", Header("{\"a\":" + std::string(100'000, '[')), "tensor a", "found an array"},
      {"NameTwice", SecondTensor(RawEntry("first", "F32", "[2]", "[8,16]")), "tensor first",
       "occurs twice"},
      {"MetadataTwice", Header(R"({"__metadata__":{},"__metadata__":{}})"), "__metadata__",
       "occurs twice"},
      {"MetadataKeyTwice", Header(R"({"__metadata__":{"a":"","a":""}})"), "__metadata__",
       "\"a\" occurs twice"},
      {"MetadataNumber", Header(R"({"__metadata__":{"a":1}})"), "__metadata__",
       "expected strings, found an integer"},
      {"MetadataList", Header(R"({"__metadata__":[]})"), "__metadata__", "found an array"},
      {"MetadataCut", Header(R"({"__metadata__":{"a")"), "__metadata__", "not valid JSON"},
  };
}

std::vector<BadFile> BadEntries() {
  return {
      {"EntryNull", Header(R"({"a":null})"), "tensor a", "expected an object, found null"},
      {"EntryString", Header(R"({"a":"b"})"), "tensor a", "found a string"},
      {"NoDtype", SecondTensor(R"("b":{"shape":[2],"data_offsets":[8,16]})"), "tensor b",
       "dtype is missing"},
      {"NoShape", SecondTensor(R"("b":{"dtype":"F32","data_offsets":[8,16]})"), "tensor b",
       "shape is missing"},
      {"NoOffsets", SecondTensor(R"("b":{"dtype":"F32","shape":[2]})"), "tensor b",
       "data_offsets is missing"},
      {"EmptyEntry", SecondTensor(R"("b":{})"), "tensor b", "dtype is missing"},
      {"UnknownKey", SecondTensor(R"("b":{"type":"F32"})"), "tensor b", "unknown key \"type\""},
      {"DtypeTwice", SecondTensor(R"("b":{"dtype":"F32","dtype":"F32"})"), "tensor b: dtype",
       "occurs twice"},
      {"ShapeTwice", SecondTensor(R"("b":{"shape":[],"shape":[]})"), "tensor b: shape",
       "occurs twice"},
      {"OffsetsTwice", SecondTensor(R"("b":{"data_offsets":[8,16],"data_offsets":[8,16]})"),
       "tensor b: data_offsets", "occurs twice"},
      {"UnknownDtype", SecondTensor(RawEntry("b", "Q4_0", "[2]", "[8,16]")), "tensor b: dtype",
       "unknown type \"Q4_0\""},
      {"LowerCaseDtype", SecondTensor(RawEntry("b", "f32", "[2]", "[8,16]")), "tensor b: dtype",
       "unknown type \"f32\""},
      {"DtypeNumber", SecondTensor(R"("b":{"dtype":7})"), "tensor b: dtype",
       "expected a string, found an integer"},
      {"ShapeNumber", SecondShape("2"), "tensor second: shape", "expected an array"},
      {"ShapeNull", SecondShape("null"), "tensor second: shape", "expected an array"},
      {"ShapeFloat", SecondShape("[2.0]"), "tensor second: shape", "found a float"},
      {"ShapeNegative", SecondShape("[-2]"), "tensor second: shape", "found a negative number"},
      {"Shape1e309", SecondShape("[1e309]"), "tensor second: shape", "range of double"},
      {"Shape2To63", SecondShape("[9223372036854775808]"), "tensor second: shape", "out of range"},
      {"Shape2To64", SecondShape("[18446744073709551616]"), "tensor second: shape", "a float"},
      {"ShapeString", SecondShape("[\"2\"]"), "tensor second: shape", "found a string"},
      {"ShapeNested", SecondShape("[[2]]"), "tensor second: shape", "found an array"},
      {"NineDimensions", SecondShape("[1,1,1,1,1,1,1,1,2]"), "tensor second: shape",
       "more than 8 dimensions"},
      {"ShapeOverflow", SecondShape("[4294967296,4294967296,4294967296]"), "tensor second: shape",
       "overflow"},
      {"ShapeWrapsToTheSize", SecondShape("[2305843009213693952,8,1]"), "tensor second: shape",
       "overflow"},
      {"BitsOverflow", SecondShape("[4611686018427387905]"), "tensor second: shape", "overflow"},
      {"HalfAByte", SecondTensor(RawEntry("b", "F4", "[3]", "[8,16]")), "tensor b: shape",
       "whole number of bytes"},
      {"CutInShape", Header(R"({"a":{"shape":[1)"), "tensor a: shape", "not valid JSON"},
  };
}

std::vector<BadFile> BadOffsets() {
  const std::string good = SecondOffsets("[8,16]");
  return {
      {"BeginAfterEnd", SecondOffsets("[16,8]"), "tensor second: data_offsets",
       "begin 16 lies behind end 8"},
      {"OneOffset", SecondOffsets("[8]"), "tensor second: data_offsets", "found 1"},
      {"NoOffset", SecondOffsets("[]"), "tensor second: data_offsets", "found 0"},
      {"ThreeOffsets", SecondOffsets("[8,16,24]"), "tensor second: data_offsets", "found more"},
      {"OffsetNegative", SecondOffsets("[-8,16]"), "tensor second: data_offsets", "negative"},
      {"OffsetFloat", SecondOffsets("[8.5,16]"), "tensor second: data_offsets", "found a float"},
      {"Offset1e309", SecondOffsets("[8,1e309]"), "tensor second: data_offsets", "range of double"},
      {"OffsetsObject", SecondOffsets("{}"), "tensor second: data_offsets", "found an object"},
      {"SizeTooSmall", SecondOffsets("[8,15]"), "tensor second: data_offsets",
       "7 bytes, but shape [2] of F32 takes 8"},
      {"SizeTooLarge", SecondOffsets("[8,17]"), "tensor second: data_offsets", "takes 8"},
      {"ZeroSizeWithBytes", SecondShape("[0,5]"), "tensor second: data_offsets", "takes 0"},
      {"PastEnd", SecondOffsets("[16,24]"), "tensor second: data_offsets", "past the 16 bytes"},
      {"FarPastEnd", SecondOffsets("[18446744073709551607,18446744073709551615]"),
       "tensor second: data_offsets", "past the 16 bytes"},
      {"Overlap", SecondOffsets("[4,12]"), "tensor second: data_offsets",
       "overlap those of tensor first"},
      {"SamePlace", SecondOffsets("[0,8]"), "tensor ", "overlap"},
      {"EmptyInside",
       SecondTensor(absl::StrCat(RawEntry("b", "F32", "[0]", "[4,4]"), ",",
                                 RawEntry("c", "F32", "[2]", "[8,16]"))),
       "tensor b: data_offsets", "overlap"},
      {"Hole",
       RawSafetensorsOf({RawEntry("a", "U8", "[2]", "[0,2]"), RawEntry("b", "U8", "[2]", "[3,5]")},
                        "xxxxx"),
       "tensor b: data_offsets", "the 1 bytes before its data belong to no tensor"},
      {"HoleAtTheStart", RawSafetensorsOf({RawEntry("a", "U8", "[2]", "[1,3]")}, "xxx"),
       "tensor a: data_offsets", "belong to no tensor"},
      {"TrailingByte", good + "x", "data", "the last 1 bytes of the file belong to no tensor"},
      {"TrailingBytesWithoutTensors", RawSafetensors("{}", "xx"), "data", "the last 2 bytes"},
      {"OneByteMissing", good.substr(0, good.size() - 1), "tensor second: data_offsets",
       "past the 15 bytes of data; the file is incomplete"},
  };
}

class SafetensorsMalformedTest : public ::testing::TestWithParam<BadFile> {};

TEST_P(SafetensorsMalformedTest, IsRefusedNamingFileAndField) {
  const BadFile& bad = GetParam();
  const absl::Status status = ParseStatus(bad.bytes);
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << status;
  const std::string message(status.message());
  EXPECT_THAT(message, StartsWith(std::string("bad.safetensors: ") + bad.field));
  EXPECT_THAT(message, HasSubstr(bad.what));
}

std::string CaseName(const ::testing::TestParamInfo<BadFile>& info) { return info.param.name; }

INSTANTIATE_TEST_SUITE_P(Header, SafetensorsMalformedTest, ::testing::ValuesIn(BadHeaders()),
                         CaseName);
INSTANTIATE_TEST_SUITE_P(Entries, SafetensorsMalformedTest, ::testing::ValuesIn(BadEntries()),
                         CaseName);
INSTANTIATE_TEST_SUITE_P(Offsets, SafetensorsMalformedTest, ::testing::ValuesIn(BadOffsets()),
                         CaseName);

std::string Good() { return SecondOffsets("[8,16]"); }

TEST(SafetensorsMalformed, TheFileTheCasesStartFromIsValid) {
  EXPECT_TRUE(ParseStatus(Good()).ok());
}

TEST(SafetensorsMalformed, EveryPrefixIsRefused) {
  const std::string whole = Good();
  for (size_t size = 0; size < whole.size(); ++size) {
    EXPECT_EQ(ParseStatus(whole.substr(0, size)).code(), absl::StatusCode::kDataLoss) << size;
  }
}

TEST(SafetensorsMalformed, EveryChangedByteIsAcceptedOrRefusedCleanly) {
  const std::string whole = Good();
  for (size_t i = 0; i < whole.size(); ++i) {
    for (const int value : {0x00, 0x01, 0x22, 0x39, 0x5b, 0x7f, 0x80, 0xff}) {
      std::string changed = whole;
      changed[i] = static_cast<char>(value);
      const absl::Status status = ParseStatus(changed);
      if (!status.ok()) {
        EXPECT_THAT(std::string(status.message()), StartsWith("bad.safetensors: "));
      }
    }
  }
}

TEST(SafetensorsMalformed, MoreTensorsThanTheLimitAreRefusedWhileReading) {
  std::string header = "{";
  for (int i = 0; i <= 1 << 20; ++i) {
    absl::StrAppend(&header, i == 0 ? "" : ",", "\"", i,
                    R"(":{"dtype":"U8","shape":[],"data_offsets":[0,1]})");
  }
  const absl::Status status = ParseStatus(Header(header));
  EXPECT_THAT(std::string(status.message()),
              StartsWith("bad.safetensors: header: more than 1048576 tensors"));
}

TEST(SafetensorsMalformed, MoreMetadataThanTheLimitAreRefusedWhileReading) {
  std::string header = R"({"__metadata__":{"":"")";
  for (int i = 0; i < 1 << 16; ++i) absl::StrAppend(&header, ",\"", i, "\":\"\"");
  EXPECT_THAT(std::string(ParseStatus(Header(header)).message()),
              StartsWith("bad.safetensors: __metadata__: more than 65536 entries"));
}

TEST(SafetensorsMalformed, MessagesHoldNoRawBytesOfTheFile) {
  const std::string name = "\xc3\xa9\\n\\u001b[31m" + std::string(500, 'x');
  const std::string message(ParseStatus(Header("{\"" + name + "\":7}")).message());
  EXPECT_THAT(message, HasSubstr("\\xc3\\xa9\\n\\x1b[31m"));
  EXPECT_LT(message.size(), 300u);
}

}  // namespace
}  // namespace quantd
