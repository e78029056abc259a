#include "server/metrics_gauges.h"

#include <string>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "server/version.h"

namespace quantd {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
using Labels = std::vector<ClientMetric::Label>;

MetricFamily Family(const char* name, MetricType type, const char* help) {
  MetricFamily family;
  family.name = name;
  family.help = help;
  family.type = type;
  return family;
}

void Add(MetricFamily& family, Labels labels, double value) {
  ClientMetric metric;
  metric.label = std::move(labels);
  if (family.type == MetricType::Counter) {
    metric.counter.value = value;
  } else {
    metric.gauge.value = value;
  }
  family.metric.push_back(std::move(metric));
}

void Keep(MetricFamily family, std::vector<MetricFamily>* families) {
  if (!family.metric.empty()) families->push_back(std::move(family));
}

const char* YesNo(bool value) { return value ? "true" : "false"; }

// The gauges of models that serve, from one snapshot each.
struct ServingGauges {
  MetricFamily running =
      Family("quantd_requests_running", MetricType::Gauge, "Requests being computed.");
  MetricFamily waiting =
      Family("quantd_requests_waiting", MetricType::Gauge, "Requests in the queue.");
  MetricFamily kv_usage = Family("quantd_kv_cache_usage_ratio", MetricType::Gauge,
                                 "Share of the KV cache that live sequences hold, 0 to 1.");
  MetricFamily kv_blocks = Family("quantd_kv_blocks", MetricType::Gauge,
                                  "KV blocks: used by sequences, cached for reuse, or free.");
  MetricFamily cache_config =
      Family("quantd_cache_config_info", MetricType::Gauge,
             "KV cache: block_size in tokens and num_blocks, as labels; always 1.");
  MetricFamily info = Family("quantd_model_info", MetricType::Gauge,
                             "The model: main tensor format, bytes of its file, type of its KV "
                             "cache, longest sequence in tokens, as labels; always 1.");
  MetricFamily kernel = Family("quantd_kernel_info", MetricType::Gauge,
                               "A kernel that the model runs on, by operation and format; native "
                               "when the processor multiplies the type itself; chosen_by ranked, "
                               "measured or forced; always 1.");
  MetricFamily load_seconds = Family("quantd_model_load_seconds", MetricType::Gauge,
                                     "Time from opening the file until the model could serve.");
  MetricFamily weight_bytes = Family("quantd_model_weight_bytes", MetricType::Gauge,
                                     "Resident bytes of the packed weights.");

  // The rows of the kernel report that this model's weights and KV cache use.
  void AddKernels(const std::string& name, const ServedModel& model,
                  const std::vector<KernelStatus>& report) {
    absl::flat_hash_set<std::string> gemms;
    for (const WeightReport& weight : model.model().Report()) {
      gemms.insert(weight.decode_kernel);
      gemms.insert(weight.batch_kernel);
    }
    for (const KernelStatus& row : report) {
      const bool runs = row.op == "gemm"        ? gemms.contains(row.kernel)
                        : row.op == "attention" ? row.format == KvTypeName(model.kv_type())
                                                : true;
      if (!row.selected || !runs) continue;
      Add(kernel,
          {{"model", name},
           {"op", row.op},
           {"format", row.format},
           {"kernel", row.kernel},
           {"isa", row.isa},
           {"native", YesNo(row.native)},
           {"chosen_by", row.chosen_by}},
          1);
    }
  }

  void AddModel(const std::string& name, const ServedModel& model,
                const std::vector<KernelStatus>& report) {
    AddKernels(name, model, report);
    const EngineSnapshot now = model.engine().Snapshot();
    const ClientMetric::Label label{"model", name};
    Add(running, {label}, now.running);
    Add(waiting, {label}, now.waiting);
    const double total = now.kv_blocks_total;
    Add(kv_usage, {label}, total > 0 ? now.kv_blocks_used / total : 0);
    Add(kv_blocks, {label, {"state", "used"}}, now.kv_blocks_used);
    Add(kv_blocks, {label, {"state", "cached"}}, now.kv_blocks_cached);
    Add(kv_blocks, {label, {"state", "free"}}, total - now.kv_blocks_used - now.kv_blocks_cached);
    Add(cache_config,
        {label,
         {"block_size", absl::StrCat(kKvBlockTokens)},
         {"num_blocks", absl::StrCat(now.kv_blocks_total)}},
        1);
    Add(info,
        {label,
         {"format", model.format()},
         {"bytes", absl::StrCat(model.file_bytes())},
         {"kv_type", KvTypeName(model.kv_type())},
         {"max_context", absl::StrCat(model.max_context())}},
        1);
    Add(load_seconds, {label}, absl::ToDoubleSeconds(model.load_time()));
    Add(weight_bytes, {label}, static_cast<double>(model.model().weight_bytes()));
  }

