#include "runtime/chat/json.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/chat/operations.h"

namespace quantd::jinja {
namespace {

using ::testing::HasSubstr;

std::string Dump(const Value& value, const JsonStyle& style = {}) {
  Budget budget{Limits()};
  TextBuilder out(&budget);
  const absl::Status status = AppendJson(value, style, budget, &out);
  return status.ok() ? std::string(out.bytes()) : std::string(status.message());
}

TEST(JsonTest, RoundTrips) {
  for (const char* text :
       {"null", "true", "-5", "9223372036854775807", "1.5", "1e+16", "\"a\"", "[]", "{}",
        "{\"b\": 1, \"a\": [1, 2.0, null], \"\": {\"x\": \"é🙂\"}}"}) {
    const auto value = ParseJson(text);
    ASSERT_TRUE(value.ok()) << text << value.status();
    EXPECT_EQ(Dump(*value), text);
  }
}

TEST(JsonTest, StringsAreFromOutside) {
  const auto value = ParseJson("{\"key\": [\"text\"]}");
  ASSERT_TRUE(value.ok()) << value.status();
  EXPECT_EQ(value->dict().entries[0].first.text().outside.size(), 1u);
  EXPECT_EQ(value->dict().Find("key")->list()->items[0].text().outside.size(), 1u);
}

TEST(JsonTest, RefusesWhatIsNone) {
  const std::string deep(100'000, '[');
  for (const std::string& text :
       {std::string(), std::string("{"), std::string("[1,]"), std::string("{\"a\" 1}"),
        std::string("nul"), std::string("1 2"), std::string("\"\xff\""), std::string("1e999"),
        std::string("[\0]", 3), deep}) {
    const auto value = ParseJson(text);
    EXPECT_TRUE(absl::IsInvalidArgument(value.status())) << text.substr(0, 20);
    EXPECT_NE(value.status().message().substr(0, 1), ":") << value.status();
  }
  EXPECT_THAT(std::string(ParseJson("18446744073709551615").status().message()),
              HasSubstr("does not fit 64 bits"));
}

TEST(JsonTest, WritesAsPythonDoes) {
  const Value value = *ParseJson("{\"b\": [1, {\"c\": []}], \"a\": \"é\\n\\u0001\\\"\"}");
  EXPECT_EQ(Dump(value), "{\"b\": [1, {\"c\": []}], \"a\": \"é\\n\\u0001\\\"\"}");
  EXPECT_EQ(Dump(value, {.ensure_ascii = true, .sort_keys = true}),
            "{\"a\": \"\\u00e9\\n\\u0001\\\"\", \"b\": [1, {\"c\": []}]}");
  EXPECT_EQ(Dump(value, {.indent = " ", .item_separator = ","}),
            "{\n \"b\": [\n  1,\n  {\n   \"c\": []\n  }\n ],\n \"a\": \"é\\n\\u0001\\\"\"\n}");
  EXPECT_EQ(Dump(MakeString("🙂"), {.ensure_ascii = true}), "\"\\ud83d\\ude42\"");
  EXPECT_THAT(Dump(Value()), HasSubstr("Undefined is not JSON serializable"));
}

TEST(JsonTest, KeepsTheMarksOfStrings) {
  Budget budget{Limits()};
  TextBuilder out(&budget);
  ASSERT_TRUE(AppendJson(*ParseJson("[\"a\\nb\"]"), {}, budget, &out).ok());
  MemoryClaim claim;
  const auto text = out.Finish(&claim);
  ASSERT_TRUE(text.ok()) << text.status();
  EXPECT_EQ(text->bytes, "[\"a\\nb\"]");
  ASSERT_EQ(text->outside.size(), 1u);
  EXPECT_EQ(text->outside[0], (TextRange{2, 6})) << "the text and its escape, not the quotes";
}

}  // namespace
}  // namespace quantd::jinja
