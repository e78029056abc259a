#ifndef QUANTD_SERVER_METRICS_H_
#define QUANTD_SERVER_METRICS_H_

#include <memory>
#include <string>

#include "kernels/kernel_set.h"
#include "runtime/lifecycle/model_manager.h"

namespace quantd {

/// Every metric of the process, under the prefix quantd_. Counters and histograms are fed by the
/// engines through observers (one call per step); gauges are read from the manager when scraped.
/// Thread-safe.
class Metrics {
 public:
  /// `kernels` must outlive it.
  explicit Metrics(const KernelSet& kernels);
  ~Metrics();

  /// Observer for one model's engine; valid while this object lives.
  std::unique_ptr<EngineObserver> MakeObserver(const std::string& model);

  /// An RPC ended (any code), for requests_total{model, code, finish_reason}. `finish_reason` ""
  /// when no generation took place.
  void CountRequest(const std::string& model, absl::StatusCode code,
                    const std::string& finish_reason);

  /// The Prometheus text exposition of everything. `manager` gives the gauges of its models.
  std::string Serialize(const ModelManager& manager) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace quantd

#endif  // QUANTD_SERVER_METRICS_H_
