#include "runtime/tokenizer/string_ids.h"

#include <string>
#include <utility>

#include "gtest/gtest.h"

namespace quantd {
namespace {

TEST(StringIdsTest, FindsEveryStringAlsoAfterAMove) {
  StringIds ids;
  for (int32_t i = 0; i < 1000; ++i) ids.Add(std::string(i % 7, 'a') + std::to_string(i), 3 * i);
  ids.ShrinkToFit();
  const StringIds moved = std::move(ids);
  for (int32_t i = 0; i < 1000; ++i) {
    EXPECT_EQ(moved.Find(std::string(i % 7, 'a') + std::to_string(i)), 3 * i);
  }
  EXPECT_FALSE(moved.Find("aa").has_value());
  EXPECT_FALSE(moved.Find("").has_value());
}

TEST(StringIdsTest, TheFirstIdOfAStringStays) {
  StringIds ids;
  ids.Add("", 4);
  ids.Add(absl::string_view("\0b", 2), 5);
  ids.Add("", 6);
  EXPECT_EQ(ids.Find(""), 4);
  EXPECT_EQ(ids.Find(absl::string_view("\0b", 2)), 5);
  EXPECT_FALSE(ids.Find(absl::string_view("\0", 1)).has_value());
}

}  // namespace
}  // namespace quantd
