#ifndef QUANTD_SERVER_CLI_QUANTIZE_REPORT_H_
#define QUANTD_SERVER_CLI_QUANTIZE_REPORT_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "runtime/convert/quantize_model.h"
#include "server/cli/evaluation.h"

namespace quantd {

/// What `quantd quantize` did.
struct QuantizeReport {
  std::string model, output, type;
  std::vector<QuantizedTensor> tensors;
  std::vector<std::string> notes;  ///< what the output does not do as the model
  absl::Duration elapsed;
  std::string evaluation_text;           ///< "" = none
  std::optional<Evaluation> evaluation;  ///< of the output, against the model
};

void PrintAsJson(const QuantizeReport& report);
void PrintForPeople(const QuantizeReport& report);

}  // namespace quantd

#endif  // QUANTD_SERVER_CLI_QUANTIZE_REPORT_H_
