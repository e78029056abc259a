#include "runtime/tokenizer/unicode_normalization.h"

#include <string>

#include "gtest/gtest.h"

namespace quantd {
namespace {

std::string Normalized(NormalForm form, std::string text) {
  NormalizeUnicode(form, &text);
  return text;
}

struct FormCase {
  std::string text, nfc, nfd, nfkc, nfkd;
};

// The examples of UAX #15 and what is known to be hard.
TEST(UnicodeNormalizationTest, GivesTheFourForms) {
  const FormCase cases[] = {
      {"plain", "plain", "plain", "plain", "plain"},
      {"é", "é", "e\u0301", "é", "e\u0301"},
      {"e\u0301", "é", "e\u0301", "é", "e\u0301"},
      {"\u212B", "Å", "A\u030A", "Å", "A\u030A"},
      {"ﬁ２⁵", "ﬁ２⁵", "ﬁ２⁵", "fi25", "fi25"},
      {"\u1E9B\u0323", "\u1E9B\u0323", "\u017F\u0323\u0307", "\u1E69", "s\u0323\u0307"},
      {"가각", "가각", "\u1100\u1161\u1100\u1161\u11A8", "가각", "\u1100\u1161\u1100\u1161\u11A8"},
      {"\u0958", "\u0915\u093C", "\u0915\u093C", "\u0915\u093C", "\u0915\u093C"},
      {"a\u0315\u0300\u05AE\u0300b", "à\u05AE\u0300\u0315b", "a\u05AE\u0300\u0300\u0315b",
       "à\u05AE\u0300\u0315b", "a\u05AE\u0300\u0300\u0315b"},
      {"\uFDFA", "\uFDFA", "\uFDFA",
       "\u0635\u0644\u0649 \u0627\u0644\u0644\u0647 \u0639\u0644\u064A\u0647 "
       "\u0648\u0633\u0644\u0645",
       "\u0635\u0644\u0649 \u0627\u0644\u0644\u0647 \u0639\u0644\u064A\u0647 "
       "\u0648\u0633\u0644\u0645"},
      {"", "", "", "", ""},
  };
  for (const FormCase& c : cases) {
    EXPECT_EQ(Normalized(NormalForm::kNfc, c.text), c.nfc);
    EXPECT_EQ(Normalized(NormalForm::kNfd, c.text), c.nfd);
    EXPECT_EQ(Normalized(NormalForm::kNfkc, c.text), c.nfkc);
    EXPECT_EQ(Normalized(NormalForm::kNfkd, c.text), c.nfkd);
  }
}

// A run of marks in the wrong order is sorted; by insertion that would take hours.
TEST(UnicodeNormalizationTest, LongRunsOfMarksAreNoTrap) {
  std::string text = "a", above, below;
  for (int i = 0; i < 1'000'000; ++i) {
    text += "\u0301\u0323";
    above += "\u0301";
    below += "\u0323";
  }
  EXPECT_EQ(Normalized(NormalForm::kNfd, text), "a" + below + above);
  EXPECT_EQ(Normalized(NormalForm::kNfc, text), "\u1EA1" + below.substr(2) + above);
}

}  // namespace
}  // namespace quantd
