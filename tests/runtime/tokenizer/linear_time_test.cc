#include <time.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "runtime/tokenizer/tokenizer.h"
#include "tests/runtime/tokenizer/golden_tokenizers.h"
#include "tests/runtime/tokenizer/sample_vocabs.h"

namespace quantd {
namespace {

// What each text repeats: letters of several lengths, what patterns treat apart, combining marks,
// the start of special tokens, what is no UTF-8.
const std::vector<std::string>& Units() {
  static const auto* const units = new std::vector<std::string>{
      "a", " ", "\n", "7", ".", "\xCC\x81", "中", "a ", "<", "\xFF", "'"};
  return *units;
}

std::string Repeat(const std::string& unit, size_t bytes) {
  std::string text;
  text.reserve(bytes + unit.size());
  while (text.size() < bytes) text += unit;
  return text;
}

// Processor time of this thread, so that other programs do not count.
double CpuSeconds() {
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

double EncodeSeconds(const Tokenizer& tokenizer, const std::string& text) {
  const double began = CpuSeconds();
  const std::vector<int32_t> ids = tokenizer.Encode(text, {.parse_control = true});
  const double seconds = CpuSeconds() - began;
  EXPECT_LE(ids.size(), 3 * text.size() + 2);  // an ill-formed byte is U+FFFD, of three bytes
  return seconds;
}

// The time for a text is compared with that for an eighth of it, not with a clock: quadratic time
// would be 64 times as much, and seconds at this length even on a fast machine.
void CheckTime(const Tokenizer& tokenizer, const std::string& name) {
  constexpr size_t kBytes = size_t{1} << 18;
  constexpr double kSlack = 4, kNoise = 0.05;
  for (const std::string& unit : Units()) {
    const double part = EncodeSeconds(tokenizer, Repeat(unit, kBytes / 8));
    const double whole = EncodeSeconds(tokenizer, Repeat(unit, kBytes));
    EXPECT_LE(whole, 8 * kSlack * part + kNoise)
        << name << ", repeated " << testing::PrintToString(unit);
  }
}

TEST(LinearTimeTest, OneCharacterRepeatedInEveryKindOfGguf) {
  for (const VocabBuilder& vocab : SampleVocabs()) {
    const auto tokenizer = vocab.Load();
    ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
    CheckTime(**tokenizer, (*tokenizer)->model_name() + " " + (*tokenizer)->pre_name());
  }
}

TEST(LinearTimeTest, OneCharacterRepeatedInTokenizersOfHuggingFace) {
  for (const std::string& name : GoldenTokenizerNames()) {
    const auto tokenizer = Tokenizer::Open(GoldenTokenizerPath(name));
    ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
    CheckTime(**tokenizer, name);
  }
}

}  // namespace
}  // namespace quantd
