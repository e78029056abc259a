#include <csignal>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/str_cat.h"
#include "kernels/base/status_macros.h"
#include "server/cli/commands.h"
#include "server/cli/local_runtime.h"
#include "server/cli/output.h"
#include "server/cli/signal_watch.h"
#include "server/config.h"
#include "server/daemon.h"
#include "server/logging.h"

namespace quantd {
namespace {

constexpr char kCommand[] = "quantd serve";

struct ServeOptions {
  std::string config;
  std::vector<std::string> models;                           // NAME=PATH
  std::string kv_type = "auto";                              // of these
  std::vector<std::pair<std::string, std::string>> changes;  // path of a field, value
  bool check_config = false;
};

absl::StatusOr<ServerConfig> BuildConfig(const ServeOptions& options) {
  ServerConfig config;
  if (!options.config.empty()) {
    QUANTD_ASSIGN_OR_RETURN(config, LoadConfig(options.config));
  }
  for (const auto& [path, value] : options.changes) {
    QUANTD_RETURN_IF_ERROR(SetConfigField(&config, path, value));
  }
  for (const std::string& model : options.models) {
    const size_t equals = model.find('=');
    if (equals == std::string::npos) {
      return absl::InvalidArgumentError(absl::StrCat("--model: '", model, "' is not NAME=PATH"));
    }
    ModelSpec spec;
    spec.name = model.substr(0, equals);
    spec.path = model.substr(equals + 1);
    spec.kv_type = ParseKvChoice(options.kv_type);
    spec.engine = config.engine;
    config.models.push_back(std::move(spec));
  }
  QUANTD_RETURN_IF_ERROR(ValidateConfig(config));
  return config;
}

/// Waits for the models of the configuration and tells what came of them. Wakes `signals` when
/// there is nothing to serve.
void FollowLoading(Daemon& daemon, SignalWatch& signals) {
  const Daemon::LoadResult result = daemon.AwaitSettled();
  if (result.draining) return;
  if (result.failed == 0) {
    Log(LogLevel::kInfo, "ready",
        {{"grpc", daemon.grpc_address()},
         {"http", daemon.http_address()},
         {"models", result.ready}});
    return;
  }
  Log(LogLevel::kError, "some models cannot be served",
      {{"ready", result.ready}, {"failed", result.failed}});
  if (result.ready == 0) signals.Wake();
}

/// Lets running requests finish; a signal while it waits cancels them.
int DrainAndStop(Daemon& daemon, SignalWatch& signals) {
  bool finished = false;
  std::thread drain([&] {
    finished = daemon.Drain();
    signals.Wake();
  });
  if (signals.Wait() == SignalWatch::Event::kSignal) {
    Log(LogLevel::kWarn, "second signal: cancelling what still runs");
    daemon.CancelAll();
  }
  drain.join();
  return finished ? kExitOk : kExitInterrupted;
}

int Serve(const ServeOptions& options) {
  const absl::StatusOr<ServerConfig> config = BuildConfig(options);
  if (!config.ok()) {
    Fail(kCommand, config.status());
    return kExitUsage;
  }
  if (options.check_config) {
    Print(absl::StrCat("The configuration is valid; models: ", config->models.size(), ".\n"));
    return kExitOk;
  }
  const absl::Status logging = SetUpLogging(config->log.level, config->log.format);
  if (!logging.ok()) return Fail(kCommand, logging);

  SignalWatch signals;
  std::signal(SIGPIPE, SIG_IGN);  // a client or a log reader that goes away is no reason to die
  const absl::StatusOr<std::unique_ptr<Daemon>> daemon = Daemon::Start(*config);
  if (!daemon.ok()) return Fail(kCommand, daemon.status());

  std::thread loading([&] { FollowLoading(**daemon, signals); });
  int code = kExitFailure;
  if (signals.Wait() == SignalWatch::Event::kSignal) {
    code = DrainAndStop(**daemon, signals);
  } else {
    (*daemon)->CancelAll();
  }
  loading.join();
  return code;
}

}  // namespace

void AddServe(CLI::App& app, CommandFn* run) {
  auto options = std::make_shared<ServeOptions>();
  CLI::App* command = app.add_subcommand("serve", "Serve models over gRPC");
  command->add_option("--config", options->config, "YAML file; config/quantd.yaml shows all fields")
      ->type_name("FILE");
  command
      ->add_option("--model", options->models,
                   "Serve this file under this name too; may be given several times")
      ->type_name("NAME=PATH")
      ->allow_extra_args(false);
  AddKvTypeFlag(command, &options->kv_type);
  command->add_flag("--check-config", options->check_config,
                    "Only check the configuration: exit code 0 or 2");
  for (const ConfigField& field : ConfigFields()) {
    command
        ->add_option_function<std::string>(
            ConfigFlag(field.path),
            [options, path = field.path](const std::string& value) {
              options->changes.emplace_back(path, value);
            },
            field.help)
        ->type_name(field.type)
        ->group("Fields of the configuration (a flag overrides the file)");
  }
  command->footer(
      "Listens first, then loads the models; health checks and /readyz say when they can serve.\n"
      "SIGTERM or Ctrl-C refuses new requests and lets running ones finish within\n"
      "--shutdown-drain (exit code 0); a second one, or the end of that time, cancels the rest\n"
      "(exit code 4). Exit code 1: no model could be loaded; 2: wrong configuration; 3: a port is\n"
      "taken. The log goes to standard error.\n"
      "\n"
      "Examples:\n"
      "  quantd serve --model mine=model.gguf\n"
      "  quantd serve --config quantd.yaml --grpc-address 0.0.0.0:8433 --log-format json\n"
      "  quantd serve --config quantd.yaml --check-config");
  command->callback([=] { *run = [options] { return Serve(*options); }; });
}

}  // namespace quantd
