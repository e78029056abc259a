#include <memory>
#include <string>

#include "CLI/CLI.hpp"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "quantd/v1/models.grpc.pb.h"
#include "server/cli/json_output.h"
#include "server/cli/output.h"
#include "server/cli/proto_json.h"
#include "server/cli/quantctl.h"
#include "server/cli/remote.h"
#include "server/cli/table.h"
#include "server/convert.h"

namespace quantd {
namespace {

constexpr double kTimeoutSeconds = 30;

std::string StateText(const v1::Model& model) {
  std::string state = ProtoToJson(model)["state"].get<std::string>();
  if (model.state() == v1::MODEL_STATE_LOADING) {
    absl::StrAppendFormat(&state, " %.0f %%", 100 * model.progress());
  }
  return state;
}

void AddModelRow(const v1::Model& model, Table* table) {
  std::vector<std::string> row = {model.name(), StateText(model)};
  if (model.has_info()) {
    const v1::ModelInfo& info = model.info();
    const v1::EngineState& engine = model.engine();
    row.insert(row.end(), {info.format(), FormatBytes(static_cast<uint64_t>(info.weight_bytes())),
                           absl::StrCat(info.context_length()),
                           FormatBytes(static_cast<uint64_t>(info.kv_cache_bytes())),
                           absl::StrCat(engine.running()), absl::StrCat(engine.waiting()),
                           absl::StrCat(engine.kv_blocks_used(), "/", engine.kv_blocks_total())});
  } else {
    row.resize(9);
  }
  row.push_back(model.error().empty() ? model.path()
                                      : absl::StrCat(model.path(), ": ", model.error()));
  table->AddRow(std::move(row));
}

void PrintModels(const google::protobuf::RepeatedPtrField<v1::Model>& models) {
  using Align = Table::Align;
  Table table({{"NAME"},
               {"STATE"},
               {"FORMAT"},
               {"WEIGHTS", Align::kRight},
               {"CONTEXT", Align::kRight},
               {"KV CACHE", Align::kRight},
               {"RUNNING", Align::kRight},
               {"WAITING", Align::kRight},
               {"KV BLOCKS", Align::kRight},
               {"FILE"}});
  for (const v1::Model& model : models) AddModelRow(model, &table);
  Print(table.empty() ? "no models\n" : table.Render(TerminalWidth(stdout)));
}

struct ModelsOptions {
  bool json = false;
  RemoteFlags remote;
};

int Models(const ModelsOptions& options) {
  v1::ListModelsResponse response;
  const int code = CallRemote(
      "quantctl models", options.remote, [&](const auto& channel, grpc::ClientContext* context) {
        return v1::Models::NewStub(channel)->ListModels(context, {}, &response);
      });
  if (code != kExitOk) return code;
  if (options.json) {
    PrintJson(ProtoToJson(response));
  } else {
    PrintModels(response.models());
  }
  return kExitOk;
}

struct LoadFlags {
  v1::LoadModelRequest request;
  std::string kv_type = "auto";
  bool no_wait = false;
  bool json = false;
  RemoteFlags remote;
};

int Load(const LoadFlags& options) {
  v1::LoadModelRequest request = options.request;
  if (const KvChoice choice = ParseKvChoice(options.kv_type)) {
    request.set_kv_cache_type(ToProto(*choice));
  }
  request.set_wait(!options.no_wait);
  v1::Model model;
  const int code = CallRemote(
      "quantctl load", options.remote, [&](const auto& channel, grpc::ClientContext* context) {
        return v1::Models::NewStub(channel)->LoadModel(context, request, &model);
      });
  if (code != kExitOk) return code;
  if (options.json) {
    PrintJson(ProtoToJson(model));
  } else {
    google::protobuf::RepeatedPtrField<v1::Model> models;
    *models.Add() = model;
    PrintModels(models);
  }
  return kExitOk;
}

struct UnloadOptions {
  v1::UnloadModelRequest request;
  RemoteFlags remote;
};

int Unload(const UnloadOptions& options) {
  v1::UnloadModelResponse response;
  return CallRemote(
      "quantctl unload", options.remote, [&](const auto& channel, grpc::ClientContext* context) {
        return v1::Models::NewStub(channel)->UnloadModel(context, options.request, &response);
      });
}

struct HealthOptions {
  std::string model;
  bool json = false;
  RemoteFlags remote;
};

int Health(const HealthOptions& options) {
  namespace health = grpc::health::v1;
  health::HealthCheckRequest request;
  request.set_service(options.model);
  health::HealthCheckResponse response;
  const int code = CallRemote(
      "quantctl health", options.remote, [&](const auto& channel, grpc::ClientContext* context) {
        return health::Health::NewStub(channel)->Check(context, request, &response);
      });
  if (code != kExitOk) return code;
  const std::string status = health::HealthCheckResponse::ServingStatus_Name(response.status());
  if (options.json) {
    PrintJson({{"service", options.model}, {"status", status}});
  } else {
    Print(status + "\n");
  }
  return response.status() == health::HealthCheckResponse::SERVING ? kExitOk : kExitUnavailable;
}

void AddModels(CLI::App& app, CommandFn* run) {
  auto options = std::make_shared<ModelsOptions>();
  CLI::App* command = app.add_subcommand("models", "What the server serves, and how busy it is");
  command->add_flag("--json", options->json, "One JSON object {models: [{name, state, ...}]}");
  AddRemoteFlags(command, &options->remote, kTimeoutSeconds);
  command->footer(
      "Examples:\n"
      "  quantctl models\n"
      "  quantctl models --json | jq '.models[].engine.running'");
  command->callback([=] { *run = [options] { return Models(*options); }; });
}

void AddLoad(CLI::App& app, CommandFn* run) {
  auto options = std::make_shared<LoadFlags>();
  v1::LoadModelRequest* request = &options->request;
  CLI::App* command = app.add_subcommand("load", "Load a model file of the server's machine");
  command->add_option("name", *request->mutable_name(), "Name to serve it under")->required();
  command
      ->add_option("path", *request->mutable_path(),
                   "A .gguf file or a model's folder, as the server sees it")
      ->required();
  command
      ->add_option_function<int32_t>(
          "--max-context", [request](const int32_t& n) { request->set_max_context(n); },
          "Longest sequence (default: the model's own)")
      ->type_name("TOKENS");
  command
      ->add_option_function<int64_t>(
          "--kv-cache-bytes", [request](const int64_t& n) { request->set_kv_cache_bytes(n); },
          "Size of the KV cache (default: by need and memory)")
      ->type_name("BYTES");
  command->add_option("--kv-type", options->kv_type, "Number format of the KV cache")
      ->check(CLI::IsMember(KvChoiceNames()))
      ->capture_default_str();
  command
      ->add_option("--chat-template", *request->mutable_chat_template(),
                   "Jinja chat template in place of the model's own, as the server sees it")
      ->type_name("FILE");
  command->add_flag("--no-wait", options->no_wait, "Return as soon as loading has begun");
  command->add_flag("--json", options->json, "The model as a JSON object");
  AddRemoteFlags(command, &options->remote, /*timeout=*/0);
  command->footer(
      "Examples:\n"
      "  quantctl load other /srv/models/other.gguf\n"
      "  quantctl load big /srv/models/big.gguf --max-context 8192 --no-wait");
  command->callback([=] { *run = [options] { return Load(*options); }; });
}

void AddUnload(CLI::App& app, CommandFn* run) {
  auto options = std::make_shared<UnloadOptions>();
  CLI::App* command =
      app.add_subcommand("unload", "Let a model's requests finish, then free its memory");
  command->add_option("name", *options->request.mutable_name(), "The model")->required();
  AddRemoteFlags(command, &options->remote, /*timeout=*/0);
  command->footer("Example:\n  quantctl unload other");
  command->callback([=] { *run = [options] { return Unload(*options); }; });
}

void AddHealth(CLI::App& app, CommandFn* run) {
  auto options = std::make_shared<HealthOptions>();
  CLI::App* command = app.add_subcommand("health", "Can the server, or a model, serve now?");
  command->add_option("model", options->model, "A model (default: the whole server)");
  command->add_flag("--json", options->json, "One JSON object {service, status}");
  AddRemoteFlags(command, &options->remote, /*timeout=*/5);
  command->footer(
      "Asks the standard gRPC health service. Exit code 0 when SERVING, 3 when not.\n"
      "\n"
      "Examples:\n"
      "  until quantctl health; do sleep 1; done\n"
      "  quantctl health demo --json");
  command->callback([=] { *run = [options] { return Health(*options); }; });
}

}  // namespace

void AddRemoteModels(CLI::App& app, CommandFn* run) {
  AddModels(app, run);
  AddLoad(app, run);
  AddUnload(app, run);
  AddHealth(app, run);
}

}  // namespace quantd
