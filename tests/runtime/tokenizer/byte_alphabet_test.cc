#include "runtime/tokenizer/byte_alphabet.h"

#include <string>

#include "gtest/gtest.h"
#include "tests/runtime/tokenizer/vocab_builder.h"

namespace quantd {
namespace {

TEST(ByteAlphabetTest, SpellsEveryByte) {
  for (int byte = 0; byte < 256; ++byte) {
    const std::string text(1, static_cast<char>(byte));
    std::string spelled;
    AppendSpelledBytes(text, &spelled);
    EXPECT_EQ(spelled, BpeCharacter(byte));
    EXPECT_EQ(BytesOfSpelling(spelled), text);
    EXPECT_EQ(BytesOfStrictSpelling(spelled), text);
  }
  EXPECT_EQ(BpeCharacter(' '), "Ġ");
  EXPECT_EQ(BpeCharacter('\n'), "Ċ");
  EXPECT_EQ(BpeCharacter(0xAD), "\u0143");
}

TEST(ByteAlphabetTest, WhatIsNotOfTheAlphabetStandsForItselfOrForNothing) {
  EXPECT_EQ(BytesOfSpelling("Ġ中\xFF"), " 中\xFF");
  EXPECT_EQ(BytesOfStrictSpelling("Ġ中"), std::nullopt);
  EXPECT_EQ(BytesOfStrictSpelling("a b"), std::nullopt);
  EXPECT_EQ(BytesOfStrictSpelling("\xFF"), std::nullopt);
  EXPECT_EQ(BytesOfStrictSpelling(""), "");
}

}  // namespace
}  // namespace quantd
