#include "server/cli/advice.h"

#include "gmock/gmock.h"

namespace quantd {
namespace {

using testing::HasSubstr;
using testing::Not;

/// A row that fits, with these tokens per second at batch 1 and 32.
AdviceRow Row(const std::string& name, const QuantFormat& format, int64_t weight_bytes,
              double decode, double batch) {
  AdviceRow row;
  row.format = {name, format};
  row.has_file_type = true;
  row.weight_bytes = weight_bytes;
  row.fits = true;
  row.speed.emplace();
  row.speed->weight_bytes = weight_bytes;
  for (const double rate : {decode, batch, batch, batch}) {
    row.speed->workloads.push_back({rate, 0, {"kernel", "isa", "how it works", false}});
  }
  return row;
}

Advice Example() {
  Advice advice;
  advice.context = 100;
  advice.kv_bytes = 1 << 20;
  advice.memory_bytes = 64 << 20;
  advice.rows = {Row("F16", kF16, 32 << 20, 10, 100), Row("Q8_0", kQ8_0, 17 << 20, 18, 300),
                 Row("Q4_0", kQ4_0, 9 << 20, 33, 250), Row("Q2_K", kQ2_K, 6 << 20, 40, 200)};
  return advice;
}

std::string Choice(const Advice& advice) {
  const auto index = Recommended(advice);
  return index ? advice.rows[*index].format.name : "";
}

TEST(Advice, WithoutLossesTheFastestOfFourBitsAndMore) {
  const Advice advice = Example();
  EXPECT_EQ(Choice(advice), "Q4_0");
  const std::string text = RecommendationText(advice);
  EXPECT_THAT(text, HasSubstr("Use Q4_0: with a context of 100 tokens it takes 10.0 MiB of 64.0"));
  EXPECT_THAT(text, HasSubstr("about 33.0 tokens/s (emulated: how it works)"));
  EXPECT_THAT(text, HasSubstr("3.30 times F16, which takes 32.0 MiB"));
  EXPECT_THAT(text, HasSubstr("formats below 4 bits were left out unless"));
  EXPECT_THAT(text, HasSubstr("Q8_0 is faster: 300 against 250 tokens/s at 32"));
}

TEST(Advice, OnlyFormatsThatFitAndHaveAFileType) {
  Advice advice = Example();
  advice.rows[2].has_file_type = false;
  EXPECT_EQ(Choice(advice), "Q8_0");
  advice.rows[0].fits = advice.rows[1].fits = false;
  EXPECT_EQ(Choice(advice), "Q2_K");  // better than nothing
  advice.rows.insert(advice.rows.begin(), Row("Q3_K", kQ3_K, 7 << 20, 20, 200));
  EXPECT_EQ(Choice(advice), "Q3_K");  // slower, but more bits
  advice.rows.erase(advice.rows.begin());
  advice.rows[3].speed.reset();
  EXPECT_EQ(Choice(advice), "");
}

TEST(Advice, MeasuredLossesDecide) {
  Advice advice = Example();
  advice.full_perplexity = 10.0;
  advice.rows[0].loss = {10.0, 0};
  advice.rows[1].loss = {10.01, 0.001};
  advice.rows[2].loss = {10.5, 0.05};
  advice.rows[3].loss = {10.15, 0.02};
  EXPECT_EQ(Choice(advice), "Q2_K");
  const std::string text = RecommendationText(advice);
  EXPECT_THAT(text, HasSubstr("perplexity is 1.50 % above that of the full-precision model"));
  EXPECT_THAT(text, HasSubstr("KL divergence 0.0200"));
  EXPECT_THAT(text, Not(HasSubstr("not measured")));
}

TEST(Advice, WhereAllLoseMuchTheOneThatLosesLeast) {
  Advice advice = Example();
  advice.full_perplexity = 10.0;
  advice.rows.erase(advice.rows.begin(), advice.rows.begin() + 2);
  advice.rows[0].loss = {11, 0.1};
  advice.rows[1].loss = {15, 0.5};
  EXPECT_EQ(Choice(advice), "Q4_0");
  EXPECT_THAT(RecommendationText(advice), HasSubstr("no format that fits stays within 2 %"));
}

TEST(Advice, WhereNothingFitsItSaysWhatTheLeastWouldTake) {
  Advice advice = Example();
  for (AdviceRow& row : advice.rows) row.fits = false;
  EXPECT_EQ(Recommended(advice), std::nullopt);
  EXPECT_THAT(RecommendationText(advice),
              HasSubstr("No format fits into 64.0 MiB: Q2_K, the smallest, takes 6.00 MiB"));
  const Json json = AdviceJson(advice);
  EXPECT_TRUE(json["recommended"].is_null());
}

TEST(Advice, JsonAndTableHaveEveryRow) {
  Advice advice = Example();
  advice.full_perplexity = 10.0;
  advice.rows[1].loss = {10.5, 0.01};
  advice.rows[3].weight_bytes = 0;
  advice.rows[3].fits = false;
  advice.rows[3].speed.reset();
  advice.rows[3].note = "does not suit";
  const Json json = AdviceJson(advice);
  EXPECT_EQ(json["recommended"], "Q8_0");
  EXPECT_EQ(json["formats"].size(), 4u);
  EXPECT_NEAR(json["formats"][1]["perplexity_rise"].get<double>(), 0.05, 1e-12);
  EXPECT_EQ(json["formats"][2]["workloads"]["batch_8"]["tokens_per_second"], 250);
  EXPECT_TRUE(json["formats"][3]["weight_bytes"].is_null());
  EXPECT_EQ(json["formats"][3]["note"], "does not suit");
  const std::string table = AdviceTable(advice, 0);
  EXPECT_THAT(table, HasSubstr("10.5000 (+5.00 %)"));
  EXPECT_THAT(table, HasSubstr("does not suit"));
  EXPECT_THAT(table, HasSubstr("PREFILL 512"));
}

}  // namespace
}  // namespace quantd
