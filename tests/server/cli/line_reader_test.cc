#include "server/cli/line_reader.h"

#include <fcntl.h>
#include <termios.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <thread>

#include "gtest/gtest.h"

namespace quantd {
namespace {

TEST(LineReaderTest, PipesAreReadByteForByte) {
  const char input[] = "one\n\ntw\to\\\nlast without end";
  std::FILE* in = fmemopen(const_cast<char*>(input), sizeof(input) - 1, "r");
  std::FILE* out = std::tmpfile();
  const auto lines = OpenLineReader(in, out);
  EXPECT_FALSE(lines->interactive());
  EXPECT_EQ(lines->Next("> "), "one");
  EXPECT_EQ(lines->Next("> "), "");
  EXPECT_EQ(lines->Next("> "), "tw\to\\");
  EXPECT_EQ(lines->Next("> "), "last without end");
  EXPECT_EQ(lines->Next("> "), std::nullopt);
  EXPECT_EQ(std::ftell(out), 0) << "no prompt for a pipe";
  std::fclose(in);
  std::fclose(out);
}

TEST(LineReaderTest, TerminalsEdit) {
  const int master = posix_openpt(O_RDWR | O_NOCTTY);
  ASSERT_GE(master, 0);
  ASSERT_EQ(grantpt(master), 0);
  ASSERT_EQ(unlockpt(master), 0);
  const std::string name = ptsname(master);
  std::FILE* in = std::fopen(name.c_str(), "r");
  std::FILE* out = std::fopen(name.c_str(), "w");
  ASSERT_TRUE(in != nullptr && out != nullptr);
  // Ctrl-A goes to the start, Backspace deletes. Typed when the prompt is there: before, the
  // terminal itself would take the keys; and one line only, for the same reason.
  const std::string keys =
      "af\xc3\xa9x\x7f\x01"
      "c\n";
  std::string shown;
  std::thread screen([&] {
    char buffer[512];
    bool typed = false;
    for (ssize_t got; (got = read(master, buffer, sizeof(buffer))) > 0;) {
      shown.append(buffer, static_cast<size_t>(got));
      if (typed || shown.find("say> ") == std::string::npos) continue;
      typed = true;
      EXPECT_EQ(write(master, keys.data(), keys.size()), static_cast<ssize_t>(keys.size()));
    }
  });
  auto lines = OpenLineReader(in, out);
  EXPECT_TRUE(lines->interactive());
  EXPECT_EQ(lines->Next("say> "), "caf\xc3\xa9");
  lines.reset();
  std::fclose(in);
  std::fclose(out);  // the screen's read fails when nobody has the terminal open
  screen.join();
  close(master);
  EXPECT_NE(shown.find("say> "), std::string::npos);
}

}  // namespace
}  // namespace quantd
