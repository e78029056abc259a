#include "server/cli/local_runtime.h"

#include "CLI/CLI.hpp"
#include "absl/strings/str_cat.h"
#include "server/cli/interrupt.h"
#include "server/cli/output.h"
#include "server/cli/progress.h"
#include "server/scalar_text.h"
#include "server/version.h"

namespace quantd {

void AddThreadFlag(CLI::App* command, RuntimeFlags* flags) {
  command
      ->add_option("--threads", flags->threads, "Threads that compute; 0 = one per physical core")
      ->type_name("N")
      ->check(CLI::Range(0, 1024))
      ->capture_default_str();
}

void AddKernelFlags(CLI::App* command, RuntimeFlags* flags) {
  command
      ->add_option("--force-isa", flags->force_isa,
                   "Use only kernels of this instruction set: reference, avx2, avxvnni,\n"
                   "avx512vnni, avx512bf16, amx\n"
                   "(default: $QUANTD_FORCE_ISA, else the best this machine runs)")
      ->type_name("ISA");
  command
      ->add_option("--force-kernel", flags->force_kernel,
                   "Use this kernel for the format it takes; names: 'quantd kernels'\n"
                   "(default: $QUANTD_FORCE_KERNEL, else the first choice)")
      ->type_name("NAME");
  command->add_flag("!--no-calibrate", flags->calibrate,
                    "Choose kernels by rank, without timing them on the model's weights");
}

void AddKvTypeFlag(CLI::App* command, std::string* kv_type) {
  command
      ->add_option("--kv-type", *kv_type,
                   "Number format of the KV cache: f32, f16, bf16, int8, or auto\n"
                   "(f32 for F32 models, else f16)")
      ->type_name("TYPE")
      ->check(CLI::IsMember(KvChoiceNames()))
      ->capture_default_str();
}

void AddContextFlag(CLI::App* command, RuntimeFlags* flags) {
  command
      ->add_option("--max-context", flags->max_context,
                   "Tokens of a sequence at most; 0 = the model's own. Above the original context\n"
                   "of a model with LongRoPE it takes the long factors, for shorter texts too")
      ->type_name("N")
      ->check(CheckNotNegative)
      ->capture_default_str();
}

void AddQuietFlag(CLI::App* command, RuntimeFlags* flags) {
  command->add_flag("-q,--quiet", flags->quiet, "No progress and no summary on standard error");
}

std::string CheckNotNegative(const std::string& number) {
  return number.rfind('-', 0) == 0 ? number + " is below 0" : "";
}

std::string CheckByteSize(const std::string& text) {
  const auto bytes = ParseByteSize(text);
  return bytes.ok() ? "" : std::string(bytes.status().message());
}

absl::StatusOr<std::unique_ptr<RuntimeContext>> OpenRuntime(const RuntimeFlags& flags) {
  RuntimeContext::Options options;
  options.threads = flags.threads;
  options.force_isa = flags.force_isa;
  options.force_kernel = flags.force_kernel;
  options.tuning.calibrate = flags.calibrate;
  options.tuning.version = Version();
  options.tuning.listener = [quiet = flags.quiet](const TuningEvent& event) {
    if (quiet || event.status.ok()) return;
    std::fprintf(stderr, "kernels are timed anew at each start: %s\n",
                 std::string(event.status.message()).c_str());
  };
  return RuntimeContext::Create(options);
}

namespace {

// Draws progress for `path` on stderr and cancels when the user interrupts.
LoadOptions ShowLoading(const std::string& path, const RuntimeFlags& flags) {
  auto bar = std::make_shared<Progress>(absl::StrCat("loading ", BaseName(path)), flags.quiet);
  LoadOptions options;
  options.progress = [bar](const LoadProgress& progress) {
    const double total = static_cast<double>(std::max<uint64_t>(progress.total_bytes, 1));
    bar->Update(
        static_cast<double>(progress.done_bytes) / total,
        absl::StrCat(FormatBytes(progress.done_bytes), " of ", FormatBytes(progress.total_bytes)));
    return !InterruptScope::Interrupted();
  };
  return options;
}

}  // namespace

absl::StatusOr<std::shared_ptr<ServedModel>> LoadForOneSequence(const RuntimeContext& runtime,
                                                                const std::string& path,
                                                                const RuntimeFlags& flags,
                                                                const LocalLoad& how) {
  LoadOptions options = ShowLoading(path, flags);
  options.quantize_to = how.quantize_to;
  options.decode_to_float = how.decode_to_float;
  if (!how.quantize_to && !how.decode_to_float) options.packed = TuneFor(runtime.tuner());
  ModelSpec spec;
  spec.name = "model";
  spec.path = path;
  spec.max_context = flags.max_context;
  spec.chat_template = how.chat_template;
  spec.kv_type = ParseKvChoice(flags.kv_type);
  spec.engine.max_sequences = 1;
  return ServedModel::Load(spec, runtime.kernels(), runtime.pool(), options, /*observer=*/nullptr);
}

std::string BaseName(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? path : path.substr(slash + 1);
}

}  // namespace quantd