  void KeepAll(std::vector<MetricFamily>* families) {
    for (MetricFamily* family : {&running, &waiting, &kv_usage, &kv_blocks, &cache_config, &info,
                                 &kernel, &load_seconds, &weight_bytes}) {
      Keep(std::move(*family), families);
    }
  }
};

double StateNumber(ModelState state) {
  switch (state) {
    case ModelState::kLoading:
      return 1;
    case ModelState::kReady:
      return 2;
    case ModelState::kUnloading:
      return 3;
    case ModelState::kFailed:
      return 4;
  }
  return 0;
}

}  // namespace

std::vector<MetricFamily> CollectModels(const std::vector<ModelStatus>& models,
                                        const KernelSet& kernels) {
  MetricFamily state = Family("quantd_model_state", MetricType::Gauge,
                              "State of the model: 1 loading, 2 ready, 3 unloading, 4 failed.");
  ServingGauges serving;
  const std::vector<KernelStatus> report = kernels.Report();
  for (const ModelStatus& status : models) {
    Add(state, {{"model", status.name}}, StateNumber(status.state));
    if (status.model != nullptr) serving.AddModel(status.name, *status.model, report);
  }
  std::vector<MetricFamily> families;
  Keep(std::move(state), &families);
  serving.KeepAll(&families);
  return families;
}

std::vector<MetricFamily> CollectKernels(const KernelSet& kernels) {
  MetricFamily seconds = Family("quantd_gemm_seconds_total", MetricType::Counter,
                                "Wall time in the matrix products of the kernel.");
  MetricFamily ops = Family("quantd_gemm_ops_total", MetricType::Counter,
                            "Multiplications and additions of the kernel.");
  MetricFamily bytes = Family("quantd_gemm_bytes_total", MetricType::Counter,
                              "Bytes of packed weights that the kernel read.");
  MetricFamily quarantined = Family("quantd_kernel_quarantined_total", MetricType::Counter,
                                    "1 when the kernel disagreed with the reference at start-up "
                                    "and another took its place.");
  MetricFamily failures = Family("quantd_kernel_selfcheck_failures_total", MetricType::Counter,
                                 "Self-checks at start-up that the kernel failed.");
  for (const KernelCounters& kernel : kernels.Counters()) {
    const Labels labels = {{"kernel", kernel.kernel}};
    if (kernel.op == "gemm") {
      Add(seconds, labels, kernel.seconds);
      Add(ops, labels, static_cast<double>(kernel.ops));
      Add(bytes, labels, static_cast<double>(kernel.bytes));
    }
    Add(quarantined, labels, kernel.quarantined ? 1 : 0);
    Add(failures, labels, static_cast<double>(kernel.selfcheck_failures));
  }
  std::vector<MetricFamily> families;
  for (MetricFamily* family : {&seconds, &ops, &bytes, &quarantined, &failures}) {
    Keep(std::move(*family), &families);
  }
  return families;
}

std::vector<MetricFamily> CollectProcess(const Hardware& hardware) {
  MetricFamily build = Family("quantd_build_info", MetricType::Gauge,
                              "This build: version, compiler, whether CUDA is in it; always 1.");
  Add(build,
      {{"version", Version()}, {"compiler", Compiler()}, {"cuda", YesNo(hardware.cuda_built)}}, 1);
  std::vector<const char*> isas;
  for (const IsaInfo& isa : Isas()) {
    if (hardware.Supports(isa.isa)) isas.push_back(isa.name);
  }
  MetricFamily machine =
      Family("quantd_hardware_info", MetricType::Gauge,
             "This machine: processor, instruction sets that can run, cores, CPUs and threads "
             "this process may use, bytes of memory; always 1.");
  Add(machine,
      {{"cpu", hardware.cpu_name},
       {"isas", absl::StrJoin(isas, ",")},
       {"physical_cores", absl::StrCat(hardware.physical_cores)},
       {"logical_cpus", absl::StrCat(hardware.logical_cpus)},
       {"usable_threads", absl::StrCat(hardware.usable_threads)},
       {"memory_bytes", absl::StrCat(hardware.memory_bytes)}},
      1);
  return {std::move(build), std::move(machine)};
}

}  // namespace quantd
