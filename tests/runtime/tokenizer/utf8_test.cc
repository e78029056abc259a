#include "runtime/tokenizer/utf8.h"

#include <string>

#include "gtest/gtest.h"

namespace quantd {
namespace {

std::string Replace(absl::string_view bytes) {
  std::string out;
  EXPECT_EQ(AppendUtf8(bytes, /*at_end=*/true, &out), bytes.size());
  return out;
}

// `count` replacement characters, then `tail`.
std::string Replacements(int count, absl::string_view tail) {
  std::string out;
  for (int i = 0; i < count; ++i) out += "\uFFFD";
  return out.append(tail.data(), tail.size());
}

std::string EncodeUtf8(char32_t code) {
  std::string bytes;
  const auto trail = [&](int shift) {
    bytes.push_back(static_cast<char>(0x80 | (code >> shift & 63)));
  };
  if (code < 0x80) {
    bytes.push_back(static_cast<char>(code));
  } else if (code < 0x800) {
    bytes.push_back(static_cast<char>(0xC0 | code >> 6));
  } else if (code < 0x10000) {
    bytes.push_back(static_cast<char>(0xE0 | code >> 12));
    trail(6);
  } else {
    bytes.push_back(static_cast<char>(0xF0 | code >> 18));
    trail(12);
    trail(6);
  }
  if (code >= 0x80) trail(0);
  return bytes;
}

// The examples of the Unicode standard, section 3.9, tables 3-8 to 3-11.
TEST(Utf8Test, ReplacesMaximalSubparts) {
  EXPECT_EQ(Replace("\x61\xF1\x80\x80\xE1\x80\xC2\x62\x80\x63\x80\xBF\x64"),
            "a\uFFFD\uFFFD\uFFFDb\uFFFDc\uFFFD\uFFFDd");
  EXPECT_EQ(Replace("\xC0\xAF\xE0\x80\xBF\xF0\x81\x82\x41"), Replacements(8, "A"));
  EXPECT_EQ(Replace("\xED\xA0\x80\xED\xBF\xBF\xED\xAF\x41"), Replacements(8, "A"));
  EXPECT_EQ(Replace("\xF4\x91\x92\x93\xFF\x41\x80\xBF\x42"), Replacements(5,
                                                                          "A\uFFFD\uFFFD"
                                                                          "B"));
  EXPECT_EQ(Replace("\xE1\x80\xE2\xF0\x91\x92\xF1\xBF\x41"), Replacements(4, "A"));
}

TEST(Utf8Test, EveryCodePointIsOneCharacter) {
  for (char32_t code = 0; code < 0x110000; ++code) {
    const std::string bytes = EncodeUtf8(code);
    const Utf8Step step = NextUtf8(bytes);
    const bool surrogate = code >= 0xD800 && code < 0xE000;
    ASSERT_EQ(step.valid, !surrogate) << std::hex << static_cast<uint32_t>(code);
    if (surrogate) continue;
    ASSERT_EQ(step.length, bytes.size()) << std::hex << static_cast<uint32_t>(code);
    ASSERT_EQ(DecodeUtf8(bytes), code);
    std::string appended;
    AppendCharacter(code, &appended);
    ASSERT_EQ(appended, bytes);
    const std::string followed = bytes + "x";
    absl::string_view rest = followed;
    ASSERT_EQ(TakeCharacter(&rest), code);
    ASSERT_EQ(rest, "x");
    for (size_t cut = 1; cut < bytes.size(); ++cut) {
      ASSERT_TRUE(NextUtf8(bytes.substr(0, cut)).truncated);
    }
  }
}

TEST(Utf8Test, TakesIllFormedPartsAsTheReplacementCharacter) {
  const std::string text =
      "\xE4\xB8\xFF\x80"
      "a";
  absl::string_view rest = text;
  std::u32string codes;
  while (!rest.empty()) codes += TakeCharacter(&rest);
  EXPECT_EQ(codes, U"\uFFFD\uFFFD\uFFFDa");
}

TEST(Utf8Test, KnowsUtf8) {
  for (const char* text : {"", "ascii", "é中🚀", "\xF4\x8F\xBF\xBF"})
    EXPECT_TRUE(IsUtf8(text)) << text;
  for (const char* text : {"\x80", "a\xC3", "\xED\xA0\x80", "\xC0\x80", "\xF4\x90\x80\x80"}) {
    EXPECT_FALSE(IsUtf8(text)) << text;
  }
}

TEST(Utf8Test, LeavesATruncatedCharacterUnlessAtTheEnd) {
  std::string out;
  EXPECT_EQ(AppendUtf8("ab\xF0\x9F\x9A", /*at_end=*/false, &out), 2u);
  EXPECT_EQ(out, "ab");
  // Nothing can complete this one.
  out.clear();
  EXPECT_EQ(AppendUtf8("ab\xF0\x8F", /*at_end=*/false, &out), 4u);
  EXPECT_EQ(out, "ab\uFFFD\uFFFD");
}

}  // namespace
}  // namespace quantd
