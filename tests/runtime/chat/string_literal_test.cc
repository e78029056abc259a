#include "runtime/chat/string_literal.h"

#include <string>

#include "gtest/gtest.h"

namespace quantd::jinja {
namespace {

std::string Resolve(absl::string_view literal) {
  std::string text;
  const absl::Status status = Unescape(literal, &text);
  return status.ok() ? text : "error: " + std::string(status.message());
}

TEST(StringLiteralTest, ResolvesPythonsEscapes) {
  EXPECT_EQ(Resolve(R"(a\nb\t\\\'\"\r)"), "a\nb\t\\'\"\r");
  EXPECT_EQ(Resolve(R"(\x41\xe9\u65e5\U0001F642)"), "A\u00e9日🙂");
  EXPECT_EQ(Resolve(R"(\101\0)"), std::string("A\0", 2));
  EXPECT_EQ(Resolve("a\\\nb"), "ab");
  EXPECT_EQ(Resolve(R"(\q\/\d)"), R"(\q\/\d)") << "unknown escapes stay";
  EXPECT_EQ(Resolve("日"), "日");
}

TEST(StringLiteralTest, RefusesHalfEscapes) {
  for (const char* literal : {R"(\x4)", R"(\u123)", R"(\U0001)", R"(\xzz)", R"(\ud800)",
                              R"(\U00110000)", R"(\N{DASH})"}) {
    EXPECT_EQ(Resolve(literal).substr(0, 6), "error:") << literal;
  }
}

}  // namespace
}  // namespace quantd::jinja
