// Every way a GGUF container can be broken: the parser must answer with a status that names the
// file and the field. Cases about hyper-parameters and tokenizers are tested with their readers.

#include <functional>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/formats/gguf.h"
#include "tests/runtime/formats/gguf_builder.h"

namespace quantd {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr absl::StatusCode kDataLoss = absl::StatusCode::kDataLoss;
constexpr absl::StatusCode kUnimplemented = absl::StatusCode::kUnimplemented;

/// Parses a copy that ends exactly where the bytes do, so that a sanitizer sees any read beyond.
absl::Status ParseStatus(const std::string& bytes) {
  const std::vector<uint8_t> copy(bytes.begin(), bytes.end());
  return GgufFile::Parse(copy, "bad.gguf").status();
}

struct BadFile {
  const char* name;
  std::function<std::string()> bytes;
  absl::StatusCode code;
  const char* field;  ///< what follows the path in the message
  const char* what;   ///< part of the explanation
};

void PrintTo(const BadFile& bad, std::ostream* out) { *out << bad.name; }

/// The bytes of SmallGguf after `change`.
std::function<std::string()> With(std::function<void(GgufBuilder*)> change) {
  return [change] {
    GgufBuilder file = SmallGguf();
    change(&file);
    return file.Bytes();
  };
}

std::function<std::string()> WithKey(const std::string& key) {
  return With([key](GgufBuilder* file) { file->keys.push_back(key); });
}

std::function<std::string()> WithTensor(const GgufBuilder::Tensor& tensor) {
  return With([tensor](GgufBuilder* file) { file->tensors[1] = tensor; });
}

std::function<std::string()> WithAlignment(uint32_t type, const std::string& value) {
  return WithKey(RawKey("general.alignment", type, value));
}

std::function<std::string()> Exactly(const std::string& bytes) {
  return [bytes] { return bytes; };
}

std::string CutBy(size_t bytes) {
  GgufBuilder file = SmallGguf();
  const std::string whole = file.Bytes();
  return whole.substr(0, whole.size() - bytes);
}

/// More keys than any real file has, each as small as a key can be.
std::string ManyTinyKeys() {
  constexpr uint64_t kCount = 5'000'000;
  std::string bytes = "GGUF" + Raw<uint32_t>(3) + Raw<uint64_t>(0) + Raw(kCount);
  const std::string key = RawKey("k", 0, Raw<uint8_t>(1));
  bytes.reserve(bytes.size() + kCount * key.size());
  for (uint64_t i = 0; i < kCount; ++i) bytes += key;
  return bytes;
}

constexpr uint64_t kTwoTo61 = uint64_t{1} << 61;
constexpr uint64_t kTwoTo62 = uint64_t{1} << 62;
constexpr uint64_t kTwoTo63 = uint64_t{1} << 63;
constexpr uint64_t kMinusOne = ~uint64_t{0};

std::vector<BadFile> BadHeaders() {
  return {
      {"Empty", Exactly(""), kDataLoss, "magic", "incomplete"},
      {"ThreeBytes", Exactly("GGU"), kDataLoss, "magic", "incomplete"},
      {"BadMagic", With([](GgufBuilder* f) { f->magic = "GGML"; }), kDataLoss, "magic", "GGML"},
      {"UnprintableMagic", With([](GgufBuilder* f) { f->magic = "\xff\xfe\x01\n"; }), kDataLoss,
       "magic", "\\xff\\xfe\\x01\\n"},
      {"NoVersion", Exactly("GGUF"), kDataLoss, "version", "incomplete"},
      {"Version0", With([](GgufBuilder* f) { f->version = 0; }), kDataLoss, "version", "0"},
      {"Version1", With([](GgufBuilder* f) { f->version = 1; }), kUnimplemented, "version",
       "1 is not supported"},
      {"FutureVersion", With([](GgufBuilder* f) { f->version = 4; }), kUnimplemented, "version",
       "4 is not supported"},
      {"ByteSwapped", With([](GgufBuilder* f) { f->version = 3u << 24; }), kUnimplemented,
       "version", "big-endian"},
      {"NoCounts", Exactly("GGUF" + Raw<uint32_t>(3)), kDataLoss, "tensor count", "incomplete"},
      {"NoKeyCount", Exactly("GGUF" + Raw<uint32_t>(3) + Raw<uint64_t>(0)), kDataLoss, "key count",
       "incomplete"},
      {"TensorCountMinus1", With([](GgufBuilder* f) { f->n_tensors = kMinusOne; }), kDataLoss,
       "tensor count", "limit"},
      {"TensorCount2To62", With([](GgufBuilder* f) { f->n_tensors = kTwoTo62; }), kDataLoss,
       "tensor count", "4611686018427387904"},
      {"TensorCountBeyondFile", With([](GgufBuilder* f) { f->n_tensors = 100'000; }), kDataLoss,
       "tensor count", "cannot fit"},
      {"OneTensorTooMany", With([](GgufBuilder* f) { f->n_tensors = 3; }), kDataLoss, "", ""},
      {"KeyCountMinus1", With([](GgufBuilder* f) { f->n_kv = kMinusOne; }), kDataLoss, "key count",
       "limit"},
      {"KeyCount2To62", With([](GgufBuilder* f) { f->n_kv = kTwoTo62; }), kDataLoss, "key count",
       "4611686018427387904"},
      {"KeyCountBeyondFile", With([](GgufBuilder* f) { f->n_kv = 1'000'000; }), kDataLoss,
       "key count", "cannot fit"},
      {"ManyTinyKeys", ManyTinyKeys, kDataLoss, "key count", "5000000 exceeds the limit"},
  };
}

std::vector<BadFile> BadMetadata() {
  const std::string one = Raw<uint8_t>(1);
  return {
      {"KeyLength2To63", WithKey(Raw(kTwoTo63) + "key"), kDataLoss, "key 2",
       "9223372036854775808 bytes"},
      {"KeyLengthMinus1", WithKey(Raw(kMinusOne) + "key"), kDataLoss, "key 2", "bytes"},
      {"KeyTooLong", WithKey(RawKey(std::string(65536, 'k'), 0, one)), kDataLoss, "key 2",
       "65536 bytes exceeds the limit of 65535"},
      {"EmptyKey", WithKey(RawKey("", 0, one)), kDataLoss, "key 2", "empty"},
      {"KeyWithNul", WithKey(RawKey(std::string("a\0b", 3), 0, one)), kDataLoss, "key 2", "a\\x00"},
      {"DuplicateKey", WithKey(RawKey("answer", 0, one)), kDataLoss, "answer", "twice"},
      {"ValueType99", WithKey(RawKey("odd", 99, one)), kDataLoss, "odd", "type 99"},
      {"ValueType13", WithKey(RawKey("odd", 13, one)), kDataLoss, "odd", "type 13"},
      {"BoolOf2", WithKey(RawKey("flag", 7, Raw<uint8_t>(2))), kDataLoss, "flag", "2"},
      {"StringPastEnd", WithKey(RawKey("text", 8, Raw<uint64_t>(100'000) + "abc")), kDataLoss,
       "text", "100000 bytes"},
      {"ArrayOfArrays", WithKey(RawKey("nest", 9, RawArray(9, 1, RawArray(0, 1, one)))), kDataLoss,
       "nest", "array of arrays"},
      {"ArrayOfType99", WithKey(RawKey("list", 9, RawArray(99, 1, one))), kDataLoss, "list",
       "type 99"},
      {"ArrayCount2To61", WithKey(RawKey("list", 9, RawArray(10, kTwoTo61, ""))), kDataLoss, "list",
       "2305843009213693952"},
      {"ArrayCountMinus1", WithKey(RawKey("list", 9, RawArray(0, kMinusOne, ""))), kDataLoss,
       "list", "cannot fit"},
      {"ArrayPastEnd", WithKey(RawKey("list", 9, RawArray(6, 1000, ""))), kDataLoss, "list",
       "1000 f32"},
      {"StringArrayCount2To61", WithKey(RawKey("list", 9, RawArray(8, kTwoTo61, ""))), kDataLoss,
       "list", "limit"},
      {"StringArrayBeyondFile", WithKey(RawKey("list", 9, RawArray(8, 1'000'000, ""))), kDataLoss,
       "list", "cannot fit"},
      {"StringInArrayPastEnd",
       WithKey(RawKey("list", 9, RawArray(8, 2, RawString("a") + Raw<uint64_t>(5000)))), kDataLoss,
       "list", "5000 bytes"},
      {"Alignment0", WithAlignment(4, Raw<uint32_t>(0)), kDataLoss, "general.alignment", "0"},
      {"Alignment3", WithAlignment(4, Raw<uint32_t>(3)), kDataLoss, "general.alignment", "3"},
      {"Alignment2To31", WithAlignment(4, Raw<uint32_t>(1u << 31)), kDataLoss, "general.alignment",
       "2147483648"},
      {"AlignmentU64", WithAlignment(10, Raw<uint64_t>(32)), kDataLoss, "general.alignment",
       "found a u64"},
      {"AlignmentString", WithAlignment(8, RawString("32")), kDataLoss, "general.alignment",
       "found a string"},
  };
}

std::vector<BadFile> BadTensors() {
  return {
      {"NameOf64Bytes", WithTensor({std::string(64, 'n'), {32}, 0, 64}), kDataLoss,
       "name of tensor 1", "64 bytes; the limit is 63"},
      {"EmptyName", WithTensor({"", {32}, 0, 64}), kDataLoss, "name of tensor 1", "empty"},
      {"NameWithNul", WithTensor({std::string("a\0", 2), {32}, 0, 64}), kDataLoss,
       "name of tensor 1", "NUL"},
      {"DuplicateName", WithTensor({"first", {8}, 0, 64}), kDataLoss, "tensor first", "twice"},
      {"NoDimensions", WithTensor({"second", {}, 0, 64}), kDataLoss, "tensor second",
       "0 dimensions"},
      {"FiveDimensions", WithTensor({"second", {1, 1, 1, 1, 1}, 0, 64}), kDataLoss, "tensor second",
       "5 dimensions"},
      {"DimensionCountMinus1", WithTensor({"second", {8}, 0, 64, 0xffffffffu}), kDataLoss,
       "tensor second", "4294967295 dimensions"},
      {"ZeroDimension", WithTensor({"second", {8, 0}, 0, 64}), kDataLoss, "tensor second",
       "dimension 1 is 0"},
      {"NegativeDimension", WithTensor({"second", {kMinusOne, 2}, 0, 64}), kDataLoss,
       "tensor second", "dimension 0 is -1"},
      {"WeightsOverflow", WithTensor({"second", {kTwoTo62, 4}, 0, 64}), kDataLoss, "tensor second",
       "overflow"},
      {"WeightsWrapToSmall",
       WithTensor({"second", {uint64_t{1} << 32, uint64_t{1} << 32, 1}, 0, 64}), kDataLoss,
       "tensor second", "overflow"},
      {"BytesOverflow", WithTensor({"second", {kTwoTo62}, 0, 64}), kDataLoss, "tensor second",
       "size in bytes overflows"},
      {"BytesBeyondFile", WithTensor({"second", {kTwoTo61 - 8}, 0, 64}), kDataLoss, "tensor second",
       "past the end"},
      {"PartOfABlock", WithTensor({"second", {33, 2}, 2, 64}), kDataLoss, "tensor second",
       "rows of 33 weights are no multiple of the Q4_0 block of 32"},
      {"PartOfALargeBlock", WithTensor({"second", {128, 1}, 14, 64}), kDataLoss, "tensor second",
       "Q6_K block of 256"},
      {"TypeMinus1", WithTensor({"second", {32}, 0xffffffffu, 64}), kDataLoss, "tensor second",
       "type -1 does not exist"},
      {"RemovedType4", WithTensor({"second", {32}, 4, 64}), kDataLoss, "tensor second", "type 4"},
      {"RemovedType5", WithTensor({"second", {32}, 5, 64}), kDataLoss, "tensor second", "type 5"},
      {"UnknownType", WithTensor({"second", {32}, 1000, 64}), kDataLoss, "tensor second",
       "type 1000"},
      {"UnreadType", WithTensor({"second", {256}, 16, 64}), kUnimplemented, "tensor second",
       "type IQ2_XXS is not supported; F32, F16"},
      {"OffsetMisaligned", WithTensor({"second", {8}, 0, 65}), kDataLoss, "tensor second",
       "offset 65 is no multiple of 32"},
      {"OffsetPastEnd", WithTensor({"second", {8}, 0, 128}), kDataLoss, "tensor second",
       "past the end"},
      {"OffsetWraps", WithTensor({"second", {8}, 0, kMinusOne - 31}), kDataLoss, "tensor second",
       "past the end"},
      {"PaddedSumWraps", WithTensor({"second", {9}, 0, kMinusOne - 63}), kDataLoss, "tensor second",
       "past the end"},
      {"Overlap", WithTensor({"second", {8}, 0, 32}), kDataLoss, "tensor second",
       "overlap those of tensor first"},
      {"SamePlace", WithTensor({"second", {16}, 0, 0}), kDataLoss, "tensor ", "overlap"},
      {"NoData", With([](GgufBuilder* f) { f->data.clear(); }), kDataLoss, "tensor first",
       "past the end"},
      {"OneByteMissing", Exactly(CutBy(1)), kDataLoss, "padding", "incomplete"},
      {"PaddingMissingButOne", Exactly(CutBy(9)), kDataLoss, "padding", "incomplete"},
      {"LastWeightCut", Exactly(CutBy(11)), kDataLoss, "tensor second", "past the end"},
  };
}

class GgufMalformedTest : public ::testing::TestWithParam<BadFile> {};

TEST_P(GgufMalformedTest, IsRefusedNamingFileAndField) {
  const BadFile& bad = GetParam();
  const absl::Status status = ParseStatus(bad.bytes());
  EXPECT_EQ(status.code(), bad.code) << status;
  const std::string message(status.message());
  EXPECT_THAT(message, StartsWith(std::string("bad.gguf: ") + bad.field));
  EXPECT_THAT(message, HasSubstr(bad.what));
}

std::string CaseName(const ::testing::TestParamInfo<BadFile>& info) { return info.param.name; }

INSTANTIATE_TEST_SUITE_P(Header, GgufMalformedTest, ::testing::ValuesIn(BadHeaders()), CaseName);
INSTANTIATE_TEST_SUITE_P(Metadata, GgufMalformedTest, ::testing::ValuesIn(BadMetadata()), CaseName);
INSTANTIATE_TEST_SUITE_P(Tensors, GgufMalformedTest, ::testing::ValuesIn(BadTensors()), CaseName);

TEST(GgufMalformed, TheFileTheCasesStartFromIsValid) {
  EXPECT_TRUE(ParseStatus(SmallGguf().Bytes()).ok());
}

TEST(GgufMalformed, EveryPrefixIsRefused) {
  const std::string whole = SmallGguf().Bytes();
  const size_t end_of_weights = whole.size() - 10;
  for (size_t size = 0; size < whole.size(); ++size) {
    const absl::Status status = ParseStatus(whole.substr(0, size));
    if (size == end_of_weights) {
      EXPECT_TRUE(status.ok()) << "unpadded, but no weight is missing: " << status;
    } else {
      EXPECT_EQ(status.code(), kDataLoss) << "prefix of " << size << " bytes: " << status;
    }
  }
}

TEST(GgufMalformed, EveryChangedByteIsAcceptedOrRefusedCleanly) {
  const std::string whole = SmallGguf().Bytes();
  for (size_t i = 0; i < whole.size(); ++i) {
    for (const int value : {0x00, 0x01, 0x7f, 0x80, 0xff}) {
      std::string changed = whole;
      changed[i] = static_cast<char>(value);
      const absl::Status status = ParseStatus(changed);
      if (!status.ok()) {
        EXPECT_THAT(std::string(status.message()), StartsWith("bad.gguf: "));
      }
    }
  }
}

TEST(GgufMalformed, MessagesHoldNoRawBytesOfTheFile) {
  GgufBuilder file = SmallGguf();
  file.keys.push_back(RawKey("\xc3\x28\n\x1b[31m" + std::string(500, 'x'), 99, ""));
  const std::string message(ParseStatus(file.Bytes()).message());
  EXPECT_THAT(message, HasSubstr("\\xc3(\\n\\x1b[31m"));
  EXPECT_LT(message.size(), 300u);
}

}  // namespace
}  // namespace quantd
