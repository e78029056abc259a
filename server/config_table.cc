#include "server/config_table.h"

#include <algorithm>
#include <limits>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "kernels/base/status_macros.h"
#include "runtime/lifecycle/kernel_tuner.h"
#include "runtime/lifecycle/load_plan.h"
#include "runtime/lifecycle/runtime_context.h"
#include "server/host_port.h"
#include "server/scalar_text.h"

namespace quantd {
namespace {

constexpr int64_t kMinuteMs = 60 * 1000;
constexpr int64_t kHourMs = 60 * kMinuteMs;
constexpr int64_t kDayMs = 24 * kHourMs;
constexpr int64_t kKiB = int64_t{1} << 10, kGiB = int64_t{1} << 30, kTiB = int64_t{1} << 40;
constexpr size_t kShownBytes = 64;  // of a wrong value in an error

absl::Status OneOf(const std::string& text, const std::vector<std::string>& choices) {
  if (std::find(choices.begin(), choices.end(), text) != choices.end()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("'", absl::CHexEscape(absl::string_view(text).substr(0, kShownBytes)),
                   "' is none of ", absl::StrJoin(choices, ", ")));
}

absl::Status CheckLogLevel(const std::string& text) {
  return OneOf(text, {"debug", "info", "warn", "error"});
}
absl::Status CheckLogFormat(const std::string& text) { return OneOf(text, {"text", "json"}); }
absl::Status CheckAddress(const std::string& text) { return ParseHostPort(text).status(); }
absl::Status CheckAddressOrNone(const std::string& text) {
  return text.empty() ? absl::OkStatus() : CheckAddress(text);
}
// Names of instruction sets and kernels: which exist is known, and said, when the kernels are set
// up.
absl::Status CheckIdentifier(const std::string& text) {
  const bool valid =
      text.size() <= kShownBytes && std::all_of(text.begin(), text.end(), [](unsigned char c) {
        return absl::ascii_isalnum(c) || c == '_' || c == '-' || c == '.';
      });
  if (valid) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("'", absl::CHexEscape(absl::string_view(text).substr(0, kShownBytes)),
                   "' is no name (letters, digits, . _ - only)"));
}
absl::Status CheckModelName(const std::string& text) {
  if (IsModelName(text)) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "'", absl::CHexEscape(absl::string_view(text).substr(0, kShownBytes)), "' ", kModelNameRule));
}
absl::Status CheckNotEmpty(const std::string& text) {
  return text.empty() ? absl::InvalidArgumentError("must not be empty") : absl::OkStatus();
}

// A pointer to a function that gives the member of an owner.
#define QUANTD_REF(Owner, member) \
  +[](Owner & owner) -> auto& {   \
    return owner.member;          \
  }

