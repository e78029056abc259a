#include "server/cli/output.h"

#include "gtest/gtest.h"
#include "server/cli/commands.h"

namespace quantd {
namespace {

TEST(FormatBytes, HasThreeDigits) {
  EXPECT_EQ(FormatBytes(0), "0 B");
  EXPECT_EQ(FormatBytes(1023), "1023 B");
  EXPECT_EQ(FormatBytes(1024), "1.00 KiB");
  EXPECT_EQ(FormatBytes(10239), "10.0 KiB");
  EXPECT_EQ(FormatBytes((1 << 20) - 1), "1.00 MiB");
  EXPECT_EQ(FormatBytes(uint64_t{5} << 30), "5.00 GiB");
  EXPECT_EQ(FormatBytes(UINT64_MAX), "16777216 TiB");
}

TEST(FormatCount, HasThreeDigits) {
  EXPECT_EQ(FormatCount(999), "999");
  EXPECT_EQ(FormatCount(1000), "1.00 K");
  EXPECT_EQ(FormatCount(999999), "1.00 M");
  EXPECT_EQ(FormatCount(5772544), "5.77 M");
}

TEST(FormatNumber, HasThreeDigitsAndNoExponent) {
  EXPECT_EQ(FormatNumber(0), "0.00");
  EXPECT_EQ(FormatNumber(123456.7), "123457");
  EXPECT_EQ(FormatNumber(99.96), "100");
  EXPECT_EQ(FormatNumber(12.34), "12.3");
  EXPECT_EQ(FormatNumber(1.234), "1.23");
  EXPECT_EQ(FormatNumber(0.01234), "0.0123");
  EXPECT_EQ(FormatNumber(-12.34), "-12.3");
  EXPECT_EQ(FormatNumber(std::numeric_limits<double>::quiet_NaN()), "-");
}

TEST(FormatSeconds, PicksItsUnit) {
  EXPECT_EQ(FormatSeconds(absl::Milliseconds(850)), "850 ms");
  EXPECT_EQ(FormatSeconds(absl::Milliseconds(12340)), "12.3 s");
  EXPECT_EQ(FormatSeconds(absl::Seconds(245)), "4 min 05 s");
  EXPECT_EQ(FormatSeconds(absl::Milliseconds(59960)), "1 min 00 s");
}

TEST(EscapeText, ShowsWhatWouldSteerATerminal) {
  EXPECT_EQ(EscapeText("a\nb\tc\r"), "a\\nb\\tc\\r");
  EXPECT_EQ(EscapeText("a\nb\tc", "\n\t"), "a\nb\tc");
  EXPECT_EQ(EscapeText("\x1b[2J\x7f"), "\\x1b[2J\\x7f");
  EXPECT_EQ(EscapeText(absl::string_view("\0", 1)), "\\x00");
  EXPECT_EQ(EscapeText("\xC2\x9B"), "\\xc2\\x9b");  // C1 control: CSI in one character
}

TEST(EscapeText, LeavesUtf8AndEscapesWhatIsNone) {
  EXPECT_EQ(EscapeText("caf\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x99\x82"),
            "caf\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x99\x82");
  EXPECT_EQ(EscapeText("\xC3"), "\\xc3");                             // cut short
  EXPECT_EQ(EscapeText("\xC0\x80"), "\\xc0\\x80");                    // over-long
  EXPECT_EQ(EscapeText("\xED\xA0\x80"), "\\xed\\xa0\\x80");           // surrogate
  EXPECT_EQ(EscapeText("\xF4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80");  // above U+10FFFF
  EXPECT_EQ(EscapeText("\xE2\x82z"), "\\xe2\\x82z");
}

TEST(ExitCodeFor, TellsScriptsWhatHappened) {
  EXPECT_EQ(ExitCodeFor(absl::OkStatus()), kExitOk);
  EXPECT_EQ(ExitCodeFor(absl::NotFoundError("")), kExitFailure);
  EXPECT_EQ(ExitCodeFor(absl::InvalidArgumentError("")), kExitUsage);
  EXPECT_EQ(ExitCodeFor(absl::UnavailableError("")), kExitUnavailable);
  EXPECT_EQ(ExitCodeFor(absl::CancelledError("")), kExitInterrupted);
}

TEST(Fail, WritesOneLineToStandardError) {
  testing::internal::CaptureStderr();
  EXPECT_EQ(Fail("quantd x", absl::DataLossError("f.gguf: k\x1b: bad")), kExitFailure);
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "quantd x: f.gguf: k\\x1b: bad\n");
}

}  // namespace
}  // namespace quantd
