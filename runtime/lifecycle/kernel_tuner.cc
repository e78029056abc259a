#include "runtime/lifecycle/kernel_tuner.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "kernels/gemm/rows32.h"
#include "kernels/measure/calibrate.h"
#include "kernels/measure/kernel_timer.h"

namespace quantd {
namespace {

std::vector<std::string> Names(const std::set<PackedFormat>& formats) {
  std::vector<std::string> names;
  for (const PackedFormat format : formats) names.push_back(EntryOf(format).name);
  return names;
}

// What is known of one format.
MeasuredChoices Of(PackedFormat format, const MeasuredChoices& choices) {
  MeasuredChoices found;
  for (const auto& choice : choices) {
    if (choice.first.packed == format) found.insert(choice);
  }
  return found;
}

}  // namespace

KernelTuner::KernelTuner(GemmKernels& kernels, ThreadPool& pool, Options options)
    : kernels_(kernels), pool_(pool), options_(std::move(options)) {
  if (!options_.calibrate || options_.cache == TuningCacheMode::kOff) return;
  key_ = MakeTuningKey(options_.version, kernels_.hardware(), kernels_.isas(), pool_.size());
  const std::string folder = options_.folder.empty() ? DefaultTuningFolder() : options_.folder;
  path_ = absl::StrCat(folder, "/", TuningFileName(key_));
}

void KernelTuner::Tell(TuningEvent event) const {
  event.path = path_;
  if (options_.listener) options_.listener(event);
}

std::set<PackedFormat> KernelTuner::NewFormats(
    absl::Span<const PackedWeight* const> weights) const {
  std::set<PackedFormat> formats;
  for (const PackedWeight* weight : weights) {
    const PackedFormat format = *ToPackedFormat(weight->format);
    if (done_.count(format) == 0) formats.insert(format);
  }
  return formats;
}

void KernelTuner::ReadCache() {
  if (cache_read_ || path_.empty()) return;
  cache_read_ = true;
  auto read = ReadTuning(path_, key_);
  if (read.ok()) {
    cached_ = *std::move(read);
  } else if (!absl::IsNotFound(read.status())) {
    Tell({TuningEvent::Kind::kCacheUnreadable, {}, {}, read.status(), ""});
  }
}

// Adopts and removes the formats of which the cache knows every point.
void KernelTuner::Reuse(std::set<PackedFormat>* formats) {
  std::set<PackedFormat> reused;
  for (const PackedFormat format : *formats) {
    const MeasuredChoices known = Of(format, cached_);
    if (known.size() < std::size(kMeasuredM)) continue;
    kernels_.Adopt(known);
    reused.insert(format);
  }
  if (reused.empty()) return;
  for (const PackedFormat format : reused) formats->erase(format);
  Tell({TuningEvent::Kind::kReused, Names(reused), {}, absl::OkStatus(), ""});
}

void KernelTuner::CalibrateFormats(const std::set<PackedFormat>& formats,
                                   absl::Span<const PackedWeight* const> weights) {
  const absl::Time start = absl::Now();
  const auto time_left = [&] { return absl::Now() - start < options_.budget; };
  for (const PackedFormat format : formats) {
    std::vector<const PackedWeight*> of_format;
    std::copy_if(weights.begin(), weights.end(), std::back_inserter(of_format),
                 [&](const PackedWeight* w) { return *ToPackedFormat(w->format) == format; });
    TimerLimits limits;
    limits.repetitions = 1;  // Calibrate goes several rounds
    KernelTimer timer(of_format, kernels_, pool_, limits);
    const auto time = [&](const GemmKernel& kernel, int64_t m) {
      return options_.time ? options_.time(kernel, m) : timer.Run(kernel, m).seconds;
    };
    const MeasuredChoices choices =
        Calibrate(kernels_, format, of_format.front()->layout, time, time_left);
    kernels_.Adopt(choices);
    for (const auto& [point, name] : choices) cached_[point] = name;
  }
  Tell({TuningEvent::Kind::kCalibrated, Names(formats), absl::Now() - start, absl::OkStatus(), ""});
}

void KernelTuner::WriteCache() {
  if (path_.empty() || options_.cache != TuningCacheMode::kOn) return;
  const absl::Status written = WriteTuning(path_, key_, cached_);
  if (!written.ok()) Tell({TuningEvent::Kind::kCacheUnwritable, {}, {}, written, ""});
}

void KernelTuner::Tune(absl::Span<const PackedWeight* const> weights) {
  if (!options_.calibrate) return;
  std::lock_guard<std::mutex> lock(mutex_);
  std::set<PackedFormat> formats = NewFormats(weights);
  if (formats.empty()) return;
  done_.insert(formats.begin(), formats.end());
  ReadCache();
  Reuse(&formats);
  if (formats.empty()) return;
  CalibrateFormats(formats, weights);
  WriteCache();
}

std::function<void(absl::Span<const PackedWeight* const>)> TuneFor(KernelTuner& tuner) {
  return [&tuner](absl::Span<const PackedWeight* const> weights) { tuner.Tune(weights); };
}

}  // namespace quantd
