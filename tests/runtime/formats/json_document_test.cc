#include "runtime/formats/json_document.h"

#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/temporary_folder.h"

namespace quantd {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr int64_t kMax = std::numeric_limits<int64_t>::max();

std::unique_ptr<JsonDocument> Parse(const std::string& text) {
  auto document = JsonDocument::Parse(text, "a.json");
  EXPECT_TRUE(document.ok()) << document.status();
  return std::move(document).value();
}

TEST(JsonDocument, GivesMembersByTheirType) {
  const auto document = Parse(R"({"b": true, "i": -3, "big": 9223372036854775807, "f": 1.5,
      "s": "h\u00e9", "n": null, "list": ["x", ""], "o": {"z": 1, "a": {"deep": 7}}})");
  const JsonValue root = document->root();
  EXPECT_TRUE(root.is_object());
  EXPECT_EQ(*root.Bool("b", false), true);
  EXPECT_EQ(*root.Int("i", 0, -3, 3), -3);
  EXPECT_EQ(*root.Int("big", 0, 0), kMax);
  EXPECT_EQ(*root.Number("f", 0, -10, 10), 1.5);
  EXPECT_EQ(*root.Number("i", 0, -10, 10), -3.0);
  EXPECT_EQ(*root.String("s", ""), "h\xc3\xa9");
  EXPECT_THAT(*root.Strings("list"), ElementsAre("x", ""));
  const JsonValue object = **root.Find("o");
  EXPECT_EQ(*(*object.At("a")).Int("deep", 0, 0), 7);
  ASSERT_EQ(object.Members()->size(), 2u);
  EXPECT_EQ((*object.Members())[0].first, "a");
  EXPECT_EQ((*object.Members())[1].first, "z");
  EXPECT_EQ((*root.At("list")).Elements()->size(), 2u);
  EXPECT_TRUE((*(*root.At("list")).Elements())[0].is_string());
}

TEST(JsonDocument, AbsentAndNullGiveTheDefault) {
  const auto document = Parse(R"({"n": null})");
  const JsonValue root = document->root();
  for (const char* key : {"n", "absent"}) {
    EXPECT_EQ(*root.Find(key), std::nullopt);
    EXPECT_EQ(*root.Bool(key, true), true);
    EXPECT_EQ(*root.Int(key, -5, 0), -5);
    EXPECT_EQ(*root.Number(key, 2.5, 0, 1), 2.5);
    EXPECT_EQ(*root.String(key, "d"), "d");
    EXPECT_THAT(*root.Strings(key), IsEmpty());
    EXPECT_EQ(root.At(key).status().message(),
              "a.json: " + std::string(key) + ": the key is missing");
  }
}

TEST(JsonDocument, ErrorsNameFilePlaceAndBothTypes) {
  const auto document = Parse(R"({"a": {"b": [1, "x", {"c": 1e3}]}, "neg": -1, "s": "t", "f": 0.5,
      "huge": 18446744073709551615, "huger": 1e30})");
  const JsonValue root = document->root();
  const JsonValue b = *(*root.At("a")).At("b");
  const std::vector<std::pair<absl::Status, std::string>> cases = {
      {root.Int("s", 0, 0).status(), "s: expected an integer, found a string"},
      {root.Int("f", 0, 0).status(), "f: expected an integer, found a float"},
      {root.Int("neg", 0, 0).status(), "neg: -1 is outside of [0, 9223372036854775807]"},
      {root.Int("huge", 0, 0).status(), "huge: 18446744073709551615 is outside of ["},
      {root.Int("huge", 0, -1, 1).status(), "huge: 18446744073709551615 is outside of ["},
      {root.Number("s", 0, 0, 1).status(), "s: expected a number, found a string"},
      {root.Number("huger", 0, 0, 1).status(), "huger: 1e+30 is outside of [0, 1]"},
      {root.Bool("neg", false).status(), "neg: expected a bool, found an integer"},
      {root.String("a", "").status(), "a: expected a string, found an object"},
      {root.Strings("s").status(), "s: expected an array, found a string"},
      {b.Strings().status(), "a.b[0]: expected a string, found an integer"},
      {(*b.Elements())[2].Int("c", 0, 0).status(), "a.b[2].c: expected an integer, found a float"},
      {(*b.Elements())[2].At("d").status(), "a.b[2].d: the key is missing"},
      {b.At("d").status(), "a.b: expected an object, found an array"},
      {b.Members().status(), "a.b: expected an object, found an array"},
      {root.Elements().status(), "top level: expected an array, found an object"},
  };
  for (const auto& [status, message] : cases) {
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << message;
    EXPECT_THAT(std::string(status.message()), HasSubstr("a.json: " + message));
  }
  EXPECT_EQ(b.Unsupported("no").code(), absl::StatusCode::kUnimplemented);
  EXPECT_EQ(b.Unsupported("no").message(), "a.json: a.b: no");
}