std::vector<FieldRow<ServerConfig>> MakeServerFields() {
  using C = ServerConfig;
  using K = FieldKind;
  return {
      {.path = "grpc.address",
       .kind = K::kString,
       .ref = QUANTD_REF(C, grpc.address),
       .check = CheckAddress,
       .meaning = "Where the gRPC API listens, HOST:PORT or [IPV6]:PORT. Port 0 picks a free one."},
      {.path = "grpc.max_receive_bytes",
       .kind = K::kBytes,
       .ref = QUANTD_REF(C, grpc.max_receive_bytes),
       .min = kKiB,
       .max = kGiB,
       .meaning = "Largest request message; a larger one is refused with RESOURCE_EXHAUSTED."},
      {.path = "grpc.max_concurrent_streams",
       .kind = K::kInt,
       .ref = QUANTD_REF(C, grpc.max_concurrent_streams),
       .unit = "calls",
       .min = 1,
       .max = 1000000,
       .meaning = "Calls that one connection may have open at once."},
      {.path = "grpc.max_connection_age",
       .kind = K::kDuration,
       .ref = QUANTD_REF(C, grpc.max_connection_age),
       .min = 0,
       .max = 30 * kDayMs,
       .meaning = "Age at which clients are asked to reconnect, so that a balancer can spread them "
                  "anew. 0 = never."},
      {.path = "grpc.keepalive_min_interval",
       .kind = K::kDuration,
       .ref = QUANTD_REF(C, grpc.keepalive_min_interval),
       .min = 0,
       .max = kHourMs,
       .meaning = "Shortest interval at which a client may send keepalive pings. 0 = any."},
      {.path = "grpc.stream_buffer_bytes",
       .kind = K::kBytes,
       .ref = QUANTD_REF(C, grpc.stream_buffer_bytes),
       .min = 4 * kKiB,
       .max = kGiB,
       .meaning = "Events of one stream that wait for a slow reader; when there are more the "
                  "request is cancelled."},
      {.path = "grpc.reflection",
       .kind = K::kBool,
       .ref = QUANTD_REF(C, grpc.reflection),
       .meaning = "Offer the reflection service, with which tools like grpcurl find the API."},
      {.path = "grpc.tls_cert",
       .kind = K::kPath,
       .ref = QUANTD_REF(C, grpc.tls_cert),
       .meaning = "PEM file of the server's certificate chain. Empty = no TLS."},
      {.path = "grpc.tls_key",
       .kind = K::kPath,
       .ref = QUANTD_REF(C, grpc.tls_key),
       .meaning = "PEM file of the certificate's private key. Needed with tls_cert."},
      {.path = "grpc.tls_client_ca",
       .kind = K::kPath,
       .ref = QUANTD_REF(C, grpc.tls_client_ca),
       .meaning = "PEM file of the authorities whose client certificates are required. Empty = "
                  "clients need none."},
      {.path = "grpc.auth_token_file",
       .kind = K::kPath,
       .ref = QUANTD_REF(C, grpc.auth_token_file),
       .meaning = "File with the bearer token that every request must carry. Empty = none."},
      {.path = "http.address",
       .kind = K::kString,
       .ref = QUANTD_REF(C, http.address),
       .check = CheckAddressOrNone,
       .meaning = "Where /metrics, /healthz and /readyz are served, HOST:PORT. Empty = off."},
      {.path = "log.level",
       .kind = K::kString,
       .ref = QUANTD_REF(C, log.level),
       .check = CheckLogLevel,
       .meaning = "Least important events to log: debug, info, warn or error."},
      {.path = "log.format",
       .kind = K::kString,
       .ref = QUANTD_REF(C, log.format),
       .check = CheckLogFormat,
       .meaning = "Form of a log line: text for people, json for machines."},
      {.path = "runtime.threads",
       .kind = K::kInt,
       .ref = QUANTD_REF(C, runtime.threads),
       .unit = "threads",
       .min = 0,
       .max = 1024,
       .meaning = "Threads that compute. 0 = one per physical core that the process may use, at "
                  "most as many as the CPU limit of its control group."},
      {.path = "runtime.pin_threads",
       .kind = K::kBool,
       .ref = QUANTD_REF(C, runtime.placement.pin_threads),
       .meaning =
           "Keep each of them on a CPU of its own, cores first, then their hardware "
           "threads; an error when there are not enough. For machines that do nothing else."},
      {.path = "runtime.numa",
       .kind = K::kString,
       .ref = QUANTD_REF(C, runtime.placement.numa),
       .check = +[](const std::string& text) { return CheckNuma(text); },
       .meaning = "On machines with several memory nodes: none leaves placement to the system, "
                  "interleave spreads weights and KV caches over the nodes, a number keeps "
                  "threads and memory on that node."},
      {.path = "runtime.huge_pages",
       .kind = K::kString,
       .ref = QUANTD_REF(C, runtime.placement.huge_pages),
       .check = +[](const std::string& text) { return OneOf(text, HugePageModes()); },
       .meaning = "Huge pages for weights and KV caches: auto asks the system for them, on also "
                  "refuses to start where it gives none, off asks for none."},
      {.path = "runtime.force_isa",
       .kind = K::kString,
       .ref = QUANTD_REF(C, runtime.force_isa),
       .check = CheckIdentifier,
       .meaning = "Use only kernels within this instruction set (reference, avx2, avxvnni, "
                  "avx512vnni, avx512bf16, amx). Empty = $QUANTD_FORCE_ISA, else the best that "
                  "runs here."},
      {.path = "runtime.force_kernel",
       .kind = K::kString,
       .ref = QUANTD_REF(C, runtime.force_kernel),
       .check = CheckIdentifier,
       .meaning =
           "Use this matrix kernel for the formats it takes (names: quantd kernels). Empty = "
           "$QUANTD_FORCE_KERNEL, else none."},
      {.path = "runtime.memory_limit_bytes",
       .kind = K::kBytes,
       .ref = QUANTD_REF(C, runtime.memory_limit_bytes),
       .min = 0,
       .max = 1024 * kTiB,
       .meaning =
           "Memory for weights and KV caches of all models; a load beyond it is refused. 0 = "
           "what the system has."},
      {.path = "runtime.tokenizer_threads",
       .kind = K::kInt,
       .ref = QUANTD_REF(C, runtime.tokenizer_threads),
       .unit = "threads",
       .min = 1,
       .max = 256,
       .meaning = "Threads that tokenize prompts."},
      {.path = "runtime.calibrate",
       .kind = K::kBool,
       .ref = QUANTD_REF(C, runtime.calibrate),
       .meaning = "Choose matrix kernels by timing them on the weights of a model when it is "
                  "loaded, for at most about 2 s. Results do not depend on the choice."},
      {.path = "runtime.tuning_cache",
       .kind = K::kString,
       .ref = QUANTD_REF(C, runtime.tuning_cache),
       .check =
           +[](const std::string& text) {
             return OneOf(text, {kTuningCacheModes.begin(), kTuningCacheModes.end()});
           },
       .meaning = "Keep what was measured in a file for this machine and build: off, read-only or "
                  "on."},
      {.path = "runtime.tuning_folder",
       .kind = K::kPath,
       .ref = QUANTD_REF(C, runtime.tuning_folder),
       .meaning = "Folder of that file. Empty = $XDG_CACHE_HOME/quantd, else $HOME/.cache/quantd, "
                  "else /var/cache/quantd."},
      {.path = "shutdown.drain",
       .kind = K::kDuration,
       .ref = QUANTD_REF(C, shutdown.drain),
       .min = 0,
       .max = kDayMs,
       .meaning =
           "How long running requests may go on after SIGTERM before they are cancelled. 0 = "
           "not at all."},
  };
}

