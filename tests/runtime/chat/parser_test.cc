#include "runtime/chat/parser.h"

#include <chrono>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace quantd::jinja {
namespace {

using ::testing::HasSubstr;

std::string ErrorOf(absl::string_view source) {
  const auto program = ParseTemplate(source);
  if (program.ok()) return "";
  EXPECT_TRUE(absl::IsInvalidArgument(program.status()));
  return std::string(program.status().message());
}

std::string Times(int count, const std::string& text) {
  std::string all;
  for (int i = 0; i < count; ++i) all += text;
  return all;
}

TEST(ParserTest, NamesWhatIsWrongAndWhere) {
  EXPECT_THAT(ErrorOf("{{ 1 + }}"), HasSubstr("line 1: unexpected '}}'"));
  EXPECT_THAT(ErrorOf("a\n{% if x %}\nb"), HasSubstr("line 3: unexpected end"));
  EXPECT_THAT(ErrorOf("a\n{% if x %}\nb"), HasSubstr("if has no endif"));
  EXPECT_THAT(ErrorOf("{% for x in y %}"), HasSubstr("for has no endfor"));
  EXPECT_THAT(ErrorOf("{% macro m() %}"), HasSubstr("macro has no endmacro"));
  EXPECT_THAT(ErrorOf("\n{% endif %}"), HasSubstr("line 2: unknown or unsupported tag 'endif'"));
  EXPECT_THAT(ErrorOf("{% include 'x' %}"), HasSubstr("'include'"));
  EXPECT_THAT(ErrorOf("{% for x in y recursive %}{% endfor %}"), HasSubstr("recursive"));
  EXPECT_THAT(ErrorOf("{{ a b }}"), HasSubstr("expected '}}', got 'b'"));
  EXPECT_THAT(ErrorOf("{% set true = 1 %}"), HasSubstr("can't assign to 'true'"));
  EXPECT_THAT(ErrorOf("{% break %}"), HasSubstr("'break' outside loop"));
  EXPECT_THAT(ErrorOf("{% for x in y %}{% macro m() %}{% continue %}{% endmacro %}{% endfor %}"),
              HasSubstr("'continue' outside loop"));
  EXPECT_THAT(ErrorOf("{% macro m(a=1, b) %}{% endmacro %}"), HasSubstr("non-default argument"));
  EXPECT_THAT(ErrorOf("{{ f(a=1, 2) }}"), HasSubstr("function call"));
  EXPECT_THAT(ErrorOf("{% call x %}{% endcall %}"), HasSubstr("expected call"));
  EXPECT_THAT(ErrorOf("{{ x[] }}"), HasSubstr("index"));
  EXPECT_THAT(ErrorOf("{{ x[1:2:3:4] }}"), HasSubstr("slice"));
  EXPECT_THAT(ErrorOf("{{"), HasSubstr("the end of the template"));
  EXPECT_THAT(ErrorOf(std::string(kMaxTemplateBytes + 1, 'x')), HasSubstr("limit"));
}

// Whatever is nested or chained without end is refused, by a parser that recurses and a tree that
// is freed recursively.
TEST(ParserTest, EndlessNestingIsAnError) {
  const int n = 10'000;
  const std::string sources[] = {
      "{{ " + Times(n, "(") + "1" + Times(n, ")") + " }}",
      "{{ " + Times(n, "[") + Times(n, "]") + " }}",
      "{{ " + Times(n, "{'a':") + "1" + Times(n, "}") + " }}",
      "{{ " + Times(n, "not ") + "1 }}",
      "{{ " + Times(n, "- ") + "1 }}",
      "{{ 1" + Times(n, " + 1") + " }}",
      "{{ 1" + Times(n, " ** 1") + " }}",
      "{{ a" + Times(n, ".b") + " }}",
      "{{ a" + Times(n, "[0]") + " }}",
      "{{ a" + Times(n, "()") + " }}",
      "{{ a" + Times(n, "|trim") + " }}",
      "{{ a" + Times(n, " is defined") + " }}",
      "{{ a" + Times(n, " if b else c") + " }}",
      "{{ " + Times(n, "f(") + Times(n, ")") + " }}",
      "{{ " + Times(n, "a[") + Times(n, "]") + " }}",
      Times(n, "{% if a %}") + Times(n, "{% endif %}"),
      Times(n, "{% for a in b %}") + Times(n, "{% endfor %}"),
      Times(n, "{% macro m() %}") + Times(n, "{% endmacro %}"),
      Times(n, "{% set a %}") + Times(n, "{% endset %}"),
      Times(n, "{% filter trim %}") + Times(n, "{% endfilter %}"),
      "{% set " + Times(n, "(") + "a" + Times(n, ")") + " = 1 %}",
      "{% for " + Times(n, "(a,") + "b" + Times(n, ")") + " in c %}{% endfor %}",
      Times(n, "{% call m() %}") + Times(n, "{% endcall %}"),
      Times(n, "{% with %}") + Times(n, "{% endwith %}"),
  };
  for (const std::string& source : sources) {
    const std::string error = ErrorOf(source);
    EXPECT_TRUE(error.find("nested too deeply") != std::string::npos ||
                error.find("too many levels") != std::string::npos)
        << source.substr(0, 40) << ": " << error;
  }
}

TEST(ParserTest, LongChainsThatAreFlatAreFine) {
  const int n = 10'000;
  EXPECT_EQ(ErrorOf("{{ a" + Times(n, " and a") + " }}"), "");
  EXPECT_EQ(ErrorOf("{{ a" + Times(n, " ~ a") + " }}"), "");
  EXPECT_EQ(ErrorOf("{{ a" + Times(n, " < a") + " }}"), "");
  EXPECT_EQ(ErrorOf("{% if a %}" + Times(n, "{% elif b %}c") + "{% endif %}"), "");
  EXPECT_EQ(ErrorOf("{{ [" + Times(n, "1,") + "] }}"), "");
  EXPECT_EQ(ErrorOf(Times(n, "{{ a }}")), "");
}

TEST(ParserTest, UnknownFiltersAndTestsAreErrorsOnlyWhenReached) {
  EXPECT_EQ(ErrorOf("{{ a | nope }}{{ a is nope }}{{ a | no.pe }}"), "");
}

}  // namespace
}  // namespace quantd::jinja
