#include "server/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <mutex>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "server/metrics_gauges.h"

namespace quantd {
namespace {

using prometheus::Counter;
using prometheus::Histogram;
using Bounds = Histogram::BucketBoundaries;

// Names of models are the operator's, but a process that loads a new name every minute must not
// grow for ever: later names share one series.
constexpr size_t kMaxModelNames = 256;
constexpr char kOtherModel[] = "other";
constexpr char kUnknownModel[] = "unknown";

const Bounds& FirstTokenBounds() {
  static const Bounds* const bounds =
      new Bounds{.001, .005, .01, .02, .04, .06, .08, .1, .25, .5,  .75,
                 1,    2.5,  5,   7.5, 10,  20,  40,  80, 160, 640, 2560};
  return *bounds;
}

const Bounds& InterTokenBounds() {
  static const Bounds* const bounds =
      new Bounds{.001, .0025, .005, .01, .025, .05, .075, .1, .15, .2, .3,
                 .4,   .5,    .75,  1,   2.5,  5,   10,   20, 40,  80};
  return *bounds;
}

const Bounds& RequestBounds() {
  static const Bounds* const bounds =
      new Bounds{.01, .05, .1, .3, .5, .8, 1,   1.5, 2,   2.5, 5,    10,
                 15,  20,  30, 40, 50, 60, 120, 240, 480, 960, 1920, 7680};
  return *bounds;
}

// 1, 2, 5, 10, ... divided by `divisor`, up to `last` inclusive. A quotient of whole numbers is the
// double nearest to the bound, which prints as people write it.
Bounds OneTwoFive(double divisor, double last) {
  Bounds bounds;
  for (double decade = 1; decade / divisor <= last; decade *= 10) {
    for (const double step : {1, 2, 5}) {
      if (step * decade / divisor <= last) bounds.push_back(step * decade / divisor);
    }
  }
  return bounds;
}

const Bounds& RequestTokenBounds() {
  static const Bounds* const bounds = new Bounds(OneTwoFive(1, 1e6));
  return *bounds;
}

const Bounds& StepSecondsBounds() {
  static const Bounds* const bounds = new Bounds(OneTwoFive(1e5, 10));
  return *bounds;
}

Bounds PowersOfTwo(double last) {
  Bounds bounds;
  for (double bound = 1; bound <= last; bound *= 2) bounds.push_back(bound);
  return bounds;
}

const Bounds& StepTokensBounds() {
  static const Bounds* const bounds = new Bounds(PowersOfTwo(16384));
  return *bounds;
}

const Bounds& StepSequencesBounds() {
  static const Bounds* const bounds = new Bounds(PowersOfTwo(1024));
  return *bounds;
}

// A histogram with its bounds, which the library does not give back.
struct BoundedHistogram {
  Histogram* histogram;
  const Bounds* bounds;

  void Observe(double value) const { histogram->Observe(value); }
  void Observe(absl::Duration value) const { histogram->Observe(absl::ToDoubleSeconds(value)); }

  // All values under one lock of the histogram.
  void ObserveAll(absl::Span<const absl::Duration> values) const {
    if (values.empty()) return;
    std::vector<double> increments(bounds->size() + 1, 0.0);
    double sum = 0;
    for (const absl::Duration value : values) {
      const double seconds = absl::ToDoubleSeconds(value);
      const auto bucket = std::lower_bound(bounds->begin(), bounds->end(), seconds);
      ++increments[bucket - bounds->begin()];
      sum += seconds;
    }
    histogram->ObserveMultiple(increments, sum);
  }
};

// Why Submit refused a request, as a label.
const char* RejectionReason(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kResourceExhausted:
      return "queue_full";
    case absl::StatusCode::kInvalidArgument:
      return "invalid_argument";
    case absl::StatusCode::kAlreadyExists:
      return "duplicate_id";
    case absl::StatusCode::kUnavailable:
      return "draining";
    default:
      return "other";
  }
}

// Keeps the label within its known values.
absl::string_view FinishReasonLabel(absl::string_view reason) {
  constexpr std::array<absl::string_view, 6> kKnown = {"",          "stop",     "length",
                                                       "cancelled", "deadline", "error"};
  return std::find(kKnown.begin(), kKnown.end(), reason) != kKnown.end() ? reason : "other";
}

// The families that are counted, by name. `Counters` and `Histograms` make a model's series.
struct Families {
  prometheus::Registry registry;

