#include "runtime/formats/safetensors_index.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace quantd {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

TEST(SafetensorsIndex, ReadsTheMapAndPassesOverTheRest) {
  const auto index = ParseSafetensorsIndex(
      R"({"metadata": {"total_size": 1.5e10, "weight_map": {"x": ["y"]}}, "extra": [[1], {"a": 2}],
          "weight_map": {"a": "two", "b": "one", "c": "two"}, "more": null})",
      "i.json");
  ASSERT_TRUE(index.ok()) << index.status();
  EXPECT_THAT(index->shards, ElementsAre("two", "one"));
  EXPECT_EQ(index->shard_of.size(), 3u);
  EXPECT_EQ(index->shard_of.at("a"), 0u);
  EXPECT_EQ(index->shard_of.at("b"), 1u);
  EXPECT_EQ(index->shard_of.at("c"), 0u);
}

TEST(SafetensorsIndex, RefusesMalformedTextNamingTheField) {
  const std::string nul = R"({"weight_map": {"a": "b\u0000"}})";
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "top level: not valid JSON"},
      {"[]", "top level: expected an object, found an array"},
      {"{}", "weight_map: the key is missing"},
      {R"({"metadata": {"weight_map": {"a": "b"}}})", "weight_map: the key is missing"},
      {R"({"weight_map": {}})", "weight_map: lists no tensor"},
      {R"({"weight_map": []})", "weight_map: expected an object, found an array"},
      {R"({"weight_map": null})", "weight_map: expected an object, found null"},
      {R"({"weight_map": {"a": 1}})", "weight_map.a: expected a string, found an integer"},
      {R"({"weight_map": {"a": {"b": "c"}}})", "weight_map.a: expected a string, found an object"},
      {R"({"weight_map": {"a": ["b"]}})", "weight_map.a: expected a string, found an array"},
      {R"({"weight_map": {"a": "b", "a": "c"}})", "weight_map.a: the key occurs twice"},
      {R"({"weight_map": {"a": "b"}, "weight_map": {}})", "weight_map: the key occurs twice"},
      {R"({"weight_map": {"a": "b", "c")", "weight_map.c: not valid JSON"},
      {R"({"weight_map": {"a": ""}})", "weight_map.a: the file name \"\" is empty"},
      {R"({"weight_map": {"a": "../x"}})", "weight_map.a: the file name \"../x\" contains a path"},
      {R"({"weight_map": {"a": "/etc/passwd"}})", "contains a path separator"},
      {R"({"weight_map": {"a": "sub/x"}})", "contains a path separator"},
      {R"({"weight_map": {"a": "..\\x"}})", "contains a path separator"},
      {R"({"weight_map": {"a": ".."}})", "\"..\" is a folder"},
      {R"({"weight_map": {"a": "."}})", "\".\" is a folder"},
      {R"({"weight_map": {"a": ")" + std::string(256, 'x') + "\"}}", "is too long"},
      {nul, "contains NUL"},
      {R"({"weight_map": {"\u001b": "/"}})", "weight_map.\\x1b: the file name"},
  };
  for (const auto& [text, message] : cases) {
    const absl::Status status = ParseSafetensorsIndex(text, "i.json").status();
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << text;
    EXPECT_THAT(std::string(status.message()), StartsWith("i.json: ")) << text;
    EXPECT_THAT(std::string(status.message()), HasSubstr(message)) << text;
  }
}

TEST(SafetensorsIndex, BoundsTheNumberOfFiles) {
  std::string text = R"({"weight_map": {)";
  for (int i = 0; i < 1024; ++i)
    absl::StrAppend(&text, i == 0 ? "" : ",", "\"", i, "\":\"f", i, "\"");
  EXPECT_TRUE(ParseSafetensorsIndex(text + "}}", "i.json").ok());
  const absl::Status status =
      ParseSafetensorsIndex(text + R"(,"last":"one too many"}})", "i.json").status();
  EXPECT_THAT(std::string(status.message()), HasSubstr("weight_map.last: more than 1024 files"));
}

}  // namespace
}  // namespace quantd
