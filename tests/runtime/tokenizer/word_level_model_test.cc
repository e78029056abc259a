#include "runtime/tokenizer/word_level_model.h"

#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace quantd {
namespace {

TEST(WordLevelModelTest, AWordIsItsTokenOrTheUnknownOne) {
  StringIds words;
  words.Add("ab", 3);
  words.Add("a", 5);
  const WordLevelModel model(std::move(words), /*unknown=*/9);
  const auto encoder = model.NewEncoder();
  std::vector<int32_t> ids;
  for (const char* word : {"a", "ab", "abc", "b"}) encoder->Encode(word, &ids);
  EXPECT_THAT(ids, testing::ElementsAre(5, 3, 9, 9));
}

}  // namespace
}  // namespace quantd