  prometheus::Family<Counter>& MakeCounter(const char* name, const char* help) {
    return prometheus::BuildCounter().Name(name).Help(help).Register(registry);
  }
  prometheus::Family<Histogram>& MakeHistogram(const char* name, const char* help) {
    return prometheus::BuildHistogram().Name(name).Help(help).Register(registry);
  }

  prometheus::Family<Counter>& requests = MakeCounter(
      "quantd_requests_total",
      "Requests that ended, by status code and by why the generation stopped (empty when none "
      "took place).");
  prometheus::Family<Counter>& prompt_tokens = MakeCounter(
      "quantd_prompt_tokens_total",
      "Prompt tokens processed, those from the prefix cache and those computed again after a "
      "preemption included.");
  prometheus::Family<Counter>& prompt_tokens_cached =
      MakeCounter("quantd_prompt_tokens_cached_total",
                  "Prompt tokens that the prefix cache saved from being computed.");
  prometheus::Family<Counter>& generation_tokens =
      MakeCounter("quantd_generation_tokens_total", "Tokens generated.");
  prometheus::Family<Counter>& preemptions =
      MakeCounter("quantd_preemptions_total",
                  "Sequences put back into the queue because the KV cache was full.");
  prometheus::Family<Counter>& rejections = MakeCounter(
      "quantd_admission_rejections_total", "Requests refused before they were queued, by reason.");
  prometheus::Family<Counter>& prefix_queries = MakeCounter(
      "quantd_prefix_cache_queries_tokens_total", "Prompt tokens looked up in the prefix cache.");
  prometheus::Family<Counter>& prefix_hits = MakeCounter(
      "quantd_prefix_cache_hits_tokens_total", "Prompt tokens found in the prefix cache.");
  prometheus::Family<Histogram>& first_token = MakeHistogram(
      "quantd_time_to_first_token_seconds", "Time from a request's arrival to its first token.");
  prometheus::Family<Histogram>& inter_token =
      MakeHistogram("quantd_inter_token_latency_seconds", "Time between two tokens of a request.");
  prometheus::Family<Histogram>& duration =
      MakeHistogram("quantd_request_duration_seconds", "Time from a request's arrival to its end.");
  prometheus::Family<Histogram>& queue =
      MakeHistogram("quantd_request_queue_seconds", "Time a request spent in the queue.");
  prometheus::Family<Histogram>& prefill = MakeHistogram(
      "quantd_request_prefill_seconds", "Time from a request's start to its first token.");
  prometheus::Family<Histogram>& decode = MakeHistogram(
      "quantd_request_decode_seconds", "Time from a request's first token to its last.");
  prometheus::Family<Histogram>& request_prompt =
      MakeHistogram("quantd_request_prompt_tokens", "Prompt tokens of a request.");
  prometheus::Family<Histogram>& request_generation =
      MakeHistogram("quantd_request_generation_tokens", "Tokens generated for a request.");
  prometheus::Family<Histogram>& step_tokens =
      MakeHistogram("quantd_step_tokens", "Tokens computed in a step.");
  prometheus::Family<Histogram>& step_sequences =
      MakeHistogram("quantd_step_sequences", "Sequences that took part in a step.");
  prometheus::Family<Histogram>& step_seconds = MakeHistogram(
      "quantd_step_seconds", "Time of a step: in the executor (execute) and around it (overhead).");
};

// Feeds the series of one model. The series belong to the families and are looked up once.
class ModelObserver : public EngineObserver {
 public:
  ModelObserver(Families& families, const std::string& model)
      : families_(families),
        model_(model),
        prompt_tokens_(families.prompt_tokens.Add({{"model", model}})),
        prompt_tokens_cached_(families.prompt_tokens_cached.Add({{"model", model}})),
        generation_tokens_(families.generation_tokens.Add({{"model", model}})),
        preemptions_(families.preemptions.Add({{"model", model}})),
        prefix_queries_(families.prefix_queries.Add({{"model", model}})),
        prefix_hits_(families.prefix_hits.Add({{"model", model}})),
        first_token_(Series(families.first_token, FirstTokenBounds())),
        inter_token_(Series(families.inter_token, InterTokenBounds())),
        duration_(Series(families.duration, RequestBounds())),
        queue_(Series(families.queue, RequestBounds())),
        prefill_(Series(families.prefill, RequestBounds())),
        decode_(Series(families.decode, RequestBounds())),
        request_prompt_(Series(families.request_prompt, RequestTokenBounds())),
        request_generation_(Series(families.request_generation, RequestTokenBounds())),
        step_tokens_(Series(families.step_tokens, StepTokensBounds())),
        step_sequences_(Series(families.step_sequences, StepSequencesBounds())),
        step_execute_(StepSeries("execute")),
        step_overhead_(StepSeries("overhead")) {}

