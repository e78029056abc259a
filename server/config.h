#ifndef QUANTD_SERVER_CONFIG_H_
#define QUANTD_SERVER_CONFIG_H_

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "runtime/lifecycle/model_manager.h"
#include "runtime/lifecycle/runtime_context.h"

namespace quantd {

/// Everything `quantd serve` can be told. Field by field the same as config/quantd.yaml, which
/// documents each; one table in config.cc gives every field's YAML path, flag, unit, limits and
/// meaning, and a test proves that each is settable, documented and in the file.
struct ServerConfig {
  struct Grpc {
    std::string address = "127.0.0.1:8433";
    int64_t max_receive_bytes = 16 << 20;                       ///< one request message
    int32_t max_concurrent_streams = 1024;                      ///< per connection
    absl::Duration max_connection_age = absl::ZeroDuration();   ///< 0 = unlimited
    absl::Duration keepalive_min_interval = absl::Seconds(10);  ///< clients may ping this often
    int64_t stream_buffer_bytes = 256 << 10;  ///< unsent events of one stream; then it is cancelled
    bool reflection = true;
    std::string tls_cert, tls_key,
        tls_client_ca;            ///< PEM paths; "" = plaintext / no client certificates
    std::string auth_token_file;  ///< bearer token that requests must carry; "" = none
  } grpc;
  struct Http {
    std::string address = "127.0.0.1:8080";  ///< /metrics, /healthz, /readyz; "" = off
  } http;
  struct Log {
    std::string level = "info";   ///< debug | info | warn | error
    std::string format = "text";  ///< text | json
  } log;
  struct Runtime {
    int32_t threads = 0;  ///< 0 = one per physical core
    PlacementOptions placement;
    std::string force_isa;  ///< "" = the best this machine has
    std::string force_kernel;
    int64_t memory_limit_bytes = 0;   ///< 0 = what the system has
    int32_t tokenizer_threads = 1;    ///< threads that tokenize prompts, outside RPC callbacks
    bool calibrate = true;            ///< choose kernels by timing them at load
    std::string tuning_cache = "on";  ///< off | read-only | on
    std::string tuning_folder;        ///< "" = DefaultTuningFolder()
  } runtime;
  struct Shutdown {
    absl::Duration drain =
        absl::Seconds(30);  ///< how long running requests may go on after SIGTERM
  } shutdown;
  EngineOptions engine;           ///< defaults of every model
  std::vector<ModelSpec> models;  ///< loaded at start
  /// models[i] has these engine options of its own ("max_sequences"), which a later change of the
  /// defaults leaves alone. Shorter than models where the rest have none.
  std::vector<std::set<std::string>> model_engine_overrides;
};

/// Reads a YAML file. Every error is INVALID_ARGUMENT "FILE:LINE:COLUMN: field: what": unknown,
/// duplicate or wrong-typed keys, values outside their limits, aliases, over-deep nesting, NUL,
/// invalid UTF-8. Relative paths in a file are relative to the file's folder. Errors of reading:
/// NOT_FOUND, PERMISSION_DENIED, INVALID_ARGUMENT for what is no regular file.
absl::StatusOr<ServerConfig> LoadConfig(const std::string& path);
/// The same for text that is at hand; `name` stands for the path of the file.
absl::StatusOr<ServerConfig> ParseConfig(const std::string& yaml, const std::string& name);

/// One settable scalar, for `--set`-style flags, --help and the documentation test.
struct ConfigField {
  std::string path;  ///< "grpc.address"
  std::string type;  ///< string | int | bytes | bool | duration
  std::string help;  ///< meaning (of 0 too), unit, limits, default
};
const std::vector<ConfigField>& ConfigFields();
/// The scalars of one entry of the list `models` ("name", "path", ...); beside them an entry may
/// have a map `engine` with the keys of the section of that name.
const std::vector<ConfigField>& ModelConfigFields();

/// The long flag of a field: "grpc.max_receive_bytes" is --grpc-max-receive-bytes.
std::string ConfigFlag(const std::string& path);

/// Sets one scalar by its path from text (flags, environment). Same checks as the file; relative
/// paths stay as they are. A change of engine.* reaches the models that have no value of their own.
/// INVALID_ARGUMENT "field: what".
absl::Status SetConfigField(ServerConfig* config, const std::string& path,
                            const std::string& value);
/// The current value of a field as text, in the form SetConfigField takes; "" for no field.
std::string GetConfigField(const ServerConfig& config, const std::string& path);

/// Checks between fields (a TLS key without certificate, two models of one name).
absl::Status ValidateConfig(const ServerConfig& config);

}  // namespace quantd

#endif  // QUANTD_SERVER_CONFIG_H_
