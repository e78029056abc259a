#include "server/cli/json_output.h"

#include <limits>

#include "gtest/gtest.h"

namespace quantd {
namespace {

TEST(JsonFloat, PrintsAsTheFloatDoes) {
  EXPECT_EQ(DumpJson(JsonFloat(0.1f)), "0.1");
  EXPECT_EQ(DumpJson(JsonFloat(1e-5f)), "1e-05");
  EXPECT_EQ(DumpJson(JsonFloat(-10.13658f)), "-10.13658");
}

TEST(JsonFloat, LosesNothing) {
  for (const float value : {0.0f, 1.0f / 3, std::numeric_limits<float>::max(),
                            std::numeric_limits<float>::denorm_min(), -16777217.0f}) {
    EXPECT_EQ(static_cast<float>(JsonFloat(value)), value);
  }
}

TEST(DumpJson, IsOneLineAndNeverThrows) {
  EXPECT_EQ(DumpJson(Json{{"b", 1}, {"a", Json::array({1, 2})}}), "{\"b\":1,\"a\":[1,2]}");
  EXPECT_EQ(DumpJson("\xFFz"), "\"\xEF\xBF\xBDz\"");
  EXPECT_EQ(DumpJson(JsonFloats({1, std::numeric_limits<float>::infinity()})), "[1.0,null]");
}

TEST(JsonSeconds, IsRoundedToMicroseconds) {
  EXPECT_EQ(JsonSeconds(absl::Nanoseconds(1234567)), 0.001235);
}

}  // namespace
}  // namespace quantd
