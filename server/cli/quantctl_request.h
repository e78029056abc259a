#ifndef QUANTD_SERVER_CLI_QUANTCTL_REQUEST_H_
#define QUANTD_SERVER_CLI_QUANTCTL_REQUEST_H_

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/status/statusor.h"
#include "quantd/v1/inference.pb.h"

namespace quantd {

/// What flags say about a generation, but for its prompt.
struct RequestFlags {
  v1::GenerateRequest request;          ///< flags set their fields
  std::vector<std::string> logit_bias;  ///< ID=BIAS
};

/// A flag that sets an optional field of a message, and leaves it absent when not given.
template <typename T>
CLI::Option* AddField(CLI::App* command, const char* flag, std::function<void(const T&)> set,
                      const char* type, const char* help) {
  return command->add_option_function<T>(flag, std::move(set), help)->type_name(type);
}

void AddModelFlag(CLI::App* command, RequestFlags* flags);      ///< --model
void AddEndFlags(CLI::App* command, RequestFlags* flags);       ///< --max-tokens, --stop, ...
void AddSamplingFlags(CLI::App* command, RequestFlags* flags);  ///< --temperature, --seed, ...

/// The request without its prompt. INVALID_ARGUMENT for a bad --logit-bias.
absl::StatusOr<v1::GenerateRequest> RequestOf(const RequestFlags& flags);

/// "STOP" as "stop".
std::string ReasonName(const v1::Finished& finished);

/// Prints text of a model so that it cannot steer a terminal.
void PrintModelText(const std::string& text);
/// After all of `text` was printed: on a terminal what follows starts on a line of its own.
void EndModelText(const std::string& text);

/// What a generation took, on stderr.
void PrintSummary(const std::string& command, const v1::Finished& finished);

}  // namespace quantd

#endif  // QUANTD_SERVER_CLI_QUANTCTL_REQUEST_H_
