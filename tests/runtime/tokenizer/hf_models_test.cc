#include "runtime/tokenizer/hf_models.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/runtime/tokenizer/hf_builder.h"

namespace quantd {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::vector<int32_t> Encode(const HfBuilder& file, const std::string& text) {
  const auto tokenizer = file.Load();
  EXPECT_TRUE(tokenizer.ok()) << tokenizer.status();
  return tokenizer.ok() ? (*tokenizer)->Encode(text, {}) : std::vector<int32_t>();
}

TEST(HfModelsTest, UnknownUnitsAreFusedOrNotOrLost) {
  HfBuilder file;
  EXPECT_THAT(Encode(file, "abxyab"), ElementsAre(5, 0, 0, 5));
  file.model["fuse_unk"] = "true";
  EXPECT_THAT(Encode(file, "abxyab"), ElementsAre(5, 0, 5));
  file.model["unk_token"] = "null";
  EXPECT_THAT(Encode(file, "abxyab"), ElementsAre(5, 5));
}

TEST(HfModelsTest, AFileWithoutATypeIsBpe) {
  HfBuilder file;
  file.model.erase("type");
  EXPECT_THAT(Encode(file, "abcd"), ElementsAre(7));
}

TEST(HfModelsTest, UnigramTakesTheLastOfEqualTexts) {
  HfBuilder file;
  file.members.erase("added_tokens");
  file.model = {{"type", R"("Unigram")"},
                {"unk_id", "0"},
                {"vocab", R"([["?", 0], ["a", -1], ["b", -2], ["ab", -2.5], ["a", -1]])"}};
  EXPECT_THAT(Encode(file, "abaxyb"), ElementsAre(3, 4, 0, 2));
  file.model["unk_id"] = "null";
  EXPECT_THAT(Encode(file, "xy"), IsEmpty());
}

TEST(HfModelsTest, WordPieceWithItsPrefixAndLimit) {
  HfBuilder file;
  file.members.erase("added_tokens");
  file.members["pre_tokenizer"] = R"({"type": "WhitespaceSplit"})";
  file.model = {{"type", R"("WordPiece")"},
                {"unk_token", R"("?")"},
                {"continuing_subword_prefix", R"("@")"},
                {"max_input_chars_per_word", "4"},
                {"vocab", R"({"?": 0, "a": 1, "@a": 2, "@b": 3, "ab": 4})"}};
  EXPECT_THAT(Encode(file, "aba ab ba @a abbbb"), ElementsAre(4, 2, 4, 0, 2, 0));
}

TEST(HfModelsTest, WordLevelKnowsWholeWords) {
  HfBuilder file;
  file.members["pre_tokenizer"] = R"({"type": "WhitespaceSplit"})";
  file.model["type"] = R"("WordLevel")";
  EXPECT_THAT(Encode(file, "ab abc abcd"), ElementsAre(5, 0, 7));
}

// No text becomes a control token, whatever the model.
TEST(HfModelsTest, ControlTokensAreNotOfTheModel) {
  for (const char* type : {"\"BPE\"", "\"WordLevel\"", "\"WordPiece\""}) {
    HfBuilder file;
    file.model["type"] = type;
    file.model["ignore_merges"] = "true";
    file.members["added_tokens"] = R"([{"id": 7, "content": "abcd", "special": true}])";
    EXPECT_THAT(Encode(file, "abcd"), testing::Not(testing::Contains(7))) << type;
  }
}

}  // namespace
}  // namespace quantd
