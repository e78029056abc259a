#include "runtime/engine/request_limits.h"

#include <functional>
#include <limits>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace quantd {
namespace {

constexpr ModelLimits kLimits{100, 64, 1000};
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInf = std::numeric_limits<float>::infinity();

Request Good() {
  Request request;
  request.prompt = {1, 2, 3};
  return request;
}

struct BadCase {
  std::function<void(Request&)> change;
  std::vector<std::string> named;  // parts of the message: the field, the value or the limit
};

TEST(RequestLimitsTest, EveryBadFieldIsNamedWithItsLimit) {
  const std::vector<BadCase> cases = {
      {[](Request& r) { r.prompt.clear(); }, {"prompt", "at least 1"}},
      {[](Request& r) { r.prompt.assign(65, 1); }, {"prompt", "65", "64"}},
      {[](Request& r) { r.prompt[1] = -1; }, {"prompt[1]", "-1", "100"}},
      {[](Request& r) { r.prompt[2] = 100; }, {"prompt[2]", "100)"}},
      {[](Request& r) { r.max_tokens = -1; }, {"max_tokens", "-1"}},
      {[](Request& r) { r.max_tokens = std::numeric_limits<int32_t>::min(); }, {"max_tokens"}},
      {[](Request& r) { r.min_tokens = -1; }, {"min_tokens", "-1"}},
      {[](Request& r) { r.max_tokens = 5, r.min_tokens = 6; }, {"min_tokens", "6", "5"}},
      {[](Request& r) { r.min_tokens = 62; }, {"min_tokens", "62", "61"}},
      {[](Request& r) { r.sampling.temperature = -0.1f; }, {"temperature", "100"}},
      {[](Request& r) { r.sampling.temperature = kNan; }, {"temperature", "nan"}},
      {[](Request& r) { r.sampling.temperature = kInf; }, {"temperature", "inf"}},
      {[](Request& r) { r.sampling.top_k = -1; }, {"top_k", "-1"}},
      {[](Request& r) { r.sampling.top_p = 0; }, {"top_p", "(0, 1]"}},
      {[](Request& r) { r.sampling.top_p = 1.1f; }, {"top_p"}},
      {[](Request& r) { r.sampling.top_p = kNan; }, {"top_p"}},
      {[](Request& r) { r.sampling.min_p = -0.1f; }, {"min_p", "[0, 1]"}},
      {[](Request& r) { r.sampling.min_p = kNan; }, {"min_p"}},
      {[](Request& r) { r.sampling.repetition_penalty = 0; }, {"repetition_penalty"}},
      {[](Request& r) { r.sampling.repetition_penalty = kInf; }, {"repetition_penalty"}},
      {[](Request& r) { r.sampling.frequency_penalty = 2.1f; }, {"frequency_penalty", "2"}},
      {[](Request& r) { r.sampling.frequency_penalty = kNan; }, {"frequency_penalty"}},
      {[](Request& r) { r.sampling.presence_penalty = -kInf; }, {"presence_penalty", "-2"}},
      {[](Request& r) {
         r.sampling.logit_bias = {{100, 1.0f}};
       },
       {"logit_bias", "100"}},
      {[](Request& r) {
         r.sampling.logit_bias = {{-1, 1.0f}};
       },
       {"logit_bias", "-1"}},
      {[](Request& r) {
         r.sampling.logit_bias = {{5, kNan}};
       },
       {"logit_bias", "token 5"}},
      {[](Request& r) {
         r.sampling.logit_bias = {{5, 100.5f}};
       },
       {"logit_bias", "100"}},
      {[](Request& r) {
         r.sampling.logit_bias.assign(1025, {1, 0.0f});
       },
       {"logit_bias", "1024"}},
      {[](Request& r) { r.sampling.logprobs = 21; }, {"logprobs", "20"}},
      {[](Request& r) { r.sampling.logprobs = -2; }, {"logprobs", "-1"}},
      {[](Request& r) { r.stop.assign(10000, "x"); }, {"stop", "10000", "16"}},
      {[](Request& r) {
         r.stop = {"ok", ""};
       },
       {"stop[1]", "empty"}},
      {[](Request& r) { r.stop = {std::string(257, 'x')}; }, {"stop[0]", "257", "256"}},
      {[](Request& r) { r.stop = {"\xFF"}; }, {"stop[0]", "UTF-8"}},
      {[](Request& r) { r.stop = {"\xE2\x82"}; }, {"stop[0]", "UTF-8"}},
      {[](Request& r) { r.stop = {"\xED\xA0\x80"}; }, {"stop[0]", "UTF-8"}},
      {[](Request& r) { r.stop = {"\xC0\x80"}; }, {"stop[0]", "UTF-8"}},
      {[](Request& r) { r.stop = {"\xF4\x90\x80\x80"}; }, {"stop[0]", "UTF-8"}},
      {[](Request& r) { r.stop_ids.assign(65, 1); }, {"stop_ids", "64"}},
      {[](Request& r) {
         r.stop_ids = {1, 100};
       },
       {"stop_ids[1]", "100"}},
      {[](Request& r) { r.id.assign(257, 'x'); }, {"id", "256"}},
      {[](Request& r) { r.cache_salt.assign(257, 'x'); }, {"cache_salt", "256"}},
  };
  for (size_t i = 0; i < cases.size(); ++i) {
    Request request = Good();
    cases[i].change(request);
    const absl::Status status = ValidateRequest(request, kLimits);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << "case " << i;
    for (const std::string& part : cases[i].named) {
      EXPECT_THAT(std::string(status.message()), testing::HasSubstr(part)) << "case " << i;
    }
  }
}

TEST(RequestLimitsTest, LimitsThemselvesAreAllowed) {
  Request r = Good();
  r.prompt.assign(64, 99);
  r.max_tokens = std::numeric_limits<int32_t>::max();
  r.min_tokens = 1;
  r.sampling.temperature = 100;
  r.sampling.top_k = std::numeric_limits<int32_t>::max();
  r.sampling.min_p = 1;
  r.sampling.repetition_penalty = 100;
  r.sampling.frequency_penalty = -2;
  r.sampling.presence_penalty = 2;
  r.sampling.logit_bias.assign(1024, {99, -100.0f});
  r.sampling.logprobs = 20;
  r.stop.assign(16, std::string(256, 'x'));
  r.stop[3] = "\xF0\x9F\x98\x80 \xE2\x82\xAC \xC3\xA9";
  r.stop_ids.assign(64, 0);
  r.id.assign(256, 'x');
  r.cache_salt.assign(256, 'x');
  r.priority = std::numeric_limits<int32_t>::min();
  EXPECT_TRUE(ValidateRequest(r, kLimits).ok()) << ValidateRequest(r, kLimits);
}

TEST(RequestLimitsTest, OutputStaysWithinTheContext) {
  Request r = Good();
  EXPECT_EQ(OutputLimit(r, kLimits), 61);
  r.max_tokens = 10;
  EXPECT_EQ(OutputLimit(r, kLimits), 10);
  r.max_tokens = 1000;
  EXPECT_EQ(OutputLimit(r, kLimits), 61);
  r.prompt.assign(64, 1);
  EXPECT_EQ(OutputLimit(r, kLimits), 1);
  EXPECT_TRUE(ValidateRequest(r, kLimits).ok());
}

TEST(RequestLimitsTest, WhatCannotFitThePoolIsRefused) {
  constexpr ModelLimits kSmallPool{100, 1000, 64};
  Request r = Good();
  r.prompt.assign(65, 1);
  EXPECT_THAT(std::string(ValidateRequest(r, kSmallPool).message()), testing::HasSubstr("64"));
  r.prompt.assign(60, 1);
  r.max_tokens = 5;  // the fifth needs no place in the cache
  EXPECT_TRUE(ValidateRequest(r, kSmallPool).ok());
  EXPECT_EQ(OutputLimit(r, kSmallPool), 5);
  r.max_tokens = 6;
  EXPECT_THAT(std::string(ValidateRequest(r, kSmallPool).message()),
              testing::AllOf(testing::HasSubstr("max_tokens"), testing::HasSubstr("at most 5")));
  r.max_tokens = 0;
  EXPECT_TRUE(ValidateRequest(r, kSmallPool).ok());
  EXPECT_EQ(OutputLimit(r, kSmallPool), 5);
}

}  // namespace
}  // namespace quantd
