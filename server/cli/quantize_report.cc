#include "server/cli/quantize_report.h"

#include <algorithm>

#include "absl/strings/str_format.h"
#include "server/cli/json_output.h"
#include "server/cli/output.h"
#include "server/cli/table.h"

namespace quantd {
namespace {

/// Sums over tensors.
struct Totals {
  QuantizedTensor quantized;  ///< errors of the quantized ones
  uint64_t from_bytes = 0, to_bytes = 0;
  int64_t weights = 0;

  double bits_per_weight() const {
    return 8.0 * static_cast<double>(to_bytes) / static_cast<double>(weights);
  }
};

Totals SumUp(const std::vector<QuantizedTensor>& tensors) {
  Totals totals;
  for (const QuantizedTensor& tensor : tensors) {
    totals.from_bytes += tensor.from_bytes;
    totals.to_bytes += tensor.to_bytes;
    totals.weights += tensor.weights;
    if (tensor.aside) continue;
    totals.quantized.squared_error += tensor.squared_error;
    totals.quantized.squared_sum += tensor.squared_sum;
    totals.quantized.max_error = std::max(totals.quantized.max_error, tensor.max_error);
  }
  return totals;
}

}  // namespace

void PrintAsJson(const QuantizeReport& report) {
  const Totals totals = SumUp(report.tensors);
  Json tensors = Json::array();
  for (const QuantizedTensor& tensor : report.tensors) {
    Json entry = {{"name", tensor.name},
                  {"from", tensor.from},
                  {"to", tensor.to},
                  {"bytes", tensor.to_bytes}};
    if (tensor.quantized()) {
      entry["relative_error"] = tensor.RelativeError();
      entry["max_error"] = tensor.max_error;
    }
    tensors.push_back(std::move(entry));
  }
  Json json = {{"model", report.model},
               {"output", report.output},
               {"type", report.type},
               {"from_bytes", totals.from_bytes},
               {"to_bytes", totals.to_bytes},
               {"bits_per_weight", totals.bits_per_weight()},
               {"relative_error", totals.quantized.RelativeError()},
               {"seconds", JsonSeconds(report.elapsed)},
               {"notes", report.notes},
               {"tensors", std::move(tensors)}};
  if (report.evaluation) {
    json["text"] = report.evaluation_text;
    json["perplexity"] = report.evaluation->result.perplexity;
    json["against"] = ComparisonJson(report.model, *report.evaluation->comparison);
  }
  PrintJson(json);
}

void PrintForPeople(const QuantizeReport& report) {
  constexpr auto kRight = Table::Align::kRight;
  Table table({{"TENSOR"}, {"FROM"}, {"TO"}, {"ERROR", kRight}, {"LARGEST", kRight}});
  for (const QuantizedTensor& tensor : report.tensors) {
    if (!tensor.quantized()) continue;
    table.AddRow({tensor.name, tensor.from, tensor.to,
                  absl::StrFormat("%.3f %%", 100 * tensor.RelativeError()),
                  FormatNumber(tensor.max_error)});
  }
  if (!table.empty()) Print(table.Render());
  for (const std::string& note : report.notes) Print(EscapeText("note: " + note) + "\n");
  const Totals totals = SumUp(report.tensors);
  Print(absl::StrFormat("%s: %s of %s, %.2f bits per weight, was %s; error %.3f %% (%s)\n",
                        EscapeText(report.output), FormatBytes(totals.to_bytes), report.type,
                        totals.bits_per_weight(), FormatBytes(totals.from_bytes),
                        100 * totals.quantized.RelativeError(), FormatSeconds(report.elapsed)));
  if (!report.evaluation) return;
  Print(absl::StrFormat("perplexity %.4f\n", report.evaluation->result.perplexity));
  Print(DescribeComparison(report.model, *report.evaluation->comparison));
}

}  // namespace quantd
