#include "runtime/lifecycle/kv_choice.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace quantd {
namespace {

TEST(KvChoiceTest, NamesAreThoseOfTheTypesAndAuto) {
  EXPECT_THAT(KvChoiceNames(), testing::ElementsAre("auto", "f32", "f16", "bf16", "int8"));
  for (const std::string& name : KvChoiceNames())
    EXPECT_EQ(KvChoiceName(ParseKvChoice(name)), name);
  EXPECT_EQ(ParseKvChoice("int8"), KvType::kInt8);
  EXPECT_EQ(ParseKvChoice("auto"), std::nullopt);
  EXPECT_EQ(ParseKvChoice("INT8"), std::nullopt);
}

}  // namespace
}  // namespace quantd
