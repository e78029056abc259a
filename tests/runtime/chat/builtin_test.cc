#include "runtime/chat/builtin.h"

#include <set>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace quantd::jinja {
namespace {

using ::testing::HasSubstr;

TEST(BuiltinTest, NamesAreThereOnce) {
  for (const auto table : {Filters(), Tests(), Functions(), StringMethods(), ListMethods(),
                           DictMethods(), LoopMethods()}) {
    std::set<std::string> names;
    for (const Builtin& row : table) {
      EXPECT_TRUE(names.insert(row.name).second) << row.name;
      EXPECT_EQ(FindBuiltin(table, row.name), &row);
    }
    EXPECT_EQ(FindBuiltin(table, "no such thing"), nullptr);
  }
}

TEST(BuiltinTest, ArgumentsFindTheirParameters) {
  Arguments arguments;
  arguments.positional = {Value::Int(1)};
  arguments.named = {{"c", Value::Int(3)}};
  const auto bound = BoundArguments::Bind("f", arguments, {"a", "b", "c"}, 1);
  ASSERT_TRUE(bound.ok()) << bound.status();
  EXPECT_EQ(bound->at(0)->integer(), 1);
  EXPECT_FALSE(bound->has(1));
  EXPECT_EQ(*bound->Integer(1, 7), 7);
  EXPECT_EQ(*bound->Integer(2, 7), 3);
  EXPECT_TRUE(bound->Flag(0, false));
  EXPECT_EQ(*bound->String(1), nullptr);
  EXPECT_THAT(std::string(bound->String(0).status().message()),
              HasSubstr("f(): a must be a string, not int"));
}

TEST(BuiltinTest, ArgumentsThatDoNotFitAreErrors) {
  const auto error = [](const Arguments& arguments) {
    return std::string(BoundArguments::Bind("f", arguments, {"a", "b"}, 1).status().message());
  };
  EXPECT_THAT(error({}), HasSubstr("missing the argument 'a'"));
  EXPECT_THAT(error({{Value(), Value(), Value()}, {}}), HasSubstr("at most 2"));
  EXPECT_THAT(error({{Value()}, {{"z", Value()}}}), HasSubstr("unexpected argument 'z'"));
  EXPECT_THAT(error({{Value()}, {{"a", Value()}}}), HasSubstr("second argument 'a'"));
}

}  // namespace
}  // namespace quantd::jinja
