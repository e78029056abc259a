// Templates against what Jinja2 made of them: tests/golden/chat_templates.py.
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "runtime/chat/builtin.h"
#include "runtime/chat/interpreter.h"
#include "runtime/chat/json.h"
#include "runtime/chat/parser.h"
#include "tests/support/test_data.h"

namespace quantd::jinja {
namespace {

using Json = nlohmann::ordered_json;

constexpr char kFolder[] = "tests/golden/chat";
// Of the script.
const absl::CivilSecond kNow(2024, 7, 26, 9, 5, 3);

Json ReadJson(const std::string& path) {
  return Json::parse(ReadFileOrDie(path), nullptr, /*allow_exceptions=*/false);
}

absl::StatusOr<std::string> RenderJson(const std::string& source, const Json& variables) {
  const auto program = ParseTemplate(source);
  if (!program.ok()) return program.status();
  std::vector<std::pair<std::string, Value>> values;
  for (const auto& [name, json] : variables.items()) {
    const auto value = ParseJson(json.dump());
    if (!value.ok()) return value.status();
    values.emplace_back(name, *value);
  }
  const absl::Time now = absl::FromCivil(kNow, absl::UTCTimeZone());
  const auto text = Render(**program, values, Limits(), now);
  if (!text.ok()) return text.status();
  return text->bytes;
}

/// Compares a rendering with what the script wrote down.
void Check(const std::string& source, const Json& variables, const Json& expected) {
  const absl::StatusOr<std::string> actual = RenderJson(source, variables);
  if (expected.contains("output")) {
    ASSERT_TRUE(actual.ok()) << actual.status();
    EXPECT_EQ(*actual, expected["output"].get<std::string>());
  } else if (expected.contains("raised")) {
    ASSERT_FALSE(actual.ok()) << *actual;
    EXPECT_TRUE(IsRaised(actual.status())) << actual.status();
    EXPECT_EQ(actual.status().message(), expected["raised"].get<std::string>());
  } else {
    EXPECT_FALSE(actual.ok()) << *actual << "\nbut " << expected["error"];
  }
}

class GoldenTest : public ::testing::Test {
 protected:
  void SetUp() override {
    setenv("TZ", "UTC", 1);
    tzset();
  }

  /// Every rendering of FOLDER/expected.json, with the templates and contexts beside it.
  static void CheckFolder(const std::string& folder, const std::string& contexts_path,
                          const std::string& expected_path) {
    const Json contexts = ReadJson(contexts_path), expected = ReadJson(expected_path);
    ASSERT_TRUE(expected.is_array() && !expected.empty());
    for (const Json& rendering : expected) {
      const std::string name = rendering["template"], context = rendering["context"];
      SCOPED_TRACE(absl::StrCat(name, " with ", context));
      const std::string path = absl::StrCat(folder, "/", name);
      Json variables = contexts.value(context, Json());
      if (variables.is_null()) {
        const auto own = std::filesystem::path(path).replace_extension(".contexts.json");
        variables = ReadJson(own)[context];
      }
      Check(ReadFileOrDie(path), variables, rendering);
    }
  }
};

TEST_F(GoldenTest, ConstructsAreWhatJinjaMakesOfThem) {
  const Json cases = ReadJson(SourcePath(absl::StrCat(kFolder, "/constructs.expected.json")));
  ASSERT_GT(cases.size(), 100u);
  for (const Json& construct : cases) {
    SCOPED_TRACE(construct["template"].get<std::string>());
    Check(construct["template"], construct["variables"], construct);
  }
}

TEST_F(GoldenTest, TemplatesOfOurOwnRenderAsInJinja) {
  CheckFolder(SourcePath(kFolder), SourcePath(absl::StrCat(kFolder, "/contexts.json")),
              SourcePath(absl::StrCat(kFolder, "/templates.expected.json")));
}

TEST_F(GoldenTest, TemplatesOfModelsRenderAsInJinja) {
  QUANTD_NEED_TEST_DATA(expected, "templates/expected.json");
  CheckFolder(std::filesystem::path(expected).parent_path(),
              SourcePath(absl::StrCat(kFolder, "/contexts.json")), expected);
}

}  // namespace
}  // namespace quantd::jinja
