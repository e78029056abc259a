#include <algorithm>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "kernels/measure/machine_limits.h"
#include "server/cli/bench_formats.h"
#include "server/cli/bench_harness.h"
#include "server/cli/commands.h"
#include "server/cli/hardware_report.h"
#include "server/cli/interrupt.h"
#include "server/cli/json_output.h"
#include "server/cli/local_runtime.h"
#include "server/cli/output.h"
#include "server/cli/progress.h"
#include "server/cli/table.h"

namespace quantd {
namespace {

constexpr char kCommand[] = "quantd bench";

struct BenchOptions {
  std::string model;
  int32_t prompt = 512;
  bool prompt_given = false;
  int32_t gen = 64;
  int32_t depth = 64;
  std::vector<int32_t> batch = {1, 8, 32};
  int32_t reps = 3;
  bool json = false;
  RuntimeFlags runtime;
  bool compare = false;
  FormatBenchOptions formats;
};

struct BenchResult {
  std::string test;  ///< "prefill" or "decode"
  int32_t batch = 1;
  int32_t depth = 0;          ///< tokens in the KV cache before
  int32_t tokens = 0;         ///< processed per sequence
  SampleStats rate;           ///< tokens per second, of all sequences together
  double read_bandwidth = 0;  ///< bytes per second beside it; decode only, as below
  double read_share = 0;      ///< of that which reading the weights takes, 0 .. 1
};

/// What the results are compared with.
struct BenchContext {
  double read_bandwidth = 0;                ///< bytes per second, median over the run
  uint64_t step_bytes = 0;                  ///< weight bytes that a step reads
  uint64_t multiply_adds = 0;               ///< per token in the weight matrices
  std::string decode_kernel, batch_kernel;  ///< of most weight bytes
};

/// A step reads every matrix once, whatever the batch; of an embedding table that is not the
/// output matrix as well, only the tokens' rows.
BenchContext Describe(const Model& model) {
  BenchContext context;
  std::map<std::pair<std::string, std::string>, uint64_t> bytes_by_kernels;
  for (const WeightReport& weight : model.Report()) {
    if (weight.name == "token_embd.weight" && !model.config().tied_output) continue;
    context.step_bytes += weight.packed_bytes;
    context.multiply_adds += static_cast<uint64_t>(weight.n) * static_cast<uint64_t>(weight.k);
    bytes_by_kernels[{weight.decode_kernel, weight.batch_kernel}] += weight.packed_bytes;
  }
  uint64_t most = 0;
  for (const auto& [kernels, bytes] : bytes_by_kernels) {
    if (bytes <= most) continue;
    most = bytes;
    std::tie(context.decode_kernel, context.batch_kernel) = kernels;
  }
  return context;
}

/// `work` processes `tokens` tokens; their rate in each repetition. `between` runs before the first
/// and after each.
absl::StatusOr<std::vector<double>> Measure(int32_t reps, int64_t tokens, const std::string& label,
                                            bool quiet, const std::function<absl::Status()>& work,
                                            const std::function<void()>& between) {
  Progress progress(label, quiet);
  std::vector<double> rates;
  between();
  for (int32_t rep = 0; rep < reps; ++rep) {
    progress.Update(static_cast<double>(rep) / reps);
    const auto start = std::chrono::steady_clock::now();
    const absl::Status status = work();
    if (!status.ok()) return status;
    const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
    rates.push_back(static_cast<double>(tokens) / elapsed.count());
    between();
  }
  return rates;
}

absl::StatusOr<BenchResult> MeasurePrefill(const BenchOptions& options, BenchHarness& harness) {
  BenchResult result;
  result.test = "prefill";
  result.tokens = options.prompt;
  const auto work = [&] { return harness.Prefill(1, options.prompt); };
  const absl::Status warm_up = work();
  if (!warm_up.ok()) return warm_up;
  auto rates =
      Measure(options.reps, options.prompt, "bench: prefill", options.runtime.quiet, work, [] {});
  if (!rates.ok()) return rates.status();
  result.rate = Summarize(*std::move(rates));
  return result;
}

/// Memory shared with others swings from second to second: what it gives is measured on both sides
/// of each repetition.
absl::StatusOr<BenchResult> MeasureDecode(const BenchOptions& options, int32_t batch,
                                          uint64_t step_bytes, BenchHarness& harness,
                                          ReadProbe& probe) {
  BenchResult result;
  result.test = "decode";
  result.batch = batch;
  result.depth = options.depth;
  result.tokens = options.gen;
  absl::Status ready = harness.Prefill(batch, options.depth);
  // Two steps: the first brings buffers and caches to their size, the second finds them so.
  if (ready.ok()) ready = harness.Decode(batch, options.depth, std::min(options.gen, 2));
  if (!ready.ok()) return ready;
  std::vector<double> reads, shares;
  // Every repetition writes the same positions again: the tokens before them stay.
  auto rates = Measure(
      options.reps, int64_t{batch} * options.gen, absl::StrCat("bench: decode, batch ", batch),
      options.runtime.quiet, [&] { return harness.Decode(batch, options.depth, options.gen); },
      [&] { reads.push_back(probe.Now()); });
  if (!rates.ok()) return rates.status();
  for (size_t rep = 0; rep < rates->size(); ++rep) {
    const double read = (reads[rep] + reads[rep + 1]) / 2;
    const double used = (*rates)[rep] / batch * static_cast<double>(step_bytes);
    shares.push_back(read > 0 ? used / read : 0);
  }
  result.rate = Summarize(*std::move(rates));
  result.read_bandwidth = Summarize(std::move(reads)).median;
  result.read_share = Summarize(std::move(shares)).median;
  return result;
}

/// What else helps a test that is longer than the context.
std::string OrMoreContext(const ModelConfig& config) {
  return config.long_context > config.context
             ? absl::StrCat(", or a --max-context of up to ", config.long_context)
             : "";
}

absl::Status CheckContext(BenchOptions* options, const ModelConfig& config) {
  if (options->prompt > config.context) {
    if (options->prompt_given) {
      return absl::InvalidArgumentError(absl::StrCat(
          options->model, ": --prompt: ", options->prompt, " tokens; the model's", " context is ",
          config.context, ", so give at most that", OrMoreContext(config)));
    }
    options->prompt = config.context;  // the results say how many tokens they are about
  }
  if (options->gen > 0 && int64_t{options->depth} + options->gen > config.context) {
    return absl::InvalidArgumentError(
        absl::StrCat(options->model, ": --depth ", options->depth, " + --gen ", options->gen, " = ",
                     int64_t{options->depth} + options->gen, " tokens; the model's context is ",
                     config.context, ", so lower one of them", OrMoreContext(config)));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<BenchResult>> MeasureAll(const BenchOptions& options,
                                                    uint64_t step_bytes, ServedModel& served,
                                                    ReadProbe& probe) {
  std::vector<BenchResult> results;
  const int32_t step = served.spec().engine.step_token_budget;
  if (options.prompt > 0) {
    auto harness = BenchHarness::Create(&served.model(), served.kv_type(), 1, options.prompt, step);
    if (!harness.ok()) return harness.status();
    auto result = MeasurePrefill(options, **harness);
    if (!result.ok()) return result.status();
    results.push_back(*std::move(result));
  }
  for (const int32_t batch : options.batch) {
    if (options.gen == 0) break;
    auto harness = BenchHarness::Create(&served.model(), served.kv_type(), batch,
                                        options.depth + options.gen, step);
    if (!harness.ok()) return harness.status();
    auto result = MeasureDecode(options, batch, step_bytes, **harness, probe);
    if (!result.ok()) return result.status();
    results.push_back(*std::move(result));
  }
  return results;
}

/// Weight bytes per second that a decode result stands for.
double ImpliedBandwidth(const BenchResult& result, const BenchContext& context) {
  return result.rate.median / result.batch * static_cast<double>(context.step_bytes);
}

double GigaOps(const BenchResult& result, const BenchContext& context) {
  return result.rate.median * 2 * static_cast<double>(context.multiply_adds) / 1e9;
}

Json ResultJson(const BenchResult& result, const BenchContext& context, int32_t reps) {
  Json json = {{"test", result.test},
               {"batch", result.batch},
               {"depth", result.depth},
               {"tokens", result.tokens},
               {"tokens_per_second", result.rate.median},
               {"stddev", result.rate.stddev},
               {"reps", reps},
               {"gops", GigaOps(result, context)}};
  if (result.test == "decode") {
    const double bandwidth = ImpliedBandwidth(result, context);
    json["weight_gb_per_second"] = bandwidth / 1e9;
    json["read_gb_per_second"] = result.read_bandwidth / 1e9;
    json["bandwidth_share"] = result.read_share;
  }
  return json;
}

void PrintReportJson(const BenchOptions& options, const RuntimeContext& runtime,
                     const ServedModel& served, const BenchContext& context,
                     const std::vector<BenchResult>& results) {
  Json host = HardwareJson(runtime.hardware());
  host["threads"] = runtime.pool().size();
  host["read_gb_per_second"] = context.read_bandwidth / 1e9;
  const ModelConfig& config = served.config();
  Json model = {{"path", options.model},
                {"name", config.name},
                {"format", served.format()},
                {"file_bytes", served.file_bytes()},
                {"weight_bytes", served.model().weight_bytes()},
                {"weight_bytes_per_step", context.step_bytes},
                {"multiply_adds_per_token", context.multiply_adds},
                {"kv_type", KvTypeName(served.kv_type())},
                {"context", config.context},
                {"decode_kernel", context.decode_kernel},
                {"batch_kernel", context.batch_kernel}};
  Json list = Json::array();
  for (const BenchResult& result : results) {
    list.push_back(ResultJson(result, context, options.reps));
  }
  PrintJson({{"host", std::move(host)}, {"model", std::move(model)}, {"results", std::move(list)}});
}

void PrintReport(const BenchOptions& options, const RuntimeContext& runtime,
                 const ServedModel& served, const BenchContext& context,
                 const std::vector<BenchResult>& results) {
  Print(absl::StrFormat(
      "%s: %s, %s packed, %s read per step, KV cache %s\n"
      "%s, %d threads, memory read at %s GB/s\n"
      "kernels: %s (decode), %s (batch)\n\n",
      EscapeText(options.model), EscapeText(served.format()),
      FormatBytes(served.model().weight_bytes()), FormatBytes(context.step_bytes),
      KvTypeName(served.kv_type()), EscapeText(runtime.hardware().cpu_name), runtime.pool().size(),
      FormatNumber(context.read_bandwidth / 1e9), context.decode_kernel, context.batch_kernel));
  constexpr auto kRight = Table::Align::kRight;
  Table table({{"TEST"},
               {"BATCH", kRight},
               {"DEPTH", kRight},
               {"TOKENS", kRight},
               {"TOKENS/S", kRight},
               {"STDDEV", kRight},
               {"GOP/S", kRight},
               {"WEIGHTS GB/S", kRight},
               {"OF READ LIMIT", kRight}});
  for (const BenchResult& result : results) {
    const double bandwidth = ImpliedBandwidth(result, context);
    const bool decode = result.test == "decode";
    table.AddRow({result.test, absl::StrCat(result.batch), absl::StrCat(result.depth),
                  absl::StrCat(result.tokens), FormatNumber(result.rate.median),
                  FormatNumber(result.rate.stddev), FormatNumber(GigaOps(result, context)),
                  decode ? FormatNumber(bandwidth / 1e9) : "-",
                  decode ? absl::StrFormat("%.0f %%", 100 * result.read_share) : "-"});
  }
  Print(table.Render());
  if (context.step_bytes < static_cast<uint64_t>(runtime.hardware().l3_bytes)) {
    Print("\nThe weights fit into the L3 cache, which is faster than the memory limit shown.\n");
  }
}

int Bench(BenchOptions options) {
  if (options.compare) {
    options.formats.reps = options.reps;
    options.formats.json = options.json;
    options.formats.runtime = options.runtime;
    return BenchFormats(options.formats);
  }
  if (options.model.empty()) {
    return Fail(kCommand, absl::InvalidArgumentError(absl::StrCat(
                              "MODEL or --formats is required; see '", kCommand, " --help'")));
  }
  InterruptScope interrupts;
  const auto runtime = OpenRuntime(options.runtime);
  if (!runtime.ok()) return Fail(kCommand, runtime.status());
  const auto served = LoadForOneSequence(**runtime, options.model, options.runtime);
  if (!served.ok()) return Fail(kCommand, served.status());
  const absl::Status fits = CheckContext(&options, (*served)->config());
  if (!fits.ok()) return Fail(kCommand, fits);

  BenchContext context = Describe((*served)->model());
  ReadProbe probe((*runtime)->hardware(), (*runtime)->pool());
  std::vector<double> reads = {probe.Now()};
  const auto results = MeasureAll(options, context.step_bytes, **served, probe);
  if (!results.ok()) return Fail(kCommand, results.status());
  for (const BenchResult& result : *results) {
    if (result.test == "decode") reads.push_back(result.read_bandwidth);
  }
  context.read_bandwidth = Summarize(std::move(reads)).median;
  if (options.json) {
    PrintReportJson(options, **runtime, **served, context, *results);
  } else {
    PrintReport(options, **runtime, **served, context, *results);
  }
  return kExitOk;
}

void AddCount(CLI::App* command, const char* flag, int32_t* field, int32_t least,
              const char* help) {
  command->add_option(flag, *field, help)
      ->type_name("N")
      ->check(CLI::Range(least, 1 << 24))
      ->capture_default_str();
}

/// --formats and what belongs to it; the options of a model's benchmark, added before, exclude it.
void AddFormatOptions(CLI::App* command, BenchOptions* options) {
  FormatBenchOptions& formats = options->formats;
  CLI::Option* compare = command->add_flag(
      "--formats", options->compare,
      "Instead of a model, compare weight formats on random weights of one shape");
  for (const char* other :
       {"model", "--prompt", "--gen", "--depth", "--batch", "--kv-type", "--max-context"}) {
    compare->excludes(command->get_option(other));
  }
  const auto add = [&](const char* flag, auto& field, const char* type, const char* help) {
    return command->add_option(flag, field, help)->type_name(type)->needs(compare);
  };
  add("--shape", formats.shape, "NAME", "Shape; 'quantd synth --list-shapes' shows them")
      ->capture_default_str();
  add("--only", formats.only, "FORMAT,...", "These formats (default: all)")
      ->delimiter(',')
      ->allow_extra_args(false);
  add("--layers", formats.layers, "N",
      "Layers held in memory and run in turn; 0 = more than the caches hold")
      ->check(CLI::Range(0, 1 << 16))
      ->capture_default_str();
  add("--svg", formats.svg_path, "FILE", "Also draw a bar chart of the relative speeds");
  add("--json-file", formats.json_path, "FILE", "Also write the JSON object here");
}

}  // namespace

void AddBench(CLI::App& app, CommandFn* run) {
  auto options = std::make_shared<BenchOptions>();
  CLI::App* command =
      app.add_subcommand("bench", "Measure prefill and decode, beside this machine's limits");
  command
      ->add_option("model", options->model,
                   "A .gguf file, or a folder with config.json and safetensors")
      ->type_name("MODEL");
  AddCount(command, "--prompt", &options->prompt, 0,
           "Tokens of the prefill test, one sequence (at most the context); 0 = no such test");
  AddCount(command, "--gen", &options->gen, 0,
           "Tokens of the decode tests, per sequence; 0 = no such test");
  AddCount(command, "--depth", &options->depth, 0,
           "Tokens that each sequence has in the KV cache when decoding starts");
  command
      ->add_option("--batch", options->batch,
                   "Sequences decoded together; one test for each number")
      ->type_name("N,N,...")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->check(CLI::Range(1, 1 << 16))
      ->default_str("1,8,32");
  AddCount(command, "--reps", &options->reps, 1,
           "Repetitions, after a warm-up; the median is reported");
  command->add_flag("--json", options->json,
                    "One JSON object {host, model, results: [{test, batch, tokens_per_second,\n"
                    "stddev, ...}]}; with --formats {host, shape, relative_to, workloads,\n"
                    "formats: [{format, weight_bytes, workloads: {decode: {...}, ...}}]}");
  AddContextFlag(command, &options->runtime);
  AddKvTypeFlag(command, &options->runtime.kv_type);
  AddThreadFlag(command, &options->runtime);
  AddKernelFlags(command, &options->runtime);
  AddQuietFlag(command, &options->runtime);
  AddFormatOptions(command, options.get());
  command->footer(
      "The forward pass is timed alone: random tokens, no sampling, no text. Decoding one token\n"
      "reads every weight once, so its limit is how fast memory is read; that is measured before\n"
      "and after each repetition and the share reached is shown. A batch shares each read among "
      "its sequences.\n"
      "\n"
      "--formats times the matrix products alone (no attention, norms or sampling) of a few "
      "layers,\n"
      "scaled to the whole model: with the kernel that serving would choose, and the naive way,\n"
      "where weights are dequantized to floats and then multiplied. It takes 2 to 3 minutes.\n"
      "\n"
      "Examples:\n"
      "  quantd bench model.gguf\n"
      "  quantd bench model.gguf --prompt 0 --gen 128 --batch 1 --threads 4\n"
      "  quantd synth --list-shapes     # models of real shapes without real weights\n"
      "  quantd bench model.gguf --json > results.json\n"
      "  quantd bench --formats --svg formats.svg\n"
      "  quantd bench --formats --shape llama-3-8b --only F16,Q8_0,Q4_K,Q4_0 --json");
  const CLI::Option* prompt = command->get_option("--prompt");
  command->callback([=] {
    options->prompt_given = prompt->count() > 0;
    *run = [options] { return Bench(*options); };
  });
}

}  // namespace quantd
