#include <memory>
#include <string>

#include "CLI/CLI.hpp"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "quantd/v1/hardware.grpc.pb.h"
#include "server/cli/json_output.h"
#include "server/cli/output.h"
#include "server/cli/proto_json.h"
#include "server/cli/quantctl.h"
#include "server/cli/remote.h"
#include "server/cli/table.h"

namespace quantd {
namespace {

constexpr double kTimeoutSeconds = 30;

const char* TypeText(bool native) { return native ? "native" : "emulated"; }

std::string BytesText(int64_t bytes) {
  return bytes > 0 ? FormatBytes(static_cast<uint64_t>(bytes)) : "unknown";
}

struct HardwareOptions {
  bool json = false;
  RemoteFlags remote;
};

int ShowHardware(const HardwareOptions& options) {
  v1::GetHardwareResponse hardware;
  const int code = CallRemote(
      "quantctl hardware", options.remote, [&](const auto& channel, grpc::ClientContext* context) {
        return v1::Hardware::NewStub(channel)->GetHardware(context, {}, &hardware);
      });
  if (code != kExitOk) return code;
  if (options.json) {
    PrintJson(ProtoToJson(hardware));
    return kExitOk;
  }
  const auto forced = [](const std::string& name) { return name.empty() ? "none" : name; };
  Print(absl::StrCat("CPU             ", EscapeText(hardware.cpu_name()), "\n", "features        ",
                     absl::StrJoin(hardware.features(), " "), "\n", "kernels for     ",
                     absl::StrJoin(hardware.isas(), ", "), "\n", "forced          ISA ",
                     forced(hardware.forced_isa()), ", kernel ", forced(hardware.forced_kernel()),
                     "\n", "cores           ", hardware.physical_cores(), "; CPUs to run on ",
                     hardware.logical_cpus(), "; threads that compute ", hardware.threads(), "\n",
                     "caches          L2 ", BytesText(hardware.l2_bytes()), " per core, L3 ",
                     BytesText(hardware.l3_bytes()), "\n", "memory          ",
                     BytesText(hardware.memory_bytes()), "\n", "GPU             ",
                     EscapeText(hardware.cuda_status()), "\n"));
  return kExitOk;
}

struct KernelsOptions {
  v1::ListKernelsRequest request;
  bool json = false;
  RemoteFlags remote;
};

std::string UseText(const v1::Kernel& kernel) {
  if (kernel.quarantined()) return "quarantined";
  if (!kernel.feasible()) return "cannot run";
  if (!kernel.selected()) return "-";
  return absl::StrCat("chosen, ", EscapeText(kernel.chosen_by()));
}

int Kernels(const KernelsOptions& options) {
  v1::ListKernelsResponse response;
  const int code = CallRemote(
      "quantctl kernels", options.remote, [&](const auto& channel, grpc::ClientContext* context) {
        return v1::Hardware::NewStub(channel)->ListKernels(context, options.request, &response);
      });
  if (code != kExitOk) return code;
  if (options.json) {
    PrintJson(ProtoToJson(response));
    return kExitOk;
  }
  Table table({{"OP"}, {"FORMAT"}, {"KERNEL"}, {"ISA"}, {"TYPE"}, {"STATE"}, {"HOW, OR WHY NOT"}});
  for (const v1::Kernel& kernel : response.kernels()) {
    table.AddRow({kernel.op(), kernel.format(), kernel.name(), kernel.isa(),
                  TypeText(kernel.native()), UseText(kernel),
                  kernel.reason().empty() ? kernel.how() : kernel.reason()});
  }
  Print(table.Render(TerminalWidth(stdout)));
  return kExitOk;
}

struct ExplainOptions {
  v1::ExplainModelRequest request;
  bool json = false;
  RemoteFlags remote;
};

void PrintExplanation(const v1::ExplainModelResponse& response) {
  using Align = Table::Align;
  Table weights({{"TENSOR"},
                 {"FORMAT"},
                 {"SHAPE", Align::kRight},
                 {"BYTES", Align::kRight},
                 {"DECODE KERNEL"},
                 {"BATCH KERNEL"},
                 {"TYPE"},
                 {"HOW"}});
  for (const v1::WeightKernels& weight : response.weights()) {
    weights.AddRow({weight.tensor(), weight.format(), absl::StrCat(weight.n(), "x", weight.k()),
                    BytesText(weight.packed_bytes()), weight.decode_kernel(), weight.batch_kernel(),
                    TypeText(weight.native()), weight.how()});
  }
  Table totals({{"FORMAT"},
                {"WEIGHTS", Align::kRight},
                {"BYTES", Align::kRight},
                {"DECODE KERNEL"},
                {"BATCH KERNEL"},
                {"TYPE"}});
  for (const v1::KernelTotals& total : response.totals()) {
    totals.AddRow({total.format(), absl::StrCat(total.weights()), BytesText(total.packed_bytes()),
                   total.decode_kernel(), total.batch_kernel(), TypeText(total.native())});
  }
  Print(absl::StrCat("Model ", EscapeText(response.model()),
                     " (native: the processor multiplies this type itself)\n\n"));
  Print(weights.Render(TerminalWidth(stdout)));
  Print("\nTotals\n");
  Print(totals.Render(TerminalWidth(stdout)));
}

int Explain(const ExplainOptions& options) {
  v1::ExplainModelResponse response;
  const int code = CallRemote(
      "quantctl explain", options.remote, [&](const auto& channel, grpc::ClientContext* context) {
        return v1::Hardware::NewStub(channel)->ExplainModel(context, options.request, &response);
      });
  if (code != kExitOk) return code;
  if (options.json) {
    PrintJson(ProtoToJson(response));
  } else {
    PrintExplanation(response);
  }
  return kExitOk;
}

void AddHardware(CLI::App& app, CommandFn* run) {
  auto options = std::make_shared<HardwareOptions>();
  CLI::App* command = app.add_subcommand("hardware", "The machine that the server runs on");
  command->add_flag("--json", options->json, "One JSON object");
  AddRemoteFlags(command, &options->remote, kTimeoutSeconds);
  command->footer("Example:\n  quantctl hardware --json | jq .isas");
  command->callback([=] { *run = [options] { return ShowHardware(*options); }; });
}

void AddKernelTable(CLI::App& app, CommandFn* run) {
  auto options = std::make_shared<KernelsOptions>();
  CLI::App* command =
      app.add_subcommand("kernels", "Every kernel of the server and what became of it there");
  command->add_option("--op", *options->request.mutable_op(), "Only this operation, as 'gemm'");
  command->add_option("--format", *options->request.mutable_format(), "Only this format, as Q4_0");
  command->add_flag("--json", options->json, "One JSON object {kernels: [{op, name, ...}]}");
  AddRemoteFlags(command, &options->remote, kTimeoutSeconds);
  command->footer(
      "Examples:\n"
      "  quantctl kernels --op gemm --format Q4_0\n"
      "  quantctl kernels --json | jq '.kernels[] | select(.selected) | .name'");
  command->callback([=] { *run = [options] { return Kernels(*options); }; });
}

void AddExplain(CLI::App& app, CommandFn* run) {
  auto options = std::make_shared<ExplainOptions>();
  CLI::App* command = app.add_subcommand(
      "explain", "Which kernel multiplies each weight of a model, native or emulated");
  command->add_option("model", *options->request.mutable_model(),
                      "The model; needed if there are several");
  command->add_flag("--json", options->json, "One JSON object {model, weights, totals}");
  AddRemoteFlags(command, &options->remote, kTimeoutSeconds);
  command->footer(
      "Examples:\n"
      "  quantctl explain demo\n"
      "  quantctl explain --json | jq .totals");
  command->callback([=] { *run = [options] { return Explain(*options); }; });
}

}  // namespace

void AddRemoteHardware(CLI::App& app, CommandFn* run) {
  AddHardware(app, run);
  AddKernelTable(app, run);
  AddExplain(app, run);
}

}  // namespace quantd
