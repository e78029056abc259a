#include "runtime/tokenizer/hf_post_processor.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/runtime/tokenizer/hf_parts_test_util.h"

namespace quantd {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

HfFrame Read(const std::string& json) {
  const PartJson part(json);
  const auto frame = ReadHfPostProcessor(part.value(), /*vocab_size=*/10);
  EXPECT_TRUE(frame.ok()) << frame.status();
  return frame.value_or(HfFrame());
}

TEST(HfPostProcessorTest, EachKind) {
  EXPECT_THAT(Read("null").prefix, IsEmpty());
  EXPECT_THAT(Read(R"({"type": "ByteLevel", "trim_offsets": true})").suffix, IsEmpty());
  for (const char* type : {"BertProcessing", "RobertaProcessing"}) {
    const HfFrame frame =
        Read(std::string(R"({"type": ")") + type + R"(", "sep": ["</s>", 2], "cls": ["<s>", 1]})");
    EXPECT_THAT(frame.prefix, ElementsAre(1));
    EXPECT_THAT(frame.suffix, ElementsAre(2));
  }
}

TEST(HfPostProcessorTest, TemplatesAndTheirSequences) {
  const std::string inner = R"({"type": "TemplateProcessing",
      "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
                 {"SpecialToken": {"id": "</s>", "type_id": 0}}],
      "special_tokens": {"<s>": {"id": "<s>", "ids": [1, 3], "tokens": ["<s>", "x"]},
                         "</s>": {"id": "</s>", "ids": [2], "tokens": ["</s>"]}}})";
  EXPECT_THAT(Read(inner).prefix, ElementsAre(1, 3));
  EXPECT_THAT(Read(inner).suffix, ElementsAre(2));
  const HfFrame both = Read(R"({"type": "Sequence", "processors": [)" + inner +
                            R"(, {"type": "BertProcessing", "sep": ["b", 8], "cls": ["a", 9]}]})");
  EXPECT_THAT(both.prefix, ElementsAre(9, 1, 3));
  EXPECT_THAT(both.suffix, ElementsAre(2, 8));
}

TEST(HfPostProcessorTest, IdsAreOfTheVocabulary) {
  const PartJson part(R"({"type": "BertProcessing", "sep": ["b", 10], "cls": ["a", 9]})");
  EXPECT_FALSE(ReadHfPostProcessor(part.value(), 10).ok());
  EXPECT_TRUE(ReadHfPostProcessor(part.value(), 11).ok());
}

}  // namespace
}  // namespace quantd
