#include "server/cli/table.h"

#include "gtest/gtest.h"

namespace quantd {
namespace {

TEST(Table, AlignsColumnsAndLeavesNoTrailingBlanks) {
  Table table({{"NAME"}, {"BYTES", Table::Align::kRight}, {"NOTE"}});
  table.AddRow({"a", "5", "x"});
  table.AddRow({"long name", "12345"});
  EXPECT_EQ(table.Render(),
            "NAME       BYTES  NOTE\n"
            "a              5  x\n"
            "long name  12345\n");
}

TEST(Table, WrapsTheLastColumnOnly) {
  Table table({{"K"}, {"TEXT"}});
  table.AddRow({"key", "one two three four five six"});
  EXPECT_EQ(table.Render(21),
            "K    TEXT\n"
            "key  one two three\n"
            "     four five six\n");
  // Too narrow to wrap, or no terminal at all: one line.
  EXPECT_EQ(table.Render(10), "K    TEXT\nkey  one two three four five six\n");
  EXPECT_EQ(table.Render(0), "K    TEXT\nkey  one two three four five six\n");
}

TEST(Table, AWordLongerThanTheRoomStaysWhole) {
  Table table({{"K"}, {"TEXT"}});
  table.AddRow({"k", "tiny unbreakable_word_of_30_letters tail"});
  EXPECT_EQ(table.Render(20),
            "K  TEXT\n"
            "k  tiny\n"
            "   unbreakable_word_of_30_letters\n"
            "   tail\n");
}

TEST(Table, CountsCharactersNotBytesAndEscapesControls) {
  Table table({{"A"}, {"B"}});
  table.AddRow({"\xC3\xA9\xC3\xA9", "x"});
  table.AddRow({"abc", "\x1b[31m"});
  EXPECT_EQ(table.Render(),
            "A    B\n"
            "\xC3\xA9\xC3\xA9   x\n"
            "abc  \\x1b[31m\n");
}

}  // namespace
}  // namespace quantd
