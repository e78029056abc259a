#include "runtime/tokenizer/vocabulary_parts.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace quantd {
namespace {

using ::testing::ElementsAre;

Vocabulary SmallVocabulary() {
  Vocabulary vocabulary;
  vocabulary.texts = {"<unk>", "<s>", "<0x41>", "a", "tool", "<0x41>", ""};
  vocabulary.types = {TokenType::kUnknown, TokenType::kControl,     TokenType::kByte,
                      TokenType::kNormal,  TokenType::kUserDefined, TokenType::kByte,
                      TokenType::kUnused};
  return vocabulary;
}

TEST(VocabularyPartsTest, EveryTypeHasItsBytes) {
  const TokenizerParts parts = PartsOfVocabulary(
      SmallVocabulary(), [](TokenType, absl::string_view text) { return std::string(text) + "!"; });
  std::vector<std::string> bytes;
  for (size_t id = 0; id < parts.token_bytes.size(); ++id) {
    bytes.emplace_back(parts.token_bytes[id]);
  }
  EXPECT_THAT(bytes, ElementsAre("\uFFFD", "", "A", "a!", "tool!", "A", "!"));
  ASSERT_EQ(parts.special.size(), 2u);
  EXPECT_EQ(parts.special[0].text, "<s>");
  EXPECT_TRUE(parts.special[0].control);
  EXPECT_EQ(parts.special[1].text, "tool!");
  EXPECT_FALSE(parts.special[1].control);
}

TEST(VocabularyPartsTest, OfTwoTokensOfAByteTheFirstCounts) {
  const auto bytes = ByteTokens(SmallVocabulary());
  EXPECT_EQ(bytes[0x41], 2);
  EXPECT_EQ(bytes[0x42], -1);
}

TEST(VocabularyPartsTest, EndIdsAreOfTheVocabularyAndOnce) {
  TokenizerParts parts = PartsOfVocabulary(
      SmallVocabulary(), [](TokenType, absl::string_view text) { return std::string(text); });
  parts.end_ids = {1};
  const int32_t more[] = {3, 1, 7, -1, 3, 0};
  AddEndIds(more, &parts);
  EXPECT_THAT(parts.end_ids, ElementsAre(1, 3, 0));
}

}  // namespace
}  // namespace quantd
