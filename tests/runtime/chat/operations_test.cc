#include "runtime/chat/operations.h"

#include <limits>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace quantd::jinja {
namespace {

constexpr int64_t kMin = std::numeric_limits<int64_t>::min();
constexpr int64_t kMax = std::numeric_limits<int64_t>::max();

class OperationsTest : public ::testing::Test {
 protected:
  // repr() of the result, or "error".
  std::string Calculate(Operator op, const Value& a, const Value& b) {
    const auto result = Arithmetic(op, a, b, budget_);
    if (!result.ok()) return "error";
    TextBuilder text(nullptr);
    AppendRepr(*result, &text);
    return std::string(text.bytes());
  }
  Budget budget_{Limits()};
};

TEST_F(OperationsTest, FloatsAreWrittenAsInPython) {
  EXPECT_EQ(FloatText(0.1), "0.1");
  EXPECT_EQ(FloatText(1), "1.0");
  EXPECT_EQ(FloatText(-0.0), "-0.0");
  EXPECT_EQ(FloatText(1e15), "1000000000000000.0");
  EXPECT_EQ(FloatText(1e16), "1e+16");
  EXPECT_EQ(FloatText(0.0001), "0.0001");
  EXPECT_EQ(FloatText(0.00001), "1e-05");
  EXPECT_EQ(FloatText(1.5e300), "1.5e+300");
  EXPECT_EQ(FloatText(123456789.125), "123456789.125");
  EXPECT_EQ(FloatText(std::numeric_limits<double>::infinity()), "inf");
  EXPECT_EQ(FloatText(std::numeric_limits<double>::quiet_NaN()), "nan");
}

TEST_F(OperationsTest, DivisionRoundsDown) {
  const auto ints = [&](Operator op, int64_t a, int64_t b) {
    return Calculate(op, Value::Int(a), Value::Int(b));
  };
  EXPECT_EQ(ints(Operator::kFloorDivide, -7, 2), "-4");
  EXPECT_EQ(ints(Operator::kFloorDivide, 7, -2), "-4");
  EXPECT_EQ(ints(Operator::kFloorDivide, -8, 2), "-4");
  EXPECT_EQ(ints(Operator::kModulo, -7, 3), "2");
  EXPECT_EQ(ints(Operator::kModulo, 7, -3), "-2");
  EXPECT_EQ(ints(Operator::kModulo, kMin, -1), "0");
  EXPECT_EQ(ints(Operator::kDivide, 7, 2), "3.5");
  EXPECT_EQ(Calculate(Operator::kModulo, Value::Float(-7.5), Value::Int(2)), "0.5");
}

TEST_F(OperationsTest, NumbersOutOfRangeAreErrors) {
  const auto ints = [&](Operator op, int64_t a, int64_t b) {
    return Calculate(op, Value::Int(a), Value::Int(b));
  };
  EXPECT_EQ(ints(Operator::kAdd, kMax, 1), "error");
  EXPECT_EQ(ints(Operator::kSubtract, kMin, 1), "error");
  EXPECT_EQ(ints(Operator::kMultiply, kMax, 2), "error");
  EXPECT_EQ(ints(Operator::kFloorDivide, kMin, -1), "error");
  EXPECT_EQ(ints(Operator::kPower, 10, 19), "error");
  EXPECT_EQ(ints(Operator::kPower, 10, 18), "1000000000000000000");
  EXPECT_EQ(ints(Operator::kPower, -1, kMax), "-1");
  EXPECT_EQ(ints(Operator::kPower, 0, 0), "1");
  EXPECT_EQ(ints(Operator::kModulo, 1, 0), "error");
  EXPECT_EQ(ints(Operator::kPower, 0, -1), "error");
  EXPECT_FALSE(Negate(Value::Int(kMin)).ok());
  EXPECT_FALSE(Negate(MakeString("a")).ok());
}

TEST_F(OperationsTest, GeneratorsAreUsedUp) {
  const Value generator = *MakeList(&budget_, {Value::Int(1), Value::Int(2)}, ListType::kGenerator);
  EXPECT_TRUE(Truthy(generator));
  EXPECT_FALSE(Length(generator, budget_).ok());
  EXPECT_EQ((*Iterate(generator, budget_))->items.size(), 2u);
  EXPECT_EQ((*Iterate(generator, budget_))->items.size(), 0u);
  EXPECT_TRUE(Truthy(generator));
}

TEST_F(OperationsTest, UndefinedIsEmptyAndUnusable) {
  const Value undefined = Value::Undefined("gone");
  EXPECT_FALSE(Truthy(undefined));
  EXPECT_EQ(*Length(undefined, budget_), 0);
  EXPECT_TRUE((*Iterate(undefined, budget_))->items.empty());
  EXPECT_TRUE(*Equal(undefined, Value(), budget_));
  EXPECT_EQ(Less(undefined, Value::Int(1), budget_).status().message(), "gone");
  EXPECT_EQ(Calculate(Operator::kAdd, undefined, Value::Int(1)), "error");
  TextBuilder text(nullptr);
  AppendString(undefined, &text);
  EXPECT_EQ(text.bytes(), "");
}

TEST_F(OperationsTest, ComparingCountsSteps) {
  const Value text = MakeString(std::string(1'000'000, 'x'));
  const Value same = MakeString(std::string(1'000'000, 'x'));
  const int64_t before = budget_.steps_spent();
  EXPECT_TRUE(*Equal(text, same, budget_));
  EXPECT_GT(budget_.steps_spent() - before, 500);
}

}  // namespace
}  // namespace quantd::jinja