std::vector<FieldRow<EngineOptions>> MakeEngineFields() {
  using E = EngineOptions;
  using K = FieldKind;
  return {
      {.path = "max_sequences",
       .kind = K::kInt,
       .ref = QUANTD_REF(E, max_sequences),
       .unit = "sequences",
       .min = 1,
       .max = 65536,
       .meaning = "Sequences of one model that are computed at once; further ones wait."},
      {.path = "step_token_budget",
       .kind = K::kInt,
       .ref = QUANTD_REF(E, step_token_budget),
       .unit = "tokens",
       .min = 1,
       .max = 1 << 20,
       .meaning =
           "Tokens of one step: one for each running sequence, the rest for prompts. Lower = "
           "more even latency, higher = faster prompts."},
      {.path = "max_queued_requests",
       .kind = K::kInt,
       .ref = QUANTD_REF(E, max_queued_requests),
       .unit = "requests",
       .min = 1,
       .max = 1000000,
       .meaning = "Requests that may wait; one more is refused with RESOURCE_EXHAUSTED."},
      {.path = "max_queued_tokens",
       .kind = K::kInt,
       .ref = QUANTD_REF(E, max_queued_tokens),
       .unit = "tokens",
       .min = 1,
       .max = kTiB,
       .meaning = "Prompt tokens that may wait; a request beyond them is refused with "
                  "RESOURCE_EXHAUSTED."},
      {.path = "prefix_cache",
       .kind = K::kBool,
       .ref = QUANTD_REF(E, prefix_cache),
       .meaning = "Share the KV cache of equal beginnings of prompts."},
      {.path = "watchdog",
       .kind = K::kDuration,
       .ref = QUANTD_REF(E, watchdog),
       .min = 0,
       .max = kDayMs,
       .meaning = "A step that takes longer makes /healthz fail. 0 = never."},
  };
}

