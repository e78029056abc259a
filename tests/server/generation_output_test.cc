#include "server/generation_output.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace quantd {
namespace {

using ::testing::ElementsAre;

/// Notes what is written; a write ends when the test says so.
class FakePort : public EventPort {
 public:
  void Write(const v1::GenerateEvent* event) override {
    EXPECT_FALSE(writing) << "two writes in flight";
    EXPECT_FALSE(finished) << "a write after the end";
    writing = true;
    Note(*event);
  }
  void WriteAndFinish(const v1::GenerateEvent* event) override {
    EXPECT_FALSE(writing || finished);
    finished = true;
    Note(*event);
  }
  void Finish(const absl::Status& end) override {
    EXPECT_FALSE(finished) << "finished twice";
    finished = true;
    status = end;
  }
  void Note(const v1::GenerateEvent& event) {
    if (event.has_prompt()) seen.push_back("prompt");
    if (event.has_finished()) seen.push_back("finished");
    if (!event.has_delta()) return;
    seen.push_back(event.delta().text());
    tokens += event.delta().token_ids_size();
    EXPECT_EQ(event.delta().token_ids_size(), event.delta().logprobs_size());
  }

  bool writing = false, finished = false;
  absl::Status status;
  std::vector<std::string> seen;
  int tokens = 0;
};

class StreamOutputTest : public ::testing::Test {
 protected:
  static v1::Delta Piece(const std::string& text) {
    v1::Delta delta;
    delta.add_token_ids(1);
    delta.add_logprobs()->set_logprob(-1);
    delta.set_text(text);
    return delta;
  }
  void WriteDone(bool ok = true) {
    port_.writing = false;
    output_.OnWriteDone(ok);
  }
  FakePort port_;
  StreamOutput output_{&port_, 100};
};

TEST_F(StreamOutputTest, MergesWhatWaitsForAWrite) {
  output_.Prompt({});
  EXPECT_TRUE(output_.Delta(Piece("a")));
  EXPECT_TRUE(output_.Delta(Piece("b")));
  EXPECT_TRUE(output_.Delta(Piece("c")));
  EXPECT_THAT(port_.seen, ElementsAre("prompt"));
  WriteDone();
  EXPECT_THAT(port_.seen, ElementsAre("prompt", "abc"));
  EXPECT_TRUE(output_.Delta(Piece("d")));
  output_.End(absl::OkStatus(), v1::Finished());
  EXPECT_FALSE(port_.finished);
  WriteDone();
  WriteDone();
  EXPECT_THAT(port_.seen, ElementsAre("prompt", "abc", "d", "finished"));
  EXPECT_EQ(port_.tokens, 4);
  EXPECT_TRUE(port_.finished);
}

TEST_F(StreamOutputTest, ErrorsComeAfterTheLastEvent) {
  output_.Prompt({});
  output_.End(absl::InternalError("logits"), v1::Finished());
  WriteDone();
  EXPECT_THAT(port_.seen, ElementsAre("prompt", "finished"));
  EXPECT_FALSE(port_.finished);
  WriteDone();
  EXPECT_TRUE(port_.finished);
  EXPECT_TRUE(absl::IsInternal(port_.status));
}

TEST_F(StreamOutputTest, ErrorBeforeAnythingFinishesAtOnce) {
  output_.End(absl::NotFoundError("model"), std::nullopt);
  EXPECT_TRUE(port_.finished);
  EXPECT_TRUE(absl::IsNotFound(port_.status));
  EXPECT_TRUE(port_.seen.empty());
}

TEST_F(StreamOutputTest, OverflowDropsWhatWaitsAndFinishesInTheMiddleOfAWrite) {
  output_.Prompt({});
  int taken = 0;
  while (output_.Delta(Piece("0123456789")) && taken < 100) ++taken;
  EXPECT_GT(taken, 2);
  EXPECT_LT(taken, 10) << "the buffer holds 100 bytes";
  EXPECT_FALSE(output_.Delta(Piece("x"))) << "stays full";
  EXPECT_FALSE(port_.finished) << "the engine has not ended yet";
  output_.End(absl::ResourceExhaustedError("slow"), v1::Finished());
  EXPECT_TRUE(port_.finished);
  EXPECT_TRUE(absl::IsResourceExhausted(port_.status));
  WriteDone();
  EXPECT_THAT(port_.seen, ElementsAre("prompt"));
}

TEST_F(StreamOutputTest, OneLargeDeltaIsNoOverflowWhenNothingIsInFlight) {
  EXPECT_TRUE(output_.Delta(Piece(std::string(1000, 'x'))));
  EXPECT_FALSE(output_.Delta(Piece(std::string(1000, 'y'))));
}

TEST_F(StreamOutputTest, BrokenStreamWritesNoMoreButFinishes) {
  output_.Prompt({});
  output_.Delta(Piece("a"));
  WriteDone(/*ok=*/false);
  EXPECT_TRUE(output_.Delta(Piece(std::string(1000, 'x')))) << "nothing is kept";
  output_.End(absl::CancelledError("gone"), v1::Finished());
  EXPECT_THAT(port_.seen, ElementsAre("prompt"));
  EXPECT_TRUE(port_.finished);
}

TEST(UnaryOutputTest, CollectsEverything) {
  v1::GenerateResponse response;
  int calls = 0;
  absl::Status last;
  UnaryOutput output(&response, [&](const absl::Status& status) {
    ++calls;
    last = status;
  });
  v1::PromptInfo prompt;
  prompt.set_prompt_tokens(3);
  output.Prompt(prompt);
  v1::Delta delta;
  delta.set_text("a");
  delta.add_token_ids(5);
  EXPECT_TRUE(output.Delta(delta));
  EXPECT_TRUE(output.Delta(delta));
  v1::Finished finished;
  finished.set_reason(v1::FINISH_REASON_LENGTH);
  output.End(absl::OkStatus(), finished);
  EXPECT_EQ(calls, 1);
  EXPECT_TRUE(last.ok());
  EXPECT_EQ(response.prompt().prompt_tokens(), 3);
  EXPECT_EQ(response.output().text(), "aa");
  EXPECT_EQ(response.output().token_ids_size(), 2);
  EXPECT_EQ(response.finished().reason(), v1::FINISH_REASON_LENGTH);
}

}  // namespace
}  // namespace quantd
