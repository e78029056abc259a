#ifndef QUANTD_SERVER_METRICS_GAUGES_H_
#define QUANTD_SERVER_METRICS_GAUGES_H_

#include <prometheus/metric_family.h>

#include <vector>

#include "kernels/kernel_set.h"
#include "runtime/lifecycle/model_manager.h"

namespace quantd {

/// What is read when scraped instead of being counted: states and sizes of the models, totals of
/// the kernels, facts about process and machine. A model that is gone has no series here. Families
/// without a series are left out.
std::vector<prometheus::MetricFamily> CollectModels(const std::vector<ModelStatus>& models,
                                                    const KernelSet& kernels);
std::vector<prometheus::MetricFamily> CollectKernels(const KernelSet& kernels);
std::vector<prometheus::MetricFamily> CollectProcess(const Hardware& hardware);

}  // namespace quantd

#endif  // QUANTD_SERVER_METRICS_GAUGES_H_
