#include "runtime/tokenizer/hf_decoders.h"

#include <string>

#include "gtest/gtest.h"
#include "tests/runtime/tokenizer/hf_parts_test_util.h"

namespace quantd {
namespace {

std::string Decode(const std::string& json, const std::string& token, bool first = false) {
  const PartJson part(json);
  const auto decoder = ReadHfDecoder(part.value());
  EXPECT_TRUE(decoder.ok()) << decoder.status();
  return decoder.ok() ? (*decoder)(token, first) : "";
}

TEST(HfDecodersTest, EachKind) {
  EXPECT_EQ(Decode("null", "a"), " a");
  EXPECT_EQ(Decode("null", "a", true), "a");
  EXPECT_EQ(Decode(R"({"type": "Fuse"})", "a"), "a");
  EXPECT_EQ(Decode(R"({"type": "ByteLevel"})", "ĠÃ©"), " é");
  EXPECT_EQ(Decode(R"({"type": "ByteLevel"})", "Ġ▁"), "Ġ▁");  // not of the alphabet
  EXPECT_EQ(Decode(R"({"type": "ByteFallback"})", "<0xC3>"), "\xC3");
  EXPECT_EQ(Decode(R"({"type": "ByteFallback"})", "<0xC3"), "<0xC3");
  EXPECT_EQ(Decode(R"({"type": "Metaspace", "replacement": "▁"})", "▁a▁"), " a ");
  EXPECT_EQ(Decode(R"({"type": "Metaspace", "replacement": "▁"})", "▁a▁", true), "a");
  EXPECT_EQ(
      Decode(R"({"type": "Metaspace", "replacement": "▁", "prepend_scheme": "never"})", "▁a", true),
      " a");
  EXPECT_EQ(Decode(R"({"type": "Replace", "pattern": {"String": "▁"}, "content": " "})", "▁a"),
            " a");
  EXPECT_EQ(Decode(R"({"type": "Strip", "content": "x", "start": 2, "stop": 1})", "xxxaxx"), "xax");
}

TEST(HfDecodersTest, WordPieceJoinsAndCleans) {
  const std::string json = R"({"type": "WordPiece", "prefix": "##"})";
  EXPECT_EQ(Decode(json, "##ing"), "ing");
  EXPECT_EQ(Decode(json, "ing"), " ing");
  EXPECT_EQ(Decode(json, "##ing", true), "##ing");
  EXPECT_EQ(Decode(json, "."), ".");
  EXPECT_EQ(Decode(R"({"type": "WordPiece", "prefix": "##", "cleanup": false})", "."), " .");
}

TEST(HfDecodersTest, StripAfterFuseIsForTheStartOfTheText) {
  const std::string json = R"({"type": "Sequence", "decoders": [
      {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "Fuse"},
      {"type": "Strip", "content": " ", "start": 1, "stop": 0}]})";
  EXPECT_EQ(Decode(json, "▁▁a", true), " a");
  EXPECT_EQ(Decode(json, "▁▁a"), "  a");
}

}  // namespace
}  // namespace quantd
