#include "server/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "runtime/lifecycle/runtime_context.h"
#include "tests/support/test_data.h"

namespace quantd {
namespace {

using ::testing::ElementsAreArray;
using ::testing::HasSubstr;
using ::testing::Not;

RuntimeContext& SharedRuntime() {
  static RuntimeContext* const runtime = [] {
    RuntimeContext::Options options;
    options.threads = 1;
    return RuntimeContext::Create(options)->release();
  }();
  return *runtime;
}

// One scrape, by series: 'name{label="value",...}' with the labels sorted, and by family.
struct Scrape {
  explicit Scrape(const std::string& text) : text(text) {
    for (absl::string_view line : absl::StrSplit(text, '\n', absl::SkipEmpty())) {
      const std::vector<std::string> words = absl::StrSplit(line, absl::MaxSplits(' ', 3));
      if (words[0] == "#") {
        (words[1] == "HELP" ? help : type)[words[2]] = words.size() > 3 ? words[3] : "";
        continue;
      }
      const size_t space = line.rfind(' ');
      EXPECT_TRUE(series.emplace(Sorted(std::string(line.substr(0, space))), 0).second) << line;
      EXPECT_TRUE(absl::SimpleAtod(line.substr(space + 1),
                                   &series[Sorted(std::string(line.substr(0, space)))]))
          << line;
    }
  }

  double operator[](const std::string& name) const {
    const auto found = series.find(name);
    return found == series.end() ? std::nan("") : found->second;
  }

  // Names of the labels that the series of a family have.
  std::set<std::string> Labels(const std::string& family) const {
    std::set<std::string> names;
    for (const auto& [name, value] : series) {
      if (!absl::StartsWith(name, family + "{") && !absl::StartsWith(name, family + "_bucket{")) {
        continue;
      }
      for (absl::string_view label : absl::StrSplit(name.substr(name.find('{') + 1), "\",")) {
        names.insert(std::string(label.substr(0, label.find('='))));
      }
    }
    return names;
  }

  // Upper bounds of a histogram's buckets as written.
  std::vector<double> Bounds(const std::string& family) const {
    std::set<double> bounds;
    for (const auto& [name, value] : series) {
      if (!absl::StartsWith(name, family + "_bucket{")) continue;
      const size_t le = name.find("le=\"") + 4;
      const std::string bound = name.substr(le, name.find('"', le) - le);
      if (bound != "+Inf") bounds.insert(std::stod(bound));
    }
    return {bounds.begin(), bounds.end()};
  }

  static std::string Sorted(const std::string& name) {
    const size_t open = name.find('{');
    if (open == std::string::npos) return name;
    std::string inside = name.substr(open + 1, name.size() - open - 2);
    if (!inside.empty() && inside.back() == ',') inside.pop_back();
    inside.pop_back();  // the last quote; the others go with the commas
    const std::set<std::string> sorted = absl::StrSplit(inside, "\",");
    std::string result = name.substr(0, open + 1);
    for (const std::string& label : sorted) absl::StrAppend(&result, label, "\",");
    result.back() = '}';
    return result;
  }

  std::string text;
  std::map<std::string, std::string> help, type;
  std::map<std::string, double> series;
};

class MetricsTest : public ::testing::Test {
 protected:
  MetricsTest()
      : metrics_(SharedRuntime().kernels()),
        manager_(SharedRuntime().kernels(), SharedRuntime().pool(), {}, nullptr,
                 [this](const std::string& name) { return metrics_.MakeObserver(name); }) {}

  Scrape Take() { return Scrape(metrics_.Serialize(manager_)); }

  void LoadDemo(const std::string& name) {
    ModelSpec spec;
    spec.name = name;
    spec.path = SourcePath("config/models/shakespeare-6m-Q4_0.gguf");
    spec.engine.max_sequences = 4;
    ASSERT_TRUE(manager_.Load(spec).ok());
  }

  static StepStats Step() {
    StepStats step;
    step.prefill_tokens = 100;
    step.decode_tokens = 3;
    step.sequences = 5;
    step.cached_prompt_tokens = 32;
    step.prefix_query_tokens = 132;
    step.preemptions = 1;
    step.execute = absl::Milliseconds(40);
    step.total = absl::Milliseconds(41);
    step.first_token_latency = {absl::Milliseconds(500), absl::Seconds(5000)};
    step.inter_token_latency = {absl::Milliseconds(1), absl::Milliseconds(20),
                                absl::Milliseconds(30)};
    return step;
  }

