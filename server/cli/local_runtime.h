#ifndef QUANTD_SERVER_CLI_LOCAL_RUNTIME_H_
#define QUANTD_SERVER_CLI_LOCAL_RUNTIME_H_

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "runtime/lifecycle/model_manager.h"
#include "runtime/lifecycle/runtime_context.h"

namespace CLI {
class App;
}

namespace quantd {

/// Flags of the commands that compute in this process.
struct RuntimeFlags {
  int threads = 0;        ///< 0 = one per physical core
  std::string force_isa;  ///< "" = QUANTD_FORCE_ISA, else the best this machine has
  std::string force_kernel;
  std::string kv_type = "auto";  ///< one of KvChoiceNames()
  int32_t max_context = 0;       ///< as in ModelSpec
  bool quiet = false;            ///< no progress and no summary on stderr
  bool calibrate = true;         ///< choose kernels by timing them, as `serve` does
};

void AddThreadFlag(CLI::App* command, RuntimeFlags* flags);   ///< --threads
void AddKernelFlags(CLI::App* command, RuntimeFlags* flags);  ///< --force-isa, --force-kernel
void AddKvTypeFlag(CLI::App* command, std::string* kv_type);  ///< --kv-type
void AddContextFlag(CLI::App* command, RuntimeFlags* flags);  ///< --max-context
void AddQuietFlag(CLI::App* command, RuntimeFlags* flags);    ///< --quiet

/// A check for CLI11 options: "" or what is wrong. (Its own tells the largest double as a limit.)
std::string CheckNotNegative(const std::string& number);
/// The same for sizes such as 6GiB (ParseByteSize).
std::string CheckByteSize(const std::string& text);

/// Errors: those of KernelSet::Create.
absl::StatusOr<std::unique_ptr<RuntimeContext>> OpenRuntime(const RuntimeFlags& flags);

/// How a local command wants its model.
struct LocalLoad {
  std::string chat_template;  ///< "" = the model's own
  // As in LoadOptions. A model whose weights are changed is for evaluation: its kernels are not
  // tuned.
  std::optional<QuantFormat> quantize_to;
  bool decode_to_float = false;
};

/// Loads the model of a local command, for one sequence at a time: the KV cache promises no more
/// memory than that. Draws progress on stderr; an interrupt (InterruptScope) cancels the load.
/// Errors: those of ServedModel::Load.
absl::StatusOr<std::shared_ptr<ServedModel>> LoadForOneSequence(const RuntimeContext& runtime,
                                                                const std::string& path,
                                                                const RuntimeFlags& flags,
                                                                const LocalLoad& how = {});

/// The last component of a path, for labels.
std::string BaseName(const std::string& path);

}  // namespace quantd

#endif  // QUANTD_SERVER_CLI_LOCAL_RUNTIME_H_
