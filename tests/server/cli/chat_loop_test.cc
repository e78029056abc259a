#include "server/cli/chat_loop.h"

#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace quantd {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class FakeLines : public LineReader {
 public:
  FakeLines(std::deque<std::string> lines, bool interactive)
      : lines_(std::move(lines)), interactive_(interactive) {}
  std::optional<std::string> Next(const char* prompt) override {
    prompts += prompt;
    if (lines_.empty()) return std::nullopt;
    std::string line = lines_.front();
    lines_.pop_front();
    return line;
  }
  bool interactive() const override { return interactive_; }

  std::string prompts;

 private:
  std::deque<std::string> lines_;
  bool interactive_;
};

/// Answers "1", "2", ... and writes each conversation down; a message "fail" fails, "stop" is
/// stopped after "half".
struct Fake {
  ChatAnswer operator()(const Conversation& conversation) {
    std::string said;
    for (const ChatMessage& message : conversation.messages) {
      absl::StrAppend(&said, said.empty() ? "" : " ", message.role[0] == 'a' ? "<" : "",
                      message.role[0] == 's' ? "#" : "", *message.content);
    }
    heard->push_back(said);
    if (conversation.messages.back().content == "fail") return {kExitUnavailable, ""};
    if (conversation.messages.back().content == "stop") return {kExitInterrupted, "half"};
    return {kExitOk, absl::StrCat(++count)};
  }
  std::vector<std::string>* heard;
  int count = 0;
};

struct Talk {
  int code;
  std::vector<std::string> heard;
  std::string prompts, errors;
};

Talk HaveTalk(std::deque<std::string> lines, bool interactive, const ChatFlags& flags = {}) {
  FakeLines reader(std::move(lines), interactive);
  Talk talk;
  ::testing::internal::CaptureStderr();
  talk.code = RunChatLoop(flags, reader, Fake{&talk.heard});
  talk.errors = ::testing::internal::GetCapturedStderr();
  talk.prompts = reader.prompts;
  return talk;
}

TEST(ChatLoopTest, EveryAnswerKnowsWhatWasSaid) {
  const Talk talk = HaveTalk({"a", "", "  ", "b", "c"}, false, {.system = "sys"});
  EXPECT_EQ(talk.code, kExitOk);
  EXPECT_THAT(talk.heard, ElementsAre("#sys a", "#sys a <1 b", "#sys a <1 b <2 c"));
}

TEST(ChatLoopTest, ResetForgetsAllButTheSystemMessage) {
  EXPECT_THAT(HaveTalk({"a", " /reset", "/reset", "b"}, true, {.system = "sys"}).heard,
              ElementsAre("#sys a", "#sys a <1  /reset", "#sys b"));
}

TEST(ChatLoopTest, ExitEnds) {
  EXPECT_THAT(HaveTalk({"a", "/exit", "b"}, true).heard, ElementsAre("a"));
  EXPECT_THAT(HaveTalk({"a", "/quit ", "b"}, false).heard, ElementsAre("a"));
}

TEST(ChatLoopTest, UnknownCommandsAreNoMessages) {
  const Talk talk = HaveTalk({"/rest\x1b", "//slash", "/help"}, true);
  EXPECT_THAT(talk.heard, ElementsAre("/slash"));
  EXPECT_THAT(talk.errors, HasSubstr("'/rest\\x1b' is no command"));
  EXPECT_THAT(talk.errors, HasSubstr("/reset  forget"));
}

TEST(ChatLoopTest, ABackslashContinuesTheMessage) {
  const Talk talk = HaveTalk({"a\\", "b\\", "c", "d\\"}, true);
  EXPECT_THAT(talk.heard, ElementsAre("a\nb\nc", "a\nb\nc <1 d\n"));
  EXPECT_THAT(talk.prompts, HasSubstr("> . . > "));
}

TEST(ChatLoopTest, AFailedMessageIsTakenBackAndAPersonGoesOn) {
  const Talk talk = HaveTalk({"a", "fail", "b"}, true);
  EXPECT_EQ(talk.code, kExitOk);
  EXPECT_THAT(talk.heard, ElementsAre("a", "a <1 fail", "a <1 b"));
}

TEST(ChatLoopTest, AScriptEndsAtTheFirstError) {
  const Talk talk = HaveTalk({"a", "fail", "b"}, false);
  EXPECT_EQ(talk.code, kExitUnavailable);
  EXPECT_THAT(talk.heard, ElementsAre("a", "a <1 fail"));
}

TEST(ChatLoopTest, WhatWasSaidBeforeAStopStays) {
  EXPECT_THAT(HaveTalk({"stop", "b"}, true).heard, ElementsAre("stop", "stop <half b"));
  EXPECT_EQ(HaveTalk({"stop", "b"}, false).code, kExitInterrupted);
}

}  // namespace
}  // namespace quantd
