#ifndef QUANTD_SERVER_CLI_HARDWARE_REPORT_H_
#define QUANTD_SERVER_CLI_HARDWARE_REPORT_H_

#include <string>

#include "runtime/lifecycle/runtime_context.h"
#include "server/cli/json_output.h"

namespace quantd {

/// The machine as `quantd kernels` and `quantd bench` describe it. JSON: {cpu, features, isas,
/// physical_cores, logical_cpus, usable_threads, l2_bytes, l3_bytes, memory_bytes, cuda}; text:
/// a few lines, each ending in a newline.
Json HardwareJson(const Hardware& hardware);
std::string HardwareText(const Hardware& hardware);

}  // namespace quantd

#endif  // QUANTD_SERVER_CLI_HARDWARE_REPORT_H_