std::vector<FieldRow<ModelSpec>> MakeModelFields() {
  using M = ModelSpec;
  using K = FieldKind;
  return {
      {.path = "name",
       .kind = K::kString,
       .ref = QUANTD_REF(M, name),
       .check = CheckModelName,
       .meaning = "Name of the model in requests, metrics and health. Required, unique."},
      {.path = "path",
       .kind = K::kPath,
       .ref = QUANTD_REF(M, path),
       .check = CheckNotEmpty,
       .meaning = "The .gguf file, or the folder with config.json and safetensors, relative to the "
                  "folder of this file. Required."},
      {.path = "max_context",
       .kind = K::kInt,
       .ref = QUANTD_REF(M, max_context),
       .unit = "tokens",
       .min = 0,
       .max = std::numeric_limits<int32_t>::max(),
       .meaning = "Longest sequence; never more than the model's own. 0 = the model's own; with "
                  "LongRoPE (Phi-3), the one before it was stretched: a larger number brings the "
                  "factors for long texts, which then hold for all."},
      {.path = "kv_cache",
       .kind = K::kBytes,
       .ref = QUANTD_REF(M, kv_cache_bytes),
       .min = 0,
       .max = 1024 * kTiB,
       .meaning =
           "Size of the KV cache. 0 = max_sequences full sequences, but at most a quarter of "
           "the available memory."},
      {.path = "kv_type",
       .kind = K::kString,
       .ref = QUANTD_REF(M, kv_type),
       .check = +[](const std::string& text) { return OneOf(text, KvChoiceNames()); },
       .meaning =
           "Number format of the KV cache: f32, f16, bf16, int8 (with a scale per token and head), "
           "or auto, which is f32 for a model whose weights are F32 and else f16."},
      {.path = "chat_template",
       .kind = K::kPath,
       .ref = QUANTD_REF(M, chat_template),
       .meaning = "File of a Jinja chat template in place of the model's own, relative to the "
                  "folder of this file. Empty = the model's own."},
  };
}
#undef QUANTD_REF

// The text of a number of the row's kind.
template <typename Owner>
std::string NumberText(const FieldRow<Owner>& row, int64_t value) {
  if (row.kind == FieldKind::kBytes) return FormatByteSize(value);
  if (row.kind == FieldKind::kDuration) return FormatSpan(absl::Milliseconds(value));
  return absl::StrCat(value);
}

// The number that a text of the row's kind stands for, within its limits.
template <typename Owner>
absl::StatusOr<int64_t> ParseNumber(const FieldRow<Owner>& row, const std::string& text) {
  int64_t value = 0;
  if (row.kind == FieldKind::kDuration) {
    QUANTD_ASSIGN_OR_RETURN(const absl::Duration duration, ParseSpan(text));
    value = absl::ToInt64Milliseconds(duration);
  } else if (row.kind == FieldKind::kBytes) {
    QUANTD_ASSIGN_OR_RETURN(value, ParseByteSize(text));
  } else {
    QUANTD_ASSIGN_OR_RETURN(value, ParseWholeNumber(text));
  }
  if (value >= row.min && value <= row.max) return value;
  return absl::InvalidArgumentError(absl::StrCat(text, " is not within ", NumberText(row, row.min),
                                                 " to ", NumberText(row, row.max)));
}

// Assigns a text to a member of any type that fields have.
template <typename Owner>
struct Setter {
  const FieldRow<Owner>& row;
  Owner& owner;
  const std::string& text;

  absl::Status operator()(std::string& (*member)(Owner&)) const {
    member(owner) = text;
    return absl::OkStatus();
  }
  absl::Status operator()(bool& (*member)(Owner&)) const {
    QUANTD_ASSIGN_OR_RETURN(member(owner), ParseTruth(text));
    return absl::OkStatus();
  }
  absl::Status operator()(absl::Duration& (*member)(Owner&)) const {
    QUANTD_ASSIGN_OR_RETURN(const int64_t milliseconds, ParseNumber(row, text));
    member(owner) = absl::Milliseconds(milliseconds);
    return absl::OkStatus();
  }
  absl::Status operator()(KvChoice& (*member)(Owner&)) const {
    member(owner) = ParseKvChoice(text);
    return absl::OkStatus();
  }
  template <typename Integer>
  absl::Status operator()(Integer& (*member)(Owner&)) const {
    QUANTD_ASSIGN_OR_RETURN(const int64_t value, ParseNumber(row, text));
    member(owner) = static_cast<Integer>(value);
    return absl::OkStatus();
  }
};

