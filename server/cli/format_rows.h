#ifndef QUANTD_SERVER_CLI_FORMAT_ROWS_H_
#define QUANTD_SERVER_CLI_FORMAT_ROWS_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "runtime/lifecycle/runtime_context.h"
#include "runtime/model/format_speed.h"
#include "server/cli/json_output.h"

namespace quantd {

/// A format and what was measured of it.
struct FormatRow {
  ComparedFormat format;
  std::optional<FormatSpeed> speed;
  std::string reason;  ///< why there is no speed
};

/// The compared formats of these names (case-insensitive), in the order of reports; all for none.
/// Errors: INVALID_ARGUMENT naming `flag`, with the names that exist.
absl::StatusOr<std::vector<ComparedFormat>> ChooseFormats(const std::vector<std::string>& names,
                                                          const std::string& flag);

/// The shape of this name. Errors: INVALID_ARGUMENT with the names that exist.
absl::StatusOr<ModelConfig> ChooseShape(const std::string& name);

/// Measures one format after another and draws progress on stderr as `label` unless `quiet`. A
/// format that does not suit the shape, or for whose weights there is no memory, becomes a row
/// with a reason. `options.go_on` is set here. Errors: CANCELLED once the user interrupts
/// (InterruptScope).
absl::StatusOr<std::vector<FormatRow>> MeasureFormats(const ModelConfig& config,
                                                      const std::vector<ComparedFormat>& formats,
                                                      FormatSpeedOptions options,
                                                      const RuntimeContext& runtime,
                                                      const std::string& label, bool quiet);

/// {name, dim, layers, heads, kv_heads, ff, vocab, tied}.
Json ShapeJson(const ModelConfig& config);

/// "DECODE", "BATCH 8": the head of a column.
std::string ColumnTitle(const Workload& workload);

/// "native" or "emulated"; "native/emulated" when kernels of the workloads differ, in their order.
std::string NativeText(const FormatSpeed& speed);

}  // namespace quantd

#endif  // QUANTD_SERVER_CLI_FORMAT_ROWS_H_
