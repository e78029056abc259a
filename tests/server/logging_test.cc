#include "server/logging.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <limits>
#include <regex>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace quantd {
namespace {

using ::testing::HasSubstr;

constexpr char kTimePattern[] = "\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{3}Z";

// A minimal check of one flat JSON object, independent of the code under test: returns the
// members in order, strings decoded as far as \uXXXX below 0x80 goes; empty on any deviation.
class FlatJson {
 public:
  static std::vector<std::pair<std::string, std::string>> Parse(const std::string& line) {
    FlatJson parser(line);
    std::vector<std::pair<std::string, std::string>> members;
    if (!parser.Take('{')) return {};
    do {
      std::string key, value;
      if (!parser.String(&key) || !parser.Take(':')) return {};
      if (!parser.String(&value) && !parser.Literal(&value)) return {};
      members.emplace_back(key, value);
    } while (parser.Take(','));
    if (!parser.Take('}') || parser.at_ != line.size()) return {};
    return members;
  }

 private:
  explicit FlatJson(const std::string& text) : text_(text) {}
  bool Take(char c) {
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  bool String(std::string* out) {
    if (!Take('"')) return false;
    while (at_ < text_.size() && text_[at_] != '"') {
      if (static_cast<unsigned char>(text_[at_]) < 0x20) return false;
      if (text_[at_] != '\\') {
        out->push_back(text_[at_++]);
        continue;
      }
      const char kind = text_[++at_];
      ++at_;
      if (kind == 'u') {
        out->push_back(static_cast<char>(std::stoi(text_.substr(at_, 4), nullptr, 16)));
        at_ += 4;
      } else if (kind == 'n' || kind == 'r' || kind == 't') {
        out->push_back(kind == 'n' ? '\n' : kind == 'r' ? '\r' : '\t');
      } else if (kind == '"' || kind == '\\') {
        out->push_back(kind);
      } else {
        return false;
      }
    }
    return Take('"');
  }
  bool Literal(std::string* out) {
    std::smatch match;
    const std::string rest = text_.substr(at_);
    if (!std::regex_search(rest, match,
                           std::regex("^(true|false|-?\\d+(\\.\\d+)?([eE][-+]?\\d+)?)"))) {
      return false;
    }
    *out = match[1];
    at_ += out->size();
    return true;
  }
  const std::string& text_;
  size_t at_ = 0;
};

std::string Value(const std::string& line, const std::string& key) {
  for (const auto& [name, value] : FlatJson::Parse(line)) {
    if (name == key) return value;
  }
  return "(none)";
}

class LoggingTest : public ::testing::Test {
 protected:
  ~LoggingTest() override { EXPECT_TRUE(SetUpLogging("info", "text").ok()); }