  void OnStep(const StepStats& step) override {
    prompt_tokens_.Increment(step.prefill_tokens + step.cached_prompt_tokens);
    prompt_tokens_cached_.Increment(step.cached_prompt_tokens);
    prefix_queries_.Increment(step.prefix_query_tokens);
    prefix_hits_.Increment(step.cached_prompt_tokens);
    preemptions_.Increment(step.preemptions);
    generation_tokens_.Increment(
        static_cast<double>(step.first_token_latency.size() + step.inter_token_latency.size()));
    first_token_.ObserveAll(step.first_token_latency);
    inter_token_.ObserveAll(step.inter_token_latency);
    step_tokens_.Observe(static_cast<double>(step.prefill_tokens + step.decode_tokens));
    step_sequences_.Observe(static_cast<double>(step.sequences));
    step_execute_.Observe(step.execute);
    step_overhead_.Observe(std::max(step.total - step.execute, absl::ZeroDuration()));
  }

  void OnFinish(const Finish& finish) override {
    duration_.Observe(finish.timings.total);
    queue_.Observe(finish.timings.queue);
    // A request that never ran has no prefill, one without a token no decode.
    if (finish.timings.prefill > absl::ZeroDuration()) prefill_.Observe(finish.timings.prefill);
    if (finish.usage.completion_tokens > 0) decode_.Observe(finish.timings.decode);
    request_prompt_.Observe(static_cast<double>(finish.usage.prompt_tokens));
    request_generation_.Observe(static_cast<double>(finish.usage.completion_tokens));
  }

  void OnReject(const absl::Status& status) override {
    families_.rejections.Add({{"model", model_}, {"reason", RejectionReason(status.code())}})
        .Increment();
  }

 private:
  BoundedHistogram Series(prometheus::Family<Histogram>& family, const Bounds& bounds) const {
    return {&family.Add({{"model", model_}}, bounds), &bounds};
  }
  BoundedHistogram StepSeries(const char* phase) const {
    const Bounds& bounds = StepSecondsBounds();
    return {&families_.step_seconds.Add({{"model", model_}, {"phase", phase}}, bounds), &bounds};
  }

  Families& families_;
  const std::string model_;
  Counter &prompt_tokens_, &prompt_tokens_cached_, &generation_tokens_, &preemptions_,
      &prefix_queries_, &prefix_hits_;
  const BoundedHistogram first_token_, inter_token_, duration_, queue_, prefill_, decode_,
      request_prompt_, request_generation_, step_tokens_, step_sequences_, step_execute_,
      step_overhead_;
};

}  // namespace

struct Metrics::Impl {
  explicit Impl(const KernelSet& kernels) : kernels(kernels) {}

  const KernelSet& kernels;
  Families families;
  std::mutex mutex;
  std::set<std::string> models;  // names that have series
};

Metrics::Metrics(const KernelSet& kernels) : impl_(std::make_unique<Impl>(kernels)) {}
Metrics::~Metrics() = default;

std::unique_ptr<EngineObserver> Metrics::MakeObserver(const std::string& model) {
  std::string label = model;
  {
    std::lock_guard<std::mutex> lock(impl_->mutex);
    if (impl_->models.size() < kMaxModelNames) {
      impl_->models.insert(model);
    } else if (impl_->models.count(model) == 0) {
      label = kOtherModel;
    }
  }
  return std::make_unique<ModelObserver>(impl_->families, label);
}

void Metrics::CountRequest(const std::string& model, absl::StatusCode code,
                           const std::string& finish_reason) {
  bool known;
  {
    std::lock_guard<std::mutex> lock(impl_->mutex);
    known = impl_->models.count(model) > 0;
  }
  impl_->families.requests
      .Add({{"model", known ? model : kUnknownModel},
            {"code", absl::StatusCodeToString(code)},
            {"finish_reason", std::string(FinishReasonLabel(finish_reason))}})
      .Increment();
}

std::string Metrics::Serialize(const ModelManager& manager) const {
  std::vector<prometheus::MetricFamily> families = impl_->families.registry.Collect();
  const auto append = [&families](std::vector<prometheus::MetricFamily> more) {
    std::move(more.begin(), more.end(), std::back_inserter(families));
  };
  append(CollectModels(manager.List(), impl_->kernels));
  append(CollectKernels(impl_->kernels));
  append(CollectProcess(impl_->kernels.hardware()));
  return prometheus::TextSerializer().prometheus::Serializer::Serialize(families);
}

}  // namespace quantd