  Metrics metrics_;
  ModelManager manager_;
};

// The whole table, so that a name, type or label cannot change unnoticed: dashboards and alerts
// are written against these.
TEST_F(MetricsTest, EveryMetricHasItsNameTypeAndLabels) {
  LoadDemo("demo");
  const auto observer = metrics_.MakeObserver("demo");
  observer->OnStep(Step());
  observer->OnFinish({});
  observer->OnReject(absl::ResourceExhaustedError(""));
  metrics_.CountRequest("demo", absl::StatusCode::kOk, "stop");
  const Scrape scrape = Take();
  using Labels = std::set<std::string>;
  const Labels model = {"model"}, kernel = {"kernel"};
  const std::map<std::string, std::pair<std::string, Labels>> expected = {
      {"requests_running", {"gauge", model}},
      {"requests_waiting", {"gauge", model}},
      {"kv_cache_usage_ratio", {"gauge", model}},
      {"kv_blocks", {"gauge", {"model", "state"}}},
      {"cache_config_info", {"gauge", {"model", "block_size", "num_blocks"}}},
      {"requests_total", {"counter", {"model", "code", "finish_reason"}}},
      {"prompt_tokens_total", {"counter", model}},
      {"prompt_tokens_cached_total", {"counter", model}},
      {"generation_tokens_total", {"counter", model}},
      {"preemptions_total", {"counter", model}},
      {"admission_rejections_total", {"counter", {"model", "reason"}}},
      {"prefix_cache_queries_tokens_total", {"counter", model}},
      {"prefix_cache_hits_tokens_total", {"counter", model}},
      {"time_to_first_token_seconds", {"histogram", {"model", "le"}}},
      {"inter_token_latency_seconds", {"histogram", {"model", "le"}}},
      {"request_duration_seconds", {"histogram", {"model", "le"}}},
      {"request_queue_seconds", {"histogram", {"model", "le"}}},
      {"request_prefill_seconds", {"histogram", {"model", "le"}}},
      {"request_decode_seconds", {"histogram", {"model", "le"}}},
      {"request_prompt_tokens", {"histogram", {"model", "le"}}},
      {"request_generation_tokens", {"histogram", {"model", "le"}}},
      {"step_tokens", {"histogram", {"model", "le"}}},
      {"step_sequences", {"histogram", {"model", "le"}}},
      {"step_seconds", {"histogram", {"model", "phase", "le"}}},
      {"kernel_info", {"gauge", {"model", "op", "format", "kernel", "isa", "native", "chosen_by"}}},
      {"gemm_seconds_total", {"counter", kernel}},
      {"gemm_ops_total", {"counter", kernel}},
      {"gemm_bytes_total", {"counter", kernel}},
      {"kernel_quarantined_total", {"counter", kernel}},
      {"kernel_selfcheck_failures_total", {"counter", kernel}},
      {"hardware_info",
       {"gauge",
        {"cpu", "isas", "physical_cores", "logical_cpus", "usable_threads", "memory_bytes"}}},
      {"build_info", {"gauge", {"version", "compiler", "cuda"}}},
      {"model_info", {"gauge", {"model", "format", "bytes", "kv_type", "max_context"}}},
      {"model_state", {"gauge", model}},
      {"model_load_seconds", {"gauge", model}},
      {"model_weight_bytes", {"gauge", model}},
  };
  for (const auto& [name, what] : expected) {
    const std::string full = "quantd_" + name;
    ASSERT_EQ(scrape.type.count(full), 1u) << full;
    EXPECT_EQ(scrape.type.at(full), what.first) << full;
    EXPECT_EQ(scrape.Labels(full), what.second) << full;
    EXPECT_GT(scrape.help.at(full).size(), 10u) << full;
  }
  EXPECT_EQ(scrape.type.size(), expected.size());
}

TEST_F(MetricsTest, BucketsAreTheAgreedOnes) {
  const auto observer = metrics_.MakeObserver("m");
  const Scrape scrape = Take();
  const std::vector<double> first_token = {.001, .005, .01, .02, .04, .06, .08, .1, .25, .5,  .75,
                                           1,    2.5,  5,   7.5, 10,  20,  40,  80, 160, 640, 2560};
  const std::vector<double> inter_token = {.001, .0025, .005, .01, .025, .05, .075, .1, .15, .2, .3,
                                           .4,   .5,    .75,  1,   2.5,  5,   10,   20, 40,  80};
  const std::vector<double> request = {.01, .05, .1, .3, .5, .8, 1,   1.5, 2,   2.5, 5,    10,
                                       15,  20,  30, 40, 50, 60, 120, 240, 480, 960, 1920, 7680};
  EXPECT_THAT(scrape.Bounds("quantd_time_to_first_token_seconds"), ElementsAreArray(first_token));
  EXPECT_THAT(scrape.Bounds("quantd_inter_token_latency_seconds"), ElementsAreArray(inter_token));
  for (const char* name : {"duration", "queue", "prefill", "decode"}) {
    EXPECT_THAT(scrape.Bounds(absl::StrCat("quantd_request_", name, "_seconds")),
                ElementsAreArray(request));
  }
  EXPECT_THAT(scrape.Bounds("quantd_request_prompt_tokens"),
              ElementsAreArray({1., 2., 5., 10., 20., 50., 100., 200., 500., 1e3, 2e3, 5e3, 1e4,
                                2e4, 5e4, 1e5, 2e5, 5e5, 1e6}));
  const auto powers = scrape.Bounds("quantd_step_sequences");
  ASSERT_EQ(powers.size(), 11u);
  for (size_t i = 0; i < powers.size(); ++i) EXPECT_EQ(powers[i], std::exp2(i));
  EXPECT_EQ(scrape.Bounds("quantd_step_tokens").back(), 16384);
  // Written as people write them, not as 0.30000000000000004.
  EXPECT_TRUE(absl::StrContains(scrape.text, "le=\"0.3\""));
  EXPECT_TRUE(absl::StrContains(scrape.text, "le=\"0.0005\""));
  EXPECT_TRUE(absl::StrContains(scrape.text, "le=\"5e-05\""));
  EXPECT_FALSE(absl::StrContains(scrape.text, "00000000"));
}

TEST_F(MetricsTest, StepsAreCountedOnce) {
  const auto observer = metrics_.MakeObserver("m");
  observer->OnStep(Step());
  observer->OnStep(Step());
  const Scrape scrape = Take();
  EXPECT_EQ(scrape["quantd_prompt_tokens_total{model=\"m\"}"], 264);
  EXPECT_EQ(scrape["quantd_prompt_tokens_cached_total{model=\"m\"}"], 64);
  EXPECT_EQ(scrape["quantd_generation_tokens_total{model=\"m\"}"], 10);
  EXPECT_EQ(scrape["quantd_preemptions_total{model=\"m\"}"], 2);
  EXPECT_EQ(scrape["quantd_prefix_cache_queries_tokens_total{model=\"m\"}"], 264);
  EXPECT_EQ(scrape["quantd_prefix_cache_hits_tokens_total{model=\"m\"}"], 64);
  const std::string first = "quantd_time_to_first_token_seconds";
  EXPECT_EQ(scrape[first + "_count{model=\"m\"}"], 4);
  EXPECT_NEAR(scrape[first + "_sum{model=\"m\"}"], 10001, 1e-6);
  // A value on a bound belongs to its bucket; one above all bounds only to +Inf.
  EXPECT_EQ(scrape[first + "_bucket{le=\"0.25\",model=\"m\"}"], 0);
  EXPECT_EQ(scrape[first + "_bucket{le=\"0.5\",model=\"m\"}"], 2);
  EXPECT_EQ(scrape[first + "_bucket{le=\"2560\",model=\"m\"}"], 2);
  EXPECT_EQ(scrape[first + "_bucket{le=\"+Inf\",model=\"m\"}"], 4);
  const std::string inter = "quantd_inter_token_latency_seconds";
  EXPECT_EQ(scrape[inter + "_bucket{le=\"0.001\",model=\"m\"}"], 2);
  EXPECT_EQ(scrape[inter + "_bucket{le=\"0.025\",model=\"m\"}"], 4);
  EXPECT_EQ(scrape[inter + "_count{model=\"m\"}"], 6);
  EXPECT_EQ(scrape["quantd_step_tokens_sum{model=\"m\"}"], 206);
  EXPECT_EQ(scrape["quantd_step_sequences_sum{model=\"m\"}"], 10);
  EXPECT_NEAR(scrape["quantd_step_seconds_sum{model=\"m\",phase=\"execute\"}"], 0.08, 1e-9);
  EXPECT_NEAR(scrape["quantd_step_seconds_sum{model=\"m\",phase=\"overhead\"}"], 0.002, 1e-9);
}

TEST_F(MetricsTest, RequestsThatNeverRanHaveNoPrefillOrDecode) {
  const auto observer = metrics_.MakeObserver("m");
  Finish cancelled;
  cancelled.timings.queue = cancelled.timings.total = absl::Seconds(3);
  observer->OnFinish(cancelled);
  Finish done = cancelled;
  done.usage = {7, 0, 20};
  done.timings.prefill = absl::Milliseconds(10);
  done.timings.decode = absl::Seconds(1);
  observer->OnFinish(done);
  const Scrape scrape = Take();
  EXPECT_EQ(scrape["quantd_request_queue_seconds_count{model=\"m\"}"], 2);
  EXPECT_EQ(scrape["quantd_request_duration_seconds_sum{model=\"m\"}"], 6);
  EXPECT_EQ(scrape["quantd_request_prefill_seconds_count{model=\"m\"}"], 1);
  EXPECT_EQ(scrape["quantd_request_decode_seconds_count{model=\"m\"}"], 1);
  EXPECT_EQ(scrape["quantd_request_generation_tokens_sum{model=\"m\"}"], 20);
  EXPECT_EQ(scrape["quantd_request_prompt_tokens_bucket{le=\"5\",model=\"m\"}"], 1);
  EXPECT_EQ(scrape["quantd_request_prompt_tokens_bucket{le=\"10\",model=\"m\"}"], 2);
}

TEST_F(MetricsTest, LabelsFromRequestsAreBounded) {
  const auto observer = metrics_.MakeObserver("m");
  for (int i = 0; i < 1000; ++i) {
    metrics_.CountRequest(absl::StrCat("evil", i), absl::StatusCode::kNotFound, "");
    metrics_.CountRequest("m", absl::StatusCode::kOk, absl::StrCat("reason", i));
  }
  metrics_.CountRequest("m", absl::StatusCode::kDeadlineExceeded, "deadline");
  const Scrape scrape = Take();
  EXPECT_EQ(
      scrape["quantd_requests_total{code=\"NOT_FOUND\",finish_reason=\"\",model=\"unknown\"}"],
      1000);
  EXPECT_EQ(scrape["quantd_requests_total{code=\"OK\",finish_reason=\"other\",model=\"m\"}"], 1000);
  EXPECT_EQ(scrape["quantd_requests_total{code=\"DEADLINE_EXCEEDED\",finish_reason=\"deadline\","
                   "model=\"m\"}"],
            1);
  EXPECT_FALSE(absl::StrContains(scrape.text, "evil"));
}

TEST_F(MetricsTest, ModelNamesAreBounded) {
  std::vector<std::unique_ptr<EngineObserver>> observers;
  for (int i = 0; i < 300; ++i) {
    observers.push_back(metrics_.MakeObserver(absl::StrCat("m", i)));
    observers.back()->OnReject(absl::UnavailableError(""));
  }
  const Scrape scrape = Take();
  EXPECT_EQ(scrape["quantd_admission_rejections_total{model=\"m255\",reason=\"draining\"}"], 1);
  EXPECT_EQ(scrape["quantd_admission_rejections_total{model=\"other\",reason=\"draining\"}"], 44);
  EXPECT_FALSE(absl::StrContains(scrape.text, "m256"));
}

TEST_F(MetricsTest, RejectionsHaveTheirReason) {
  const auto observer = metrics_.MakeObserver("m");
  observer->OnReject(absl::ResourceExhaustedError(""));
  observer->OnReject(absl::InvalidArgumentError(""));
  observer->OnReject(absl::AlreadyExistsError(""));
  observer->OnReject(absl::UnavailableError(""));
  observer->OnReject(absl::InternalError(""));
  const Scrape scrape = Take();
  for (const char* reason :
       {"queue_full", "invalid_argument", "duplicate_id", "draining", "other"}) {
    EXPECT_EQ(scrape[absl::StrCat("quantd_admission_rejections_total{model=\"m\",reason=\"", reason,
                                  "\"}")],
              1)
        << reason;
  }
}

TEST_F(MetricsTest, GaugesFollowTheModels) {
  LoadDemo("demo");
  Scrape scrape = Take();
  EXPECT_EQ(scrape["quantd_model_state{model=\"demo\"}"], 2);
  EXPECT_EQ(scrape["quantd_kv_blocks{model=\"demo\",state=\"free\"}"], 32);
  EXPECT_EQ(scrape["quantd_kv_blocks{model=\"demo\",state=\"used\"}"], 0);
  EXPECT_EQ(scrape["quantd_kv_cache_usage_ratio{model=\"demo\"}"], 0);
  EXPECT_EQ(scrape["quantd_cache_config_info{block_size=\"32\",model=\"demo\",num_blocks=\"32\"}"],
            1);
  EXPECT_EQ(scrape["quantd_model_info{bytes=\"3440896\",format=\"Q4_0\",kv_type=\"F16\",max_"
                   "context=\"256\",model=\"demo\"}"],
            1);
  EXPECT_GT(scrape["quantd_model_weight_bytes{model=\"demo\"}"], 3e6);
  EXPECT_GT(scrape["quantd_model_load_seconds{model=\"demo\"}"], 0);
  ASSERT_TRUE(manager_.Unload("demo").ok());
  ModelSpec missing;
  missing.name = "bad";
  missing.path = "/nowhere.gguf";
  EXPECT_FALSE(manager_.Load(missing).ok());
  scrape = Take();
  EXPECT_EQ(scrape["quantd_model_state{model=\"bad\"}"], 4);
  for (const auto& [name, value] : scrape.series) {
    if (scrape.type.count(name.substr(0, name.find('{'))) == 0) continue;
    if (scrape.type.at(name.substr(0, name.find('{'))) == "gauge") {
      EXPECT_THAT(name, Not(HasSubstr("demo")));
    }
  }
}

TEST_F(MetricsTest, KernelsShowWorkAndQuarantine) {
  RuntimeContext::Options options;
  options.threads = 1;
  std::string victim;
  for (const KernelStatus& kernel : SharedRuntime().kernels().Report()) {
    if (kernel.op == "gemm" && kernel.selected && kernel.isa != "reference") victim = kernel.kernel;
  }
  if (victim.empty()) GTEST_SKIP() << "this machine has no vector kernel to quarantine";
  options.inject_kernel_fault = victim;
  const auto faulty = RuntimeContext::Create(options);
  ASSERT_TRUE(faulty.ok()) << faulty.status();
  const Scrape spoiled(Metrics((*faulty)->kernels()).Serialize(manager_));
  const std::string label = absl::StrCat("{kernel=\"", victim, "\"}");
  EXPECT_EQ(spoiled["quantd_kernel_quarantined_total" + label], 1);
  EXPECT_GE(spoiled["quantd_kernel_selfcheck_failures_total" + label], 1);
  EXPECT_EQ(Take()["quantd_kernel_quarantined_total" + label], 0);
}

TEST_F(MetricsTest, ScrapesAndObservationsMayOverlap) {
  LoadDemo("demo");
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([this, t] {
      const auto observer = metrics_.MakeObserver(absl::StrCat("m", t % 2));
      for (int i = 0; i < 50; ++i) {
        observer->OnStep(Step());
        observer->OnFinish({});
        observer->OnReject(absl::UnavailableError(""));
        metrics_.CountRequest("m0", absl::StatusCode::kOk, "stop");
      }
    });
  }
  for (int i = 0; i < 10; ++i) (void)metrics_.Serialize(manager_);
  for (std::thread& thread : threads) thread.join();
  const Scrape scrape = Take();
  EXPECT_EQ(scrape["quantd_step_tokens_count{model=\"m0\"}"], 100);
  EXPECT_EQ(scrape["quantd_step_tokens_count{model=\"m1\"}"], 50);
}

// Prometheus' own linter has nothing to say about names, units and help.
TEST_F(MetricsTest, PromtoolAccepts) {
  if (std::system("promtool --version > /dev/null 2>&1") != 0) {
    GTEST_SKIP() << "needs promtool (Debian package prometheus)";
  }
  LoadDemo("demo");
  const auto observer = metrics_.MakeObserver("demo");
  observer->OnStep(Step());
  observer->OnFinish({});
  observer->OnReject(absl::UnavailableError(""));
  metrics_.CountRequest("demo", absl::StatusCode::kOk, "stop");
  const std::string file = absl::StrCat(::testing::TempDir(), "/quantd_metrics_", getpid());
  std::ofstream(file) << metrics_.Serialize(manager_);
  const std::string report = file + ".report";
  const int code =
      std::system(absl::StrCat("promtool check metrics < ", file, " > ", report, " 2>&1").c_str());
  EXPECT_EQ(code, 0) << ReadFileOrDie(report);
  EXPECT_EQ(ReadFileOrDie(report), "");
  std::remove(file.c_str());
  std::remove(report.c_str());
}

}  // namespace
}  // namespace quantd
