#include "runtime/chat/format.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/runtime/chat/render.h"

namespace quantd::jinja {
namespace {

using ::testing::HasSubstr;

TEST(FormatTest, PercentDirectives) {
  EXPECT_EQ(RenderMarked("{{ '%s|%5d|%-5d|%05d|%.2f|%x|%%' % ('a', 1, 2, -3, 4.567, 255) }}"),
            "a|    1|2    |-0003|4.57|ff|%");
  EXPECT_EQ(RenderMarked("{{ '%5s|%-5s|%.2s|%r' % ('é', 'é', 'éàü', 'é') }}"),
            "    é|é    |éà|'é'");
}

TEST(FormatTest, WhatIsNotSupportedIsAnError) {
  EXPECT_THAT(RenderMarked("{{ '%q' % 1 }}"), HasSubstr("%s, %r, %d"));
  EXPECT_THAT(RenderMarked("{{ '%' % 1 }}"), HasSubstr("incomplete format"));
  EXPECT_THAT(RenderMarked("{{ '%1001d' % 1 }}"), HasSubstr("wider than"));
  EXPECT_THAT(RenderMarked("{{ '%d' % 'a' }}"), HasSubstr("a number is required"));
  EXPECT_THAT(RenderMarked("{{ '%d' % 1e300 }}"), HasSubstr("64 bits"));
  EXPECT_THAT(RenderMarked("{{ '%s %s' % 1 }}"), HasSubstr("not enough arguments"));
  EXPECT_THAT(RenderMarked("{{ '{0.__class__}'.format(1) }}"), HasSubstr("nothing else"));
  EXPECT_THAT(RenderMarked("{{ '{:>10}'.format(1) }}"), HasSubstr("nothing else"));
  EXPECT_THAT(RenderMarked("{{ '{'.format(1) }}"), HasSubstr("single brace"));
  EXPECT_THAT(RenderMarked("{{ '}'.format(1) }}"), HasSubstr("single brace"));
  EXPECT_THAT(RenderMarked("{{ '{}{}'.format(1) }}"), HasSubstr("fewer arguments"));
  EXPECT_THAT(RenderMarked("{{ '{x}'.format(y=1) }}"), HasSubstr("no argument 'x'"));
}

}  // namespace
}  // namespace quantd::jinja