TEST(JsonDocument, RefusesMalformedTextNamingThePlace) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {R"({"a": 1, "a": 2})", "a.json: a: the key occurs twice"},
      {R"({"x": [0, {"k": {}, "l": 1, "k": 3}]})", "a.json: x[1].k: the key occurs twice"},
      {R"({"x": [0, {"k": {"y": 1})", "a.json: x[1]: not valid JSON: "},
      {R"({"x": [0, {"k": nul}]})", "a.json: x[1].k: not valid JSON: "},
      {R"({"x": {"y": 1e309}})", "a.json: x.y: a number beyond the range of double"},
      {R"({"x": {"y": [-1e309]}})", "a.json: x.y: a number beyond the range of double"},
      {"", "a.json: top level: not valid JSON: "},
      {"{\"a\": \"\xff\"}", "a.json: a: not valid JSON: "},
      {"{\"\\u0000\": }", "a.json: \\x00: not valid JSON: "},
      {"{\"a\": " + std::string(100'000, '['), "nested deeper than 64 levels"},
      {"{\"" + std::string(100'000, 'k') + "\": }", "kkk...: not valid JSON"},
  };
  for (const auto& [text, message] : cases) {
    const absl::Status status = JsonDocument::Parse(text, "a.json").status();
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << message;
    EXPECT_THAT(std::string(status.message()), HasSubstr(message));
    EXPECT_LT(status.message().size(), 700u);
  }
}

TEST(JsonDocument, OpensFilesUpToTheLimit) {
  const TemporaryFolder folder;
  const std::string path = folder.Write("x.json", "{\"a\": 1}");
  const auto document = JsonDocument::Open(path, 8);
  ASSERT_TRUE(document.ok()) << document.status();
  EXPECT_EQ((*document)->path(), path);
  EXPECT_EQ(*(*document)->root().Int("a", 0, 0), 1);
  const absl::Status status = JsonDocument::Open(path, 7).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(status.message(), path + ": size: 8 bytes exceed the limit of 7");
  EXPECT_EQ(JsonDocument::Open(folder.Path("none.json"), 8).status().code(),
            absl::StatusCode::kNotFound);
  EXPECT_EQ(JsonDocument::Open(folder.Write("empty.json", ""), 8).status().code(),
            absl::StatusCode::kDataLoss);
}

/// Counts the events of a value, and fails on "bad".
class Recorder : public JsonHandler {
 public:
  absl::Status On(const JsonEvent& event) override {
    if (event.text == "bad") return absl::DataLossError("bad");
    ++events;
    return absl::OkStatus();
  }
  std::string Field() const override { return "recorded"; }
  int events = 0;
};

TEST(JsonDocument, LargeValuesTakeADetour) {
  Recorder list, word;
  const JsonDetour detours[] = {{{"a", "list"}, &list}, {{"a", "word"}, &word}};
  const auto document = JsonDocument::Parse(
      R"({"list": [1], "a": {"x": 1, "list": [[2, {"list": 3}], "s"], "word": "w", "y": 2}})",
      "a.json", detours);
  ASSERT_TRUE(document.ok()) << document.status();
  EXPECT_EQ(list.events, 10);
  EXPECT_EQ(word.events, 1);
  const JsonValue root = (*document)->root();
  EXPECT_EQ((*root.At("list")).Elements()->size(), 1u);
  EXPECT_EQ((*(*root.At("a")).Find("list")), std::nullopt);
  EXPECT_EQ(*(*root.At("a")).Int("y", 0, 0), 2);
}

TEST(JsonDocument, DetoursNameTheirFieldInErrors) {
  Recorder list;
  const JsonDetour detours[] = {{{"list"}, &list}};
  EXPECT_THAT(JsonDocument::Parse(R"({"list": [1, "ba)", "a.json", detours).status().message(),
              HasSubstr("a.json: recorded: not valid JSON"));
  EXPECT_EQ(JsonDocument::Parse(R"({"list": ["bad"]})", "a.json", detours).status().message(),
            "bad");
  EXPECT_THAT(
      JsonDocument::Parse(R"({"list": [], "list": []})", "a.json", detours).status().message(),
      HasSubstr("the key occurs twice"));
}

}  // namespace
}  // namespace quantd