template <typename Owner>
struct Getter {
  const FieldRow<Owner>& row;
  Owner& owner;

  std::string operator()(std::string& (*member)(Owner&)) const { return member(owner); }
  std::string operator()(bool& (*member)(Owner&)) const { return member(owner) ? "true" : "false"; }
  std::string operator()(absl::Duration& (*member)(Owner&)) const {
    return FormatSpan(member(owner));
  }
  std::string operator()(KvChoice& (*member)(Owner&)) const { return KvChoiceName(member(owner)); }
  template <typename Integer>
  std::string operator()(Integer& (*member)(Owner&)) const {
    return NumberText(row, member(owner));
  }
};

}  // namespace

const char* FieldKindName(FieldKind kind) {
  switch (kind) {
    case FieldKind::kString:
    case FieldKind::kPath:
      return "string";
    case FieldKind::kInt:
      return "int";
    case FieldKind::kBytes:
      return "bytes";
    case FieldKind::kBool:
      return "bool";
    case FieldKind::kDuration:
      return "duration";
  }
  return "";
}

const std::vector<FieldRow<ServerConfig>>& ServerFields() {
  static const auto* const fields = new std::vector<FieldRow<ServerConfig>>(MakeServerFields());
  return *fields;
}
const std::vector<FieldRow<EngineOptions>>& EngineFields() {
  static const auto* const fields = new std::vector<FieldRow<EngineOptions>>(MakeEngineFields());
  return *fields;
}
const std::vector<FieldRow<ModelSpec>>& ModelFields() {
  static const auto* const fields = new std::vector<FieldRow<ModelSpec>>(MakeModelFields());
  return *fields;
}

template <typename Owner>
absl::Status SetField(const FieldRow<Owner>& row, Owner& owner, const std::string& text) {
  if (text.find('\0') != std::string::npos) {
    return absl::InvalidArgumentError("contains a NUL character");
  }
  if (row.check != nullptr) QUANTD_RETURN_IF_ERROR(row.check(text));
  return std::visit(Setter<Owner>{row, owner, text}, row.ref);
}

template <typename Owner>
std::string GetField(const FieldRow<Owner>& row, const Owner& owner) {
  Owner copy = owner;  // the accessors give references to write to
  return std::visit(Getter<Owner>{row, copy}, row.ref);
}

template <typename Owner>
std::string FieldHelp(const FieldRow<Owner>& row) {
  std::string help = row.meaning;
  if (row.kind == FieldKind::kBytes) {
    help += " Unit: bytes, or with KiB, MiB, GiB, TiB.";
  } else if (row.kind == FieldKind::kDuration) {
    help += " Unit: ms, s, m or h.";
  } else if (*row.unit != '\0') {
    absl::StrAppend(&help, " Unit: ", row.unit, ".");
  }
  if (row.max > row.min) {
    absl::StrAppend(&help, " Limits: ", NumberText(row, row.min), " to ", NumberText(row, row.max),
                    ".");
  }
  const std::string value = GetField(row, Owner());
  absl::StrAppend(&help, " Default: ", value.empty() ? "empty" : value, ".");
  return help;
}

template absl::Status SetField(const FieldRow<ServerConfig>&, ServerConfig&, const std::string&);
template absl::Status SetField(const FieldRow<EngineOptions>&, EngineOptions&, const std::string&);
template absl::Status SetField(const FieldRow<ModelSpec>&, ModelSpec&, const std::string&);
template std::string GetField(const FieldRow<ServerConfig>&, const ServerConfig&);
template std::string GetField(const FieldRow<EngineOptions>&, const EngineOptions&);
template std::string GetField(const FieldRow<ModelSpec>&, const ModelSpec&);
template std::string FieldHelp(const FieldRow<ServerConfig>&);
template std::string FieldHelp(const FieldRow<EngineOptions>&);
template std::string FieldHelp(const FieldRow<ModelSpec>&);

}  // namespace quantd
