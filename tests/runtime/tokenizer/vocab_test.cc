// The vocabularies of published models, against the ids that the tokenizers they were
// trained with give.

#include <string>
#include <vector>

#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "gtest/gtest.h"
#include "runtime/formats/gguf.h"
#include "runtime/tokenizer/tokenizer.h"
#include "tests/support/test_data.h"

namespace quantd {
namespace {

struct Case {
  std::string text, ids;
};

// Texts stand between separator lines; line N of the other file holds the ids of text N.
std::vector<Case> ReadCases(const std::string& texts, const std::string& ids) {
  constexpr absl::string_view kSeparator = "\n__ggml_vocab_test__\n";
  std::vector<Case> cases;
  for (const absl::string_view text : absl::StrSplit(texts, std::string(kSeparator))) {
    cases.push_back({std::string(text), ""});
  }
  // The last text is followed by a separator.
  if (!cases.empty() && cases.back().text.empty()) cases.pop_back();
  std::vector<std::string> lines = absl::StrSplit(ids, '\n');
  if (!lines.empty() && lines.back().empty()) lines.pop_back();
  EXPECT_EQ(cases.size(), lines.size());
  for (size_t i = 0; i < std::min(cases.size(), lines.size()); ++i) {
    cases[i].ids = std::string(absl::StripAsciiWhitespace(lines[i]));
  }
  return cases;
}

class VocabTest : public testing::TestWithParam<const char*> {};

TEST_P(VocabTest, GivesTheExpectedIds) {
  const std::string base = std::string("vocab/vocab-") + GetParam();
  QUANTD_NEED_TEST_DATA(gguf, base + ".gguf");
  QUANTD_NEED_TEST_DATA(input, base + ".inp");
  QUANTD_NEED_TEST_DATA(output, base + ".out");
  const auto file = GgufFile::Open(gguf);
  ASSERT_TRUE(file.ok()) << file.status();
  const auto tokenizer = Tokenizer::FromGguf(**file);
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  const std::vector<Case> cases = ReadCases(ReadFileOrDie(input), ReadFileOrDie(output));
  EXPECT_EQ(cases.size(), 46u);
  for (const Case& c : cases) {
    const std::vector<int32_t> ids = (*tokenizer)->Encode(c.text, {});
    EXPECT_EQ(absl::StrJoin(ids, " "), c.ids) << "text: [" << c.text << "]";
    // WordPiece does not keep case and white space.
    if ((*tokenizer)->model_name() != "bert") {
      EXPECT_EQ((*tokenizer)->Decode(ids), c.text);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Published, VocabTest,
                         testing::Values("llama-spm", "gpt-2", "deepseek-coder", "bert-bge",
                                         "deepseek-llm", "falcon", "mpt", "phi-3", "refact",
                                         "starcoder"),
                         [](const auto& info) {
                           std::string name = info.param;
                           std::erase(name, '-');
                           return name;
                         });

}  // namespace
}  // namespace quantd
