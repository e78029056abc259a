#include "server/cli/advice.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "server/cli/format_rows.h"
#include "server/cli/output.h"
#include "server/cli/table.h"

namespace quantd {
namespace {

// Places in Workloads().
constexpr size_t kDecode = 0, kLargeBatch = 2;
// Another format is mentioned when it is this much faster for large batches.
constexpr double kWorthMentioning = 1.1;

double Rate(const AdviceRow& row, size_t workload) {
  return row.speed->workloads[workload].tokens_per_second;
}

/// By how much the perplexity rose, as a share.
double Rise(const Advice& advice, const FormatLoss& loss) {
  return loss.perplexity / *advice.full_perplexity - 1;
}

bool Usable(const AdviceRow& row) { return row.fits && row.speed && row.has_file_type; }

bool CostsLittle(const Advice& advice, const AdviceRow& row) {
  if (!advice.full_perplexity) return row.format.format.bits >= kLeastBits;
  return row.loss && Rise(advice, *row.loss) <= kAcceptableLoss;
}

/// Less is better; compares rows that are usable but all cost much.
double Cost(const Advice& advice, const AdviceRow& row) {
  if (!advice.full_perplexity) return -row.format.format.bits;
  return row.loss ? row.loss->perplexity : std::numeric_limits<double>::infinity();
}

/// The fastest row of a workload among those that may be recommended.
std::optional<size_t> Fastest(const Advice& advice, size_t workload) {
  std::optional<size_t> best;
  for (size_t i = 0; i < advice.rows.size(); ++i) {
    const AdviceRow& row = advice.rows[i];
    if (!Usable(row) || !CostsLittle(advice, row)) continue;
    if (!best || Rate(row, workload) > Rate(advice.rows[*best], workload)) best = i;
  }
  return best;
}

std::string Bytes(int64_t bytes) { return FormatBytes(static_cast<uint64_t>(bytes)); }

std::string NothingFits(const Advice& advice) {
  const AdviceRow* smallest = nullptr;
  for (const AdviceRow& row : advice.rows) {
    if (row.weight_bytes == 0 || !row.has_file_type) continue;
    if (smallest == nullptr || row.weight_bytes < smallest->weight_bytes) smallest = &row;
  }
  if (smallest == nullptr) return "No format that was looked at suits the rows of this model.";
  if (smallest->fits) return "No format that fits could be measured; the notes say why.";
  return absl::StrFormat(
      "No format fits into %s: %s, the smallest, takes %s of weights and %s of KV cache. Lower "
      "--context, or use a smaller model or more memory.",
      Bytes(advice.memory_bytes), smallest->format.name, Bytes(smallest->weight_bytes),
      Bytes(advice.kv_bytes));
}

/// " That is 2.1 times F16." where F16 was measured and is not the choice itself.
std::string ComparedWithF16(const Advice& advice, const AdviceRow& chosen) {
  for (const AdviceRow& row : advice.rows) {
    if (!(row.format.format == kF16) || chosen.format.format == kF16) continue;
    if (!row.fits) return absl::StrCat(" F16 would not fit.");
    if (!row.speed) break;
    return absl::StrFormat(" That is %.2f times F16, which takes %s.",
                           Rate(chosen, kDecode) / Rate(row, kDecode), Bytes(row.weight_bytes));
  }
  return "";
}

std::string LossText(const Advice& advice, const AdviceRow& chosen) {
  if (!advice.full_perplexity || !chosen.loss) {
    return absl::StrFormat(
        " What it costs in quality was not measured (--text does, given a model in full "
        "precision); "
        "formats below %d bits were left out unless nothing else fits.",
        kLeastBits);
  }
  return absl::StrFormat(
      " Its perplexity is %.2f %% %s that of the full-precision model (KL divergence %.4f)%s.",
      100 * std::abs(Rise(advice, *chosen.loss)),
      Rise(advice, *chosen.loss) < 0 ? "below" : "above", chosen.loss->kl_mean,
      CostsLittle(advice, chosen)
          ? ""
          : absl::StrFormat("; no format that fits stays within %.0f %%", 100 * kAcceptableLoss));
}

std::string LargeBatchText(const Advice& advice, size_t chosen) {
  const std::optional<size_t> best = Fastest(advice, kLargeBatch);
  if (!best || *best == chosen) return "";
  const double theirs = Rate(advice.rows[*best], kLargeBatch);
  const double ours = Rate(advice.rows[chosen], kLargeBatch);
  if (theirs < kWorthMentioning * ours) return "";
  return absl::StrFormat(" For many sequences at once %s is faster: %s against %s tokens/s at 32.",
                         advice.rows[*best].format.name, FormatNumber(theirs), FormatNumber(ours));
}

Json RowJson(const Advice& advice, const AdviceRow& row) {
  Json json = {{"format", row.format.name}, {"gguf", row.has_file_type}};
  json["weight_bytes"] = row.weight_bytes > 0 ? Json(row.weight_bytes) : Json(nullptr);
  json["fits"] = row.fits;
  if (row.speed) {
    Json workloads = Json::object();
    for (size_t i = 0; i < Workloads().size(); ++i) {
      const GemmKernelInfo& kernel = row.speed->workloads[i].kernel;
      workloads[Workloads()[i].name] = {{"tokens_per_second", Rate(row, i)},
                                        {"kernel", kernel.name},
                                        {"native", kernel.native},
                                        {"how", kernel.how}};
    }
    json["workloads"] = std::move(workloads);
  }
  if (row.loss) {
    json["perplexity"] = row.loss->perplexity;
    json["perplexity_rise"] = Rise(advice, *row.loss);
    json["kl_mean"] = row.loss->kl_mean;
  }
  if (!row.note.empty()) json["note"] = row.note;
  return json;
}

}  // namespace

std::optional<size_t> Recommended(const Advice& advice) {
  if (const std::optional<size_t> best = Fastest(advice, kDecode)) return best;
  std::optional<size_t> least;
  for (size_t i = 0; i < advice.rows.size(); ++i) {
    if (!Usable(advice.rows[i])) continue;
    if (!least || Cost(advice, advice.rows[i]) < Cost(advice, advice.rows[*least])) least = i;
  }
  return least;
}

std::string RecommendationText(const Advice& advice) {
  const std::optional<size_t> index = Recommended(advice);
  if (!index) return NothingFits(advice);
  const AdviceRow& row = advice.rows[*index];
  const GemmKernelInfo& kernel = row.speed->workloads[kDecode].kernel;
  return absl::StrCat(
      absl::StrFormat("Use %s: with a context of %d tokens it takes %s of %s and decodes about %s "
                      "tokens/s (%s: %s).",
                      row.format.name, advice.context, Bytes(row.weight_bytes + advice.kv_bytes),
                      Bytes(advice.memory_bytes), FormatNumber(Rate(row, kDecode)),
                      kernel.native ? "native" : "emulated", kernel.how),
      ComparedWithF16(advice, row), LossText(advice, row), LargeBatchText(advice, *index));
}

Json AdviceJson(const Advice& advice) {
  Json formats = Json::array();
  for (const AdviceRow& row : advice.rows) formats.push_back(RowJson(advice, row));
  const std::optional<size_t> index = Recommended(advice);
  Json json = {{"shape", ShapeJson(advice.config)},
               {"context", advice.context},
               {"kv_bytes", advice.kv_bytes},
               {"memory_bytes", advice.memory_bytes}};
  if (advice.full_perplexity) json["full_perplexity"] = *advice.full_perplexity;
  json["formats"] = std::move(formats);
  json["recommended"] = index ? Json(advice.rows[*index].format.name) : Json(nullptr);
  json["reason"] = RecommendationText(advice);
  return json;
}

std::string AdviceTable(const Advice& advice, int width) {
  constexpr auto kRight = Table::Align::kRight;
  std::vector<Table::Column> columns = {
      {"FORMAT"}, {"WEIGHTS", kRight}, {"WITH KV", kRight}, {"FITS"}};
  for (const Workload& workload : Workloads()) {
    columns.push_back({ColumnTitle(workload), kRight});
  }
  columns.push_back({"KERNELS"});
  if (advice.full_perplexity) {
    columns.push_back({"PERPLEXITY", kRight});
    columns.push_back({"KL", kRight});
  }
  columns.push_back({"NOTE"});
  Table table(std::move(columns));
  for (const AdviceRow& row : advice.rows) {
    const bool suits = row.weight_bytes > 0;
    std::vector<std::string> cells = {row.format.name, suits ? Bytes(row.weight_bytes) : "-",
                                      suits ? Bytes(row.weight_bytes + advice.kv_bytes) : "-",
                                      row.fits ? "yes" : "no"};
    for (size_t i = 0; i < Workloads().size(); ++i) {
      cells.push_back(row.speed ? FormatNumber(Rate(row, i)) : "-");
    }
    cells.push_back(row.speed ? NativeText(*row.speed) : "-");
    if (advice.full_perplexity) {
      cells.push_back(row.loss ? absl::StrFormat("%.4f (%+.2f %%)", row.loss->perplexity,
                                                 100 * Rise(advice, *row.loss))
                               : "-");
      cells.push_back(row.loss ? absl::StrFormat("%.5f", row.loss->kl_mean) : "-");
    }
    cells.push_back(row.note);
    table.AddRow(std::move(cells));
  }
  return table.Render(width);
}

}  // namespace quantd
