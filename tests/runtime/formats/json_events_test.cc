#include "runtime/formats/json_events.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace quantd {
namespace {

using Kind = JsonEvent::Kind;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

/// Writes down what it is told; refuses the string "stop".
class Recorder : public JsonHandler {
 public:
  absl::Status On(const JsonEvent& event) override {
    if (event.kind == Kind::kString && event.text == "stop") {
      return absl::CancelledError("told to stop");
    }
    seen.push_back(Describe(event));
    return absl::OkStatus();
  }
  std::string Field() const override { return absl::StrCat("event ", seen.size()); }

  std::vector<std::string> seen;

 private:
  static std::string Describe(const JsonEvent& event) {
    switch (event.kind) {
      case Kind::kNull:
        return "null";
      case Kind::kBool:
        return event.truth ? "true" : "false";
      case Kind::kNegative:
        return absl::StrCat("int ", event.negative);
      case Kind::kInteger:
        return absl::StrCat("uint ", event.integer);
      case Kind::kFloat:
        return absl::StrCat("float ", event.number);
      case Kind::kString:
        return absl::StrCat("string ", event.text);
      case Kind::kKey:
        return absl::StrCat("key ", event.text);
      case Kind::kObjectBegin:
        return "{";
      case Kind::kObjectEnd:
        return "}";
      case Kind::kArrayBegin:
        return "[";
      case Kind::kArrayEnd:
        return "]";
    }
    return "?";
  }
};

absl::Status Read(const std::string& text) {
  Recorder recorder;
  return ReadJsonEvents(text, "a.json", &recorder);
}

TEST(JsonEvents, ReportsEveryKindInOrder) {
  Recorder recorder;
  const absl::Status status = ReadJsonEvents(
      " {\"a\": [null, true, false, -1, 0, 18446744073709551615, 18446744073709551616, 1.5, -0],\n"
      "\"\\u00e9\\n\": \"x\\\"\\ud83d\\ude00\", \"o\": {}} \n",
      "a.json", &recorder);
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_THAT(recorder.seen, ElementsAre("{", "key a", "[", "null", "true", "false", "int -1",
                                         "uint 0", "uint 18446744073709551615", "float 1.84467e+19",
                                         "float 1.5", "uint 0", "]", "key \xc3\xa9\n",
                                         "string x\"\xf0\x9f\x98\x80", "key o", "{", "}", "}"));
}

TEST(JsonEvents, EndsAtTheFirstErrorOfTheHandler) {
  Recorder recorder;
  const absl::Status status = ReadJsonEvents("[1, \"stop\", 2]", "a.json", &recorder);
  EXPECT_EQ(status, absl::CancelledError("told to stop"));
  EXPECT_THAT(recorder.seen, ElementsAre("[", "uint 1"));
}

TEST(JsonEvents, RefusesWhatIsNoJsonNamingFieldAndByte) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "unexpected end of input"},
      {" ", "unexpected end of input"},
      {"[1,", "unexpected end of input"},
      {"[1 2]", "(byte 4)"},
      {"[1,]", "unexpected ']'"},
      {"{\"a\" 1}", "object separator"},
      {"{1:2}", "object key"},
      {"[1] x", "invalid literal"},
      {"[1] [2]", "end of input"},
      {"{} // comment", "invalid literal"},
      {"['a']", "invalid literal"},
      {"[NaN]", "invalid literal"},
      {"[01]", "(byte 3)"},
      {"[+1]", "invalid literal"},
      {"[\"a\nb\"]", "control character"},
      {"[\"\\x41\"]", "forbidden character after backslash"},
      {"[\"\\ud800\"]", "surrogate"},
      {"[\"\\udc00\"]", "surrogate"},
      {"[\"\xff\xfe\"]", "ill-formed UTF-8"},
      {"[\"\xc0\x80\"]", "ill-formed UTF-8"},
      {"[\"\xed\xa0\x80\"]", "ill-formed UTF-8"},
      {"[\"\xe2\x82", "ill-formed UTF-8"},
      {std::string("{}\0", 3), "NUL at byte 2"},
      {std::string("[\"\0\"]", 5), "NUL at byte 2"},
      {"[1e309]", "beyond the range of double"},
      {"[-1e309]", "beyond the range of double"},
  };
  for (const auto& [text, what] : cases) {
    const absl::Status status = Read(text);
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << text;
    EXPECT_THAT(std::string(status.message()), StartsWith("a.json: event ")) << text;
    EXPECT_THAT(std::string(status.message()), HasSubstr(what)) << text;
    for (const char c : status.message()) EXPECT_TRUE(c >= ' ' && c < 0x7f) << status;
  }
}

TEST(JsonEvents, BoundsDepthHoweverDeepTheText) {
  const auto nested = [](size_t depth) {
    return std::string(depth, '[') + std::string(depth, ']');
  };
  EXPECT_TRUE(Read(nested(kMaxJsonDepth)).ok());
  EXPECT_THAT(std::string(Read(nested(kMaxJsonDepth + 1)).message()),
              HasSubstr("nested deeper than 64 levels"));
  EXPECT_THAT(std::string(Read(std::string(10'000'000, '[')).message()),
              HasSubstr("nested deeper"));
  std::string objects;
  for (int i = 0; i < 100'000; ++i) objects += "{\"a\":";
  EXPECT_THAT(std::string(Read(objects).message()), HasSubstr("nested deeper"));
  std::string siblings = "[";
  for (int i = 0; i < 100; ++i) siblings += "[[]],";
  EXPECT_TRUE(Read(siblings + "[]]").ok());
}

TEST(JsonEvents, MessagesStayShortWhateverTheTextHolds) {
  EXPECT_LT(Read("[\"" + std::string(1'000'000, 'x')).message().size(), 400u);
  EXPECT_LT(Read("[" + std::string(1'000'000, '9') + "e99999]").message().size(), 400u);
}

}  // namespace
}  // namespace quantd
