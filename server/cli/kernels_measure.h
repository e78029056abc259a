#ifndef QUANTD_SERVER_CLI_KERNELS_MEASURE_H_
#define QUANTD_SERVER_CLI_KERNELS_MEASURE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "runtime/lifecycle/runtime_context.h"

namespace CLI {
class App;
}

namespace quantd {

/// What `quantd kernels --measure` multiplies.
struct MeasureOptions {
  int64_t rows = 2048, cols = 4096;
};

void AddMeasureFlags(CLI::App* command, MeasureOptions* options);  ///< --rows, --cols

/// Names of the formats that kernels take.
std::vector<std::string> FormatNames();

/// Times the kernels of `format` ("" = all) and prints them, as a table or as one JSON object, with
/// progress on stderr. Errors: CANCELLED when the user interrupts; those of SurveyFormat.
absl::Status MeasureKernels(const RuntimeContext& runtime, const std::string& format,
                            const MeasureOptions& options, bool json);

}  // namespace quantd

#endif  // QUANTD_SERVER_CLI_KERNELS_MEASURE_H_