  template <typename Body>
  std::vector<std::string> Capture(const Body& body) {
    ::testing::internal::CaptureStderr();
    body();
    const std::string out = ::testing::internal::GetCapturedStderr();
    EXPECT_TRUE(out.empty() || out.back() == '\n');
    std::vector<std::string> lines = absl::StrSplit(out, '\n');
    lines.pop_back();
    return lines;
  }
};

TEST_F(LoggingTest, JsonLineHoldsTimeLevelMessageAndTypedFields) {
  ASSERT_TRUE(SetUpLogging("debug", "json").ok());
  const auto lines = Capture([] {
    Log(LogLevel::kWarn, "model loaded",
        {{"name", "tiny"},
         {"big", uint64_t{18446744073709551615u}},
         {"least", std::numeric_limits<int64_t>::min()},
         {"int", 7},
         {"seconds", 0.1},
         {"ok", true},
         {"text", std::string("a=b")}});
  });
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_TRUE(std::regex_search(
      lines[0], std::regex(absl::StrCat("^\\{\"ts\":\"", kTimePattern, "\",\"level\":\"warn\","))))
      << lines[0];
  EXPECT_THAT(lines[0], HasSubstr("\"msg\":\"model loaded\",\"name\":\"tiny\","
                                  "\"big\":18446744073709551615,\"least\":-9223372036854775808,"
                                  "\"int\":7,\"seconds\":0.1,\"ok\":true,\"text\":\"a=b\"}"));
  EXPECT_EQ(FlatJson::Parse(lines[0]).size(), 10u);
}

TEST_F(LoggingTest, JsonSurvivesHostileText) {
  ASSERT_TRUE(SetUpLogging("info", "json").ok());
  std::string every_byte;
  for (int c = 0; c < 256; ++c) every_byte.push_back(static_cast<char>(c));
  const std::string ascii = every_byte.substr(0, 128);
  const auto lines = Capture([&] {
    Log(LogLevel::kInfo, "x", {{"v", ascii}});
    Log(LogLevel::kInfo, "x", {{"v", every_byte}});
    Log(LogLevel::kInfo, "x", {{"v", "\xE2\x82\xAC \xF0\x9F\x98\x80"}});   // well-formed stays
    Log(LogLevel::kInfo, "x", {{"v", "\xC0\x80|\xED\xA0\x80|\xE2\x82"}});  // none of it is
    Log(LogLevel::kInfo, "quote\"\nline", {{"k\"ey", static_cast<const char*>(nullptr)}});
  });
  ASSERT_EQ(lines.size(), 5u);
  for (const std::string& line : lines) EXPECT_FALSE(FlatJson::Parse(line).empty()) << line;
  EXPECT_EQ(Value(lines[0], "v"), ascii);
  EXPECT_THAT(lines[1], HasSubstr("\xEF\xBF\xBD"));
  EXPECT_EQ(Value(lines[2], "v"), "\xE2\x82\xAC \xF0\x9F\x98\x80");
  EXPECT_EQ(Value(lines[3], "v").find_first_of("\xC0\x80\xED\xA0\xE2\x82"), std::string::npos);
  EXPECT_EQ(Value(lines[4], "msg"), "quote\"\nline");
  EXPECT_EQ(Value(lines[4], "k\"ey"), "");
}

TEST_F(LoggingTest, NumbersThatJsonLacksAreStrings) {
  ASSERT_TRUE(SetUpLogging("info", "json").ok());
  const auto lines = Capture([] {
    Log(LogLevel::kInfo, "x", {{"nan", std::nan("")}, {"inf", -HUGE_VAL}, {"tiny", 5e-324}});
  });
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_THAT(lines[0], HasSubstr("\"nan\":\"nan\",\"inf\":\"-inf\",\"tiny\":5e-324}"));
}

TEST_F(LoggingTest, TextLineIsOneLineAndQuotesWhatIsAmbiguous) {
  ASSERT_TRUE(SetUpLogging("info", "text").ok());
  const auto lines = Capture([] {
    Log(LogLevel::kInfo, "request done",
        {{"model", "a.b-c"}, {"why", "two words\nand \"more\""}, {"empty", ""}, {"n", 3}});
  });
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_TRUE(std::regex_match(
      lines[0],
      std::regex(absl::StrCat(
          kTimePattern,
          R"re( info  request done model=a\.b-c why="two words\\nand \\"more\\"" empty="" n=3)re"))))
      << lines[0];
}

TEST_F(LoggingTest, LevelsBelowTheChosenOneAreSilent) {
  for (const char* format : {"text", "json"}) {
    ASSERT_TRUE(SetUpLogging("warn", format).ok());
    const auto lines = Capture([] {
      Log(LogLevel::kDebug, "d");
      Log(LogLevel::kInfo, "i");
      Log(LogLevel::kWarn, "w");
      Log(LogLevel::kError, "e");
    });
    EXPECT_EQ(lines.size(), 2u);
  }
}

TEST_F(LoggingTest, WrongSettingsAreNamedAndChangeNothing) {
  ASSERT_TRUE(SetUpLogging("error", "json").ok());
  const absl::Status level = SetUpLogging("loud", "text");
  EXPECT_EQ(level.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(level.message()), HasSubstr("log.level: 'loud'"));
  const absl::Status format = SetUpLogging("debug", "xml");
  EXPECT_THAT(std::string(format.message()), HasSubstr("log.format: 'xml'"));
  EXPECT_TRUE(Capture([] { Log(LogLevel::kWarn, "w"); }).empty());
}

TEST_F(LoggingTest, LongValuesAreCut) {
  ASSERT_TRUE(SetUpLogging("info", "json").ok());
  const auto lines = Capture([] { Log(LogLevel::kInfo, "x", {{"v", std::string(1 << 20, 'a')}}); });
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_EQ(Value(lines[0], "v"), std::string(4096, 'a'));
}

TEST_F(LoggingTest, ThreadsWriteWholeLines) {
  ASSERT_TRUE(SetUpLogging("info", "json").ok());
  const auto lines = Capture([] {
    std::vector<std::thread> threads;
    for (int t = 0; t < 8; ++t) {
      threads.emplace_back([t] {
        for (int i = 0; i < 100; ++i) Log(LogLevel::kInfo, "x", {{"thread", t}, {"i", i}});
      });
    }
    for (std::thread& thread : threads) thread.join();
  });
  EXPECT_EQ(lines.size(), 800u);
  for (const std::string& line : lines) EXPECT_EQ(FlatJson::Parse(line).size(), 5u) << line;
}

// Redirects standard error to a descriptor for as long as it lives.
class RedirectStderr {
 public:
  explicit RedirectStderr(int fd) : saved_(dup(STDERR_FILENO)) { dup2(fd, STDERR_FILENO); }
  ~RedirectStderr() {
    dup2(saved_, STDERR_FILENO);
    close(saved_);
  }

 private:
  int saved_;
};

TEST_F(LoggingTest, NobodyReadingThePipeDoesNotBlock) {
  ASSERT_TRUE(SetUpLogging("info", "text").ok());
  int pipe_fds[2];
  ASSERT_EQ(pipe(pipe_fds), 0);
  {
    RedirectStderr redirect(pipe_fds[1]);
    // 8 MiB into a pipe of 64 KiB: only possible when lines are given up.
    for (int i = 0; i < 4096; ++i) Log(LogLevel::kInfo, "x", {{"v", std::string(2000, 'a')}});
  }
  close(pipe_fds[0]);
  close(pipe_fds[1]);
}

TEST_F(LoggingTest, FullDiskIsNoError) {
  const int full = open("/dev/full", O_WRONLY);
  if (full < 0) GTEST_SKIP() << "needs /dev/full";
  {
    RedirectStderr redirect(full);
    for (int i = 0; i < 100; ++i) Log(LogLevel::kError, "x", {{"i", i}});
  }
  close(full);
  EXPECT_EQ(Capture([] { Log(LogLevel::kError, "still here"); }).size(), 1u);
}

}  // namespace
}  // namespace quantd
