#include "server/cli/kernels_measure.h"

#include <utility>

#include "CLI/CLI.hpp"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "kernels/measure/machine_limits.h"
#include "kernels/measure/survey.h"
#include "server/cli/hardware_report.h"
#include "server/cli/interrupt.h"
#include "server/cli/json_output.h"
#include "server/cli/output.h"
#include "server/cli/progress.h"
#include "server/cli/table.h"

namespace quantd {
namespace {

/// A survey of one machine.
struct Measured {
  MachineLimits limits;
  std::vector<SurveyRow> rows;
};

absl::StatusOr<Measured> Survey(const RuntimeContext& runtime, const std::string& format,
                                const MeasureOptions& options) {
  const InterruptScope interrupt;
  Progress progress("measuring kernels", /*quiet=*/false);
  progress.Update(0, "limits of the machine");
  Measured measured;
  measured.limits =
      MeasureMachineLimits(runtime.hardware(), runtime.kernels().isas(), runtime.pool());
  SurveyShape shape;
  shape.n = options.rows;
  shape.k = options.cols;
  std::vector<PackedEntry> entries;
  for (const PackedEntry& entry : PackedEntries()) {
    if (format.empty() || entry.name == format) entries.push_back(entry);
  }
  for (size_t i = 0; i < entries.size(); ++i) {
    progress.Update(static_cast<double>(i) / static_cast<double>(entries.size()), entries[i].name);
    auto rows = SurveyFormat(entries[i], runtime.kernels(), runtime.pool(), shape,
                             [] { return !InterruptScope::Interrupted(); });
    if (!rows.ok()) return rows.status();
    measured.rows.insert(measured.rows.end(), rows->begin(), rows->end());
  }
  return measured;
}

Json JsonShare(double part, double whole) { return whole > 0 ? Json(part / whole) : Json(nullptr); }

void PrintSurveyJson(const RuntimeContext& runtime, const MeasureOptions& options,
                     const Measured& measured) {
  const MachineLimits& limits = measured.limits;
  Json rows = Json::array();
  for (const SurveyRow& row : measured.rows) {
    const double bytes = row.timing.bytes_per_s(), ops = row.timing.ops_per_s();
    rows.push_back({{"format", row.kernel->format},
                    {"kernel", row.kernel->name},
                    {"isa", Info(row.kernel->isa).name},
                    {"native", row.kernel->native},
                    {"m", row.m},
                    {"chosen", row.chosen},
                    {"gb_per_second", bytes / 1e9},
                    {"of_bandwidth", JsonShare(bytes, limits.read_bytes_per_s)},
                    {"gop_per_second", ops / 1e9},
                    {"of_peak", JsonShare(ops, limits.ops_per_s(row.kernel->activations))},
                    {"naive_gop_per_second", row.naive.ops_per_s() / 1e9},
                    {"times_naive", ops / row.naive.ops_per_s()}});
  }
  PrintJson({{"hardware", HardwareJson(runtime.hardware())},
             {"threads", runtime.pool().size()},
             {"rows", options.rows},
             {"cols", options.cols},
             {"read_gb_per_second", limits.read_bytes_per_s / 1e9},
             {"int8_gop_per_second", limits.int8_ops_per_s / 1e9},
             {"bf16_gop_per_second", limits.bf16_ops_per_s / 1e9},
             {"float_gop_per_second", limits.float_ops_per_s / 1e9},
             {"kernels", rows}});
}

std::string Percent(double part, double whole) {
  return whole > 0 ? absl::StrFormat("%.0f %%", 100 * part / whole) : "-";
}

void PrintSurvey(const RuntimeContext& runtime, const MeasureOptions& options,
                 const Measured& measured) {
  const MachineLimits& limits = measured.limits;
  Print(absl::StrCat(runtime.hardware().cpu_name, ", ", runtime.pool().size(), " threads: reads ",
                     FormatNumber(limits.read_bytes_per_s / 1e9), " GB/s, multiplies ",
                     FormatNumber(limits.int8_ops_per_s / 1e9), " GOP/s on int8, ",
                     FormatNumber(limits.bf16_ops_per_s / 1e9), " on BF16, ",
                     FormatNumber(limits.float_ops_per_s / 1e9), " on floats\nWeights of ",
                     options.rows, " x ", options.cols, ", M input rows; * is what runs\n\n"));
  constexpr auto kRight = Table::Align::kRight;
  Table table({{"FORMAT"},
               {"KERNEL"},
               {"TYPE"},
               {"M", kRight},
               {""},
               {"GB/s", kRight},
               {"OF READ", kRight},
               {"GOP/s", kRight},
               {"OF PEAK", kRight},
               {"NAIVE GOP/s", kRight},
               {"TIMES NAIVE", kRight}});
  for (const SurveyRow& row : measured.rows) {
    const double bytes = row.timing.bytes_per_s(), ops = row.timing.ops_per_s();
    table.AddRow({row.kernel->format, row.kernel->name, row.kernel->native ? "native" : "emulated",
                  absl::StrCat(row.m), row.chosen ? "*" : "", FormatNumber(bytes / 1e9),
                  Percent(bytes, limits.read_bytes_per_s), FormatNumber(ops / 1e9),
                  Percent(ops, limits.ops_per_s(row.kernel->activations)),
                  FormatNumber(row.naive.ops_per_s() / 1e9),
                  FormatNumber(ops / row.naive.ops_per_s())});
  }
  Print(table.Render());
}

}  // namespace

void AddMeasureFlags(CLI::App* command, MeasureOptions* options) {
  command->add_option("--rows", options->rows, "Output rows of the weights of --measure")
      ->type_name("N")
      ->check(CLI::Range(1, 1 << 17))
      ->capture_default_str();
  command
      ->add_option("--cols", options->cols, "Inputs of the weights of --measure, a multiple of 256")
      ->type_name("K")
      ->check(CLI::Range(256, 1 << 16))
      ->check([](const std::string& text) {
        return std::stoll(text) % 256 == 0 ? "" : text + " is no multiple of 256";
      })
      ->capture_default_str();
}

std::vector<std::string> FormatNames() {
  std::vector<std::string> names;
  for (const PackedEntry& entry : PackedEntries()) names.push_back(entry.name);
  return names;
}

absl::Status MeasureKernels(const RuntimeContext& runtime, const std::string& format,
                            const MeasureOptions& options, bool json) {
  const auto measured = Survey(runtime, format, options);
  if (!measured.ok()) return measured.status();
  if (json) {
    PrintSurveyJson(runtime, options, *measured);
  } else {
    PrintSurvey(runtime, options, *measured);
  }
  return absl::OkStatus();
}

}  // namespace quantd
