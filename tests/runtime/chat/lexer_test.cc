#include "runtime/chat/lexer.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace quantd::jinja {
namespace {

using ::testing::HasSubstr;

// "data|{{|name|...|end", or the error.
std::string Lex(absl::string_view source) {
  const auto tokens = Tokenize(source);
  if (!tokens.ok()) return std::string(tokens.status().message());
  std::string all;
  for (const Token& token : *tokens) {
    absl::StrAppend(&all, all.empty() ? "" : "|",
                    token.kind == TokenKind::kData     ? token.text
                    : token.kind == TokenKind::kString ? absl::StrCat("\"", token.text, "\"")
                    : token.kind == TokenKind::kEnd    ? "end"
                                                       : Describe(token));
  }
  return all;
}

TEST(LexerTest, CutsTagsFromData) {
  EXPECT_EQ(Lex(""), "end");
  EXPECT_EQ(Lex("a { b"), "a { b|end");
  EXPECT_EQ(Lex("{ {% x %} }"), "{ |'{%'|'x'|'%}'| }|end");
  EXPECT_EQ(Lex("a{{ b.c }}d"), "a|'{{'|'b'|'.'|'c'|'}}'|d|end");
  EXPECT_EQ(Lex("{{{}}}"), "'{{'|'{'|'}'|'}}'|end");
  EXPECT_EQ(Lex("{{ 'a}}' }}"), "'{{'|\"a}}\"|'}}'|end");
  EXPECT_EQ(Lex("{{ 1.5e3 0x1f a.0.1 }}"), "'{{'|'1.5e3'|'0x1f'|'a'|'.'|'0'|'.'|'1'|'}}'|end");
  EXPECT_EQ(Lex("{{ a//b**c!=d }}"), "'{{'|'a'|'//'|'b'|'**'|'c'|'!='|'d'|'}}'|end");
}

TEST(LexerTest, ControlsWhiteSpace) {
  EXPECT_EQ(Lex("a  {%- x -%}  b"), "a|'{%'|'x'|'%}'|b|end");
  EXPECT_EQ(Lex("a\n  {% x %}\nb"), "a\n|'{%'|'x'|'%}'|b|end");
  EXPECT_EQ(Lex("a\n  {%+ x +%}\nb"), "a\n  |'{%'|'x'|'%}'|\nb|end");
  EXPECT_EQ(Lex("a {% x %} \nb"), "a |'{%'|'x'|'%}'| \nb|end");
  EXPECT_EQ(Lex("  {{ x }}\nb"), "  |'{{'|'x'|'}}'|\nb|end");
  EXPECT_EQ(Lex("a\n {# c #}\nb"), "a\n|b|end");
  EXPECT_EQ(Lex("a {#- c -#} b"), "a|b|end");
  EXPECT_EQ(Lex("{% raw %} {{ {% {# {% endraw %}x"), " {{ {% {# |x|end");
  EXPECT_EQ(Lex("a\n\n"), "a\n|end");
  EXPECT_EQ(Lex("a\r\nb\rc"), "a\nb\nc|end");
}

TEST(LexerTest, CountsLines) {
  const auto tokens = Tokenize("a\n{# \n\n #}\n{{ x\n+ y }}\n{% if z -%}\n\n  {{ w }}");
  ASSERT_TRUE(tokens.ok()) << tokens.status();
  for (const Token& token : *tokens) {
    if (token.text == "x") {
      EXPECT_EQ(token.line, 5);
    }
    if (token.text == "y") {
      EXPECT_EQ(token.line, 6);
    }
    if (token.text == "z") {
      EXPECT_EQ(token.line, 7);
    }
    if (token.text == "w") {
      EXPECT_EQ(token.line, 9);
    }
  }
}

TEST(LexerTest, ErrorsTellTheLine) {
  EXPECT_THAT(Lex("\n\n{# never"), HasSubstr("line 3: Missing end of comment"));
  EXPECT_THAT(Lex("\n{% raw %}\n\n{% if %}"), HasSubstr("line 2: Missing end of raw"));
  EXPECT_THAT(Lex("{{ 'abc }}"), HasSubstr("line 1: a string has no end"));
  EXPECT_THAT(Lex("{{ 'abc\\"), HasSubstr("a string has no end"));
  EXPECT_THAT(Lex("\n{{ $ }}"), HasSubstr("line 2: unexpected character '$'"));
  EXPECT_THAT(Lex("{{ \x01 }}"), HasSubstr("\\x01"));
  EXPECT_THAT(Lex("{{ (] }}"), HasSubstr("unexpected ']', expected ')'"));
  EXPECT_THAT(Lex("{{ ) }}"), HasSubstr("unexpected ')'"));
  EXPECT_THAT(Lex("{{ 99999999999999999999 }}"), HasSubstr("64 bits"));
  EXPECT_THAT(Lex("{{ '\\xg0' }}"), HasSubstr("incomplete escape"));
  EXPECT_THAT(Lex(absl::StrCat("{{ ", std::string(2000, 'n'), " }}")), HasSubstr("very long"));
}

}  // namespace
}  // namespace quantd::jinja
