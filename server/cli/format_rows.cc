#include "server/cli/format_rows.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "runtime/formats/synth.h"
#include "server/cli/interrupt.h"
#include "server/cli/progress.h"

namespace quantd {

absl::StatusOr<std::vector<ComparedFormat>> ChooseFormats(const std::vector<std::string>& names,
                                                          const std::string& flag) {
  const std::vector<ComparedFormat>& all = ComparedFormats();
  const auto has_name = [](const ComparedFormat& format, const std::string& name) {
    return absl::EqualsIgnoreCase(format.name, name);
  };
  for (const std::string& name : names) {
    if (std::any_of(all.begin(), all.end(), [&](const auto& f) { return has_name(f, name); })) {
      continue;
    }
    return absl::InvalidArgumentError(
        absl::StrCat(flag, ": \"", name, "\" is unknown; known are ",
                     absl::StrJoin(all, ", ", [](std::string* out, const ComparedFormat& format) {
                       absl::StrAppend(out, format.name);
                     })));
  }
  std::vector<ComparedFormat> chosen;
  for (const ComparedFormat& format : all) {
    const bool named = std::any_of(names.begin(), names.end(),
                                   [&](const std::string& name) { return has_name(format, name); });
    if (named || names.empty()) chosen.push_back(format);
  }
  return chosen;
}

absl::StatusOr<ModelConfig> ChooseShape(const std::string& name) {
  if (const SynthShape* shape = FindSynthShape(name)) return ConfigOf(*shape);
  return absl::InvalidArgumentError(absl::StrCat(
      "--shape: \"", name, "\" is unknown; known are ",
      absl::StrJoin(SynthShapes(), ", ", [](std::string* out, const SynthShape& shape) {
        absl::StrAppend(out, shape.name);
      })));
}

absl::StatusOr<std::vector<FormatRow>> MeasureFormats(const ModelConfig& config,
                                                      const std::vector<ComparedFormat>& formats,
                                                      FormatSpeedOptions options,
                                                      const RuntimeContext& runtime,
                                                      const std::string& label, bool quiet) {
  Progress bar(label, quiet);
  std::vector<FormatRow> rows;
  for (const ComparedFormat& format : formats) {
    options.go_on = [&](double done) {
      bar.Update((static_cast<double>(rows.size()) + done) / static_cast<double>(formats.size()),
                 format.name);
      return !InterruptScope::Interrupted();
    };
    FormatRow row{format, {}, ""};
    auto speed = MeasureFormat(config, format.format, options, runtime.kernels(), runtime.pool());
    if (speed.ok()) {
      row.speed = *std::move(speed);
    } else if (absl::IsCancelled(speed.status())) {
      return speed.status();
    } else {
      row.reason = std::string(speed.status().message());
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

Json ShapeJson(const ModelConfig& config) {
  return {{"name", config.name},   {"dim", config.dim},           {"layers", config.layers},
          {"heads", config.heads}, {"kv_heads", config.kv_heads}, {"ff", config.ff},
          {"vocab", config.vocab}, {"tied", config.tied_output}};
}

std::string ColumnTitle(const Workload& workload) {
  return absl::StrReplaceAll(absl::AsciiStrToUpper(workload.name), {{"_", " "}});
}

std::string NativeText(const FormatSpeed& speed) {
  std::vector<std::string> texts;
  for (const WorkloadSpeed& workload : speed.workloads) {
    const char* const text = workload.kernel.native ? "native" : "emulated";
    if (texts.empty() || texts.back() != text) texts.emplace_back(text);
  }
  return absl::StrJoin(texts, "/");
}

}  // namespace quantd
