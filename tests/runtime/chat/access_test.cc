#include "runtime/chat/access.h"

#include <limits>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/chat/operations.h"
#include "tests/runtime/chat/render.h"

namespace quantd::jinja {
namespace {

using ::testing::HasSubstr;

TEST(AccessTest, MethodsComeBeforeEntriesForDotsAndAfterThemForBrackets) {
  constexpr char kDict[] = R"({"d": {"items": 1, "x": 2}})";
  EXPECT_EQ(RenderMarked("{{ d.items is callable }}{{ d['items'] }}{{ d.x }}", kDict), "True12");
  EXPECT_EQ(RenderMarked("{{ d['keys'] is callable }}{{ d['nope'] is defined }}", kDict),
            "TrueFalse");
}

TEST(AccessTest, NothingThatChangesValuesIsInReach) {
  for (const char* call : {"[].append(1)", "[1].pop()", "[].extend([])", "[2].sort()",
                           "{}.update({})", "{}.setdefault(1)", "{'a': 1}.pop('a')"}) {
    EXPECT_THAT(RenderMarked(absl::StrCat("{{ ", call, " }}")), HasSubstr("is unsafe")) << call;
  }
}

TEST(AccessTest, NothingOfPythonIsInReach) {
  for (const char* expression : {"''.__class__", "[].__len__", "{}['__class__']", "range.__self__",
                                 "loop.__dict__", "raise_exception.__globals__"}) {
    EXPECT_EQ(RenderMarked(absl::StrCat("{% for i in [1] %}[{{ ", expression, " }}]{% endfor %}")),
              "[]")
        << expression;
    EXPECT_THAT(
        RenderMarked(absl::StrCat("{% for i in [1] %}{{ ", expression, ".x }}{% endfor %}")),
        HasSubstr("unsafe"))
        << expression;
  }
}

TEST(AccessTest, SlicesTakeAnyNumbers) {
  Budget budget{Limits()};
  const Value list =
      *MakeList(&budget, {Value::Int(0), Value::Int(1), Value::Int(2), Value::Int(3)});
  const auto slice = [&](Value start, Value stop, Value step) {
    const auto result = GetSlice(list, start, stop, step, budget);
    if (!result.ok()) return std::string(result.status().message());
    TextBuilder text(nullptr);
    AppendRepr(*result, &text);
    return std::string(text.bytes());
  };
  const Value none = Value::None();
  const Value min = Value::Int(std::numeric_limits<int64_t>::min());
  const Value max = Value::Int(std::numeric_limits<int64_t>::max());
  EXPECT_EQ(slice(min, max, none), "[0, 1, 2, 3]");
  EXPECT_EQ(slice(max, min, none), "[]");
  EXPECT_EQ(slice(max, min, Value::Int(-1)), "[3, 2, 1, 0]");
  EXPECT_EQ(slice(none, none, min), "[3]");
  EXPECT_EQ(slice(none, none, max), "[0]");
  EXPECT_EQ(slice(Value::Int(-2), none, none), "[2, 3]");
  EXPECT_EQ(slice(Value::Int(-3), Value::Int(-1), none), "[1, 2]");
  EXPECT_EQ(slice(none, none, Value::Int(0)), "slice step cannot be zero");
  EXPECT_EQ(slice(MakeString("a"), none, none), "slice indices must be integers or None");
}

TEST(AccessTest, ErrorsOfMissingThingsSayWhatIsMissing) {
  const std::string long_name(1000, 'n');
  EXPECT_THAT(RenderMarked("{{ {}.x.y }}"), HasSubstr("'dict object' has no attribute 'x'"));
  EXPECT_THAT(RenderMarked("{{ none.x.y }}"), HasSubstr("has no attribute 'x'"));
  EXPECT_THAT(RenderMarked("{{ [][3].y }}"), HasSubstr("has no attribute '3'"));
  EXPECT_LT(RenderMarked(absl::StrCat("{{ {}['", long_name, "'].y }}")).size(), 200u);
}

}  // namespace
}  // namespace quantd::jinja
