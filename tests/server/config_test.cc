#include "server/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <limits>
#include <map>
#include <set>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "server/scalar_text.h"
#include "server/yaml_reader.h"
#include "tests/support/test_data.h"

namespace quantd {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

ServerConfig ParseOrDie(const std::string& yaml) {
  const auto config = ParseConfig(yaml, "q.yaml");
  EXPECT_TRUE(config.ok()) << config.status();
  return config.ok() ? *config : ServerConfig();
}

// The message of the error that a file must give.
std::string ErrorOf(const std::string& yaml) {
  const auto config = ParseConfig(yaml, "q.yaml");
  EXPECT_FALSE(config.ok()) << yaml;
  EXPECT_EQ(config.status().code(), absl::StatusCode::kInvalidArgument);
  return std::string(config.status().message());
}

// ---- Values ----

TEST(ConfigTest, EmptyFilesGiveTheDefaults) {
  for (const char* yaml :
       {"", "\n\n", "# only a comment\n", "---\n", "grpc:\nmodels:\n", "models: []"}) {
    const ServerConfig config = ParseOrDie(yaml);
    EXPECT_EQ(config.grpc.address, "127.0.0.1:8433");
    EXPECT_EQ(config.engine.max_sequences, 64);
    EXPECT_TRUE(config.models.empty());
  }
}

TEST(ConfigTest, ReadsEveryTypeOfValue) {
  const ServerConfig config = ParseOrDie(R"(
grpc: {address: "[::1]:9000", max_receive_bytes: 8MiB, max_concurrent_streams: 7, reflection: false,
       max_connection_age: 1h, keepalive_min_interval: 500ms, stream_buffer_bytes: 4096}
http:
  address: ''
log: {level: debug, format: json}
runtime:
  threads: 3
  force_isa: avx2
  memory_limit_bytes: 2GiB
shutdown:
  drain: 0
engine:
  max_queued_tokens: 5000000000
  watchdog: 90s
)");
  EXPECT_EQ(config.grpc.address, "[::1]:9000");
  EXPECT_EQ(config.grpc.max_receive_bytes, 8 << 20);
  EXPECT_EQ(config.grpc.max_concurrent_streams, 7);
  EXPECT_FALSE(config.grpc.reflection);
  EXPECT_EQ(config.grpc.max_connection_age, absl::Hours(1));
  EXPECT_EQ(config.grpc.keepalive_min_interval, absl::Milliseconds(500));
  EXPECT_EQ(config.grpc.stream_buffer_bytes, 4096);
  EXPECT_EQ(config.http.address, "");
  EXPECT_EQ(config.log.level, "debug");
  EXPECT_EQ(config.log.format, "json");
  EXPECT_EQ(config.runtime.threads, 3);
  EXPECT_EQ(config.runtime.force_isa, "avx2");
  EXPECT_EQ(config.runtime.memory_limit_bytes, int64_t{2} << 30);
  EXPECT_EQ(config.shutdown.drain, absl::ZeroDuration());
  EXPECT_EQ(config.engine.max_queued_tokens, 5000000000);
  EXPECT_EQ(config.engine.watchdog, absl::Seconds(90));
}

TEST(ConfigTest, ModelsStartFromTheEngineSectionWhereverItStands) {
  const ServerConfig config = ParseOrDie(R"(
models:
  - {name: a, path: a.gguf}
  - name: b
    path: /abs/b.gguf
    max_context: 128
    kv_cache: 1GiB
    kv_type: f32
    chat_template: /abs/b.jinja
    engine: {max_sequences: 2, prefix_cache: false}
engine: {max_sequences: 8, step_token_budget: 100}
)");
  ASSERT_EQ(config.models.size(), 2u);
  EXPECT_EQ(config.models[0].engine.max_sequences, 8);
  EXPECT_EQ(config.models[0].kv_type, std::nullopt);
  const ModelSpec& b = config.models[1];
  EXPECT_EQ(b.path, "/abs/b.gguf");
  EXPECT_EQ(b.max_context, 128);
  EXPECT_EQ(b.kv_cache_bytes, 1 << 30);
  EXPECT_EQ(b.kv_type, KvType::kF32);
  EXPECT_EQ(b.chat_template, "/abs/b.jinja");
  EXPECT_EQ(b.engine.max_sequences, 2);
  EXPECT_EQ(b.engine.step_token_budget, 100);
  EXPECT_FALSE(b.engine.prefix_cache);
}

TEST(ConfigTest, FlagsReachTheModelsThatHaveNoValueOfTheirOwn) {
  ServerConfig config = ParseOrDie(
      "models:\n- {name: a, path: a}\n- {name: b, path: b, engine: {max_sequences: 64}}\n");
  config.models.emplace_back();  // one that a flag added
  ASSERT_TRUE(SetConfigField(&config, "engine.max_sequences", "5").ok());
  EXPECT_EQ(config.engine.max_sequences, 5);
  EXPECT_EQ(config.models[0].engine.max_sequences, 5);
  EXPECT_EQ(config.models[1].engine.max_sequences, 64);
  EXPECT_EQ(config.models[2].engine.max_sequences, 5);
}

TEST(ConfigTest, RelativePathsAreRelativeToTheFile) {
  const std::string yaml =
      "grpc: {tls_cert: c.pem, tls_key: /k.pem}\nmodels: [{name: a, path: m/a.gguf}]\n";
  auto config = ParseConfig(yaml, "/etc/quantd/q.yaml");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->models[0].path, "/etc/quantd/m/a.gguf");
  EXPECT_EQ(config->grpc.tls_cert, "/etc/quantd/c.pem");
  EXPECT_EQ(config->grpc.tls_key, "/k.pem");
  EXPECT_EQ(config->grpc.tls_client_ca, "");
  EXPECT_EQ(ParseConfig(yaml, "q.yaml")->models[0].path, "m/a.gguf");
  ServerConfig flags;
  ASSERT_TRUE(SetConfigField(&flags, "grpc.tls_cert", "c.pem").ok());
  EXPECT_EQ(flags.grpc.tls_cert, "c.pem");
}

// ---- Errors ----

TEST(ConfigErrorTest, NamesFileLineColumnAndField) {
  EXPECT_EQ(ErrorOf("grpc:\n  address: x\n"),
            "q.yaml:2:12: grpc.address: 'x' has no port; write HOST:PORT");
  EXPECT_THAT(ErrorOf("log:\n  level: info\n  colour: red\n"),
              StartsWith("q.yaml:3:3: log.colour: unknown key; known here: level, format"));
  EXPECT_THAT(ErrorOf("\n\nlogs: {}\n"),
              StartsWith("q.yaml:3:1: logs: unknown key; known here: grpc, "));
  EXPECT_THAT(ErrorOf("log: {level: info}\nlog: {format: text}\n"),
              StartsWith("q.yaml:2:1: log: duplicate key"));
  EXPECT_THAT(ErrorOf("log:\n  level: info\n  level: warn\n"),
              StartsWith("q.yaml:3:3: level: duplicate key"));
  EXPECT_THAT(ErrorOf("models:\n  - name: a\n    path: b\n    engine:\n      x: 1\n"),
              StartsWith("q.yaml:5:7: models[0].engine.x: unknown key"));
}

TEST(ConfigErrorTest, WrongTypes) {
  const std::pair<const char*, const char*> cases[] = {
      {"grpc: {reflection: yes}", "grpc.reflection: 'yes' is neither true nor false"},
      {"grpc: {reflection: True}", "neither true nor false"},
      {"grpc: {reflection: 1}", "neither true nor false"},
      {"grpc: {reflection: 'true'}", "grpc.reflection: is a string; write the bool unquoted"},
      {"runtime: {threads: 1e3}", "runtime.threads: '1e3' is no whole number"},
      {"runtime: {threads: 0x10}", "'0x10' is no whole number"},
      {"runtime: {threads: 1_0}", "is no whole number"},
      {"runtime: {threads: 2.0}", "is no whole number"},
      {"runtime: {threads: +2}", "is no whole number"},
      {"runtime: {threads: '2'}", "is a string"},
      {"runtime: {threads: two}", "is no whole number"},
      {"runtime: {threads: 99999999999999999999}", "too large"},
      {"runtime: {threads: [1]}", "must be one value (int)"},
      {"runtime: {threads: {}}", "must be one value (int)"},
      {"runtime: {threads: }", "has no value"},
      {"runtime: {threads: ~}", "has no value"},
      {"runtime: [threads]", "runtime: must be a map"},
      {"runtime: 5", "runtime: must be a map"},
      {"shutdown: {drain: 30}", "'30' is no duration"},
      {"shutdown: {drain: 1.5s}", "is no duration"},
      {"shutdown: {drain: -1s}", "is no duration"},
      {"shutdown: {drain: inf}", "is no duration"},
      {"shutdown: {drain: 9223372036854775807h}", "too large"},
      {"grpc: {max_receive_bytes: 16MB}", "'16MB' is no size"},
      {"grpc: {max_receive_bytes: 16 MiB}", "is no size"},
      {"grpc: {max_receive_bytes: -1}", "is no size"},
      {"grpc: {max_receive_bytes: 9223372036854775807TiB}", "too large"},
      {"[1, 2]", "the file: must be a map"},
      {"just text", "the file: must be a map"},
      {"models: {name: a}", "models: must be a list"},
      {"models: [a]", "models[0]: must be a map"},
      {"? [a]\n: b", "a key must be a name"},
      {"? {a: b}\n: b", "a key must be a name"},
      {"~: b", "a key must be a name"},
  };
  for (const auto& [yaml, message] : cases) EXPECT_THAT(ErrorOf(yaml), HasSubstr(message));
}

TEST(ConfigErrorTest, OutOfRangeValues) {
  const std::pair<const char*, const char*> cases[] = {
      {"runtime: {threads: -1}", "runtime.threads: -1 is not within 0 to 1024"},
      {"runtime: {threads: 1025}", "is not within 0 to 1024"},
      {"runtime: {tokenizer_threads: 0}", "is not within 1 to 256"},
      {"runtime: {numa: all}", "runtime.numa: 'all' is neither none, interleave nor a node"},
      {"runtime: {numa: -1}", "'-1' is neither"},
      {"runtime: {huge_pages: always}", "'always' is none of auto, on, off"},
      {"grpc: {max_receive_bytes: 1023}", "is not within 1KiB to 1GiB"},
      {"grpc: {max_receive_bytes: 1073741825}", "is not within 1KiB to 1GiB"},
      {"shutdown: {drain: 25h}", "25h is not within 0 to 24h"},
      {"grpc: {address: 'localhost:0x1FFFF'}", "port that is not 0 to 65535"},
      {"grpc: {address: 'localhost:131071'}", "port that is not 0 to 65535"},
      {"grpc: {address: ''}", "has no port"},
      {"log: {level: loud}", "'loud' is none of debug, info, warn, error"},
      {"log: {format: xml}", "'xml' is none of text, json"},
      {"runtime: {force_isa: 'a b'}", "is no name"},
      {"models: [{name: 'a b', path: x}]", "models[0].name: 'a b' must be 1 to 128"},
      {"models: [{name: a, path: ''}]", "models[0].path: must not be empty"},
      {"models: [{name: a}]", "models[0].path: is missing"},
      {"models: [{path: a}]", "models[0].name: is missing"},
      {"models: [{name: a, path: x, kv_type: f8}]", "'f8' is none of auto, f32, f16, bf16, int8"},
      {"models: [{name: a, path: x, max_context: 2147483648}]", "is not within 0 to 2147483647"},
      {"models: [{name: a, path: x}, {name: a, path: y}]",
       "q.yaml:1:37: models[1].name: 'a' is the name of another"},
  };
  for (const auto& [yaml, message] : cases) EXPECT_THAT(ErrorOf(yaml), HasSubstr(message));
}

TEST(ConfigErrorTest, LimitsThemselvesAreAccepted) {
  for (const char* yaml : {"runtime: {threads: 1024}", "grpc: {max_receive_bytes: 1GiB}",
                           "grpc: {max_receive_bytes: 1024}", "shutdown: {drain: 24h}",
                           "grpc: {address: 'x:65535'}", "grpc: {address: 'x:0'}"}) {
    EXPECT_TRUE(ParseConfig(yaml, "q.yaml").ok()) << yaml;
  }
}

TEST(ConfigErrorTest, HostileFiles) {
  std::string bomb = "a: &a [x, x]\n";
  for (char c = 'b'; c < 'm'; ++c) {
    absl::StrAppend(&bomb, std::string(1, c), ": &", std::string(1, c), " [*",
                    std::string(1, c - 1), ", *", std::string(1, c - 1), "]\n");
  }
  EXPECT_EQ(ErrorOf(bomb), "q.yaml:1:4: anchors are not supported; write the value out");
  EXPECT_THAT(ErrorOf("log: *x\n"), StartsWith("q.yaml:1:"));
  EXPECT_THAT(ErrorOf(std::string(10000, '[')), StartsWith("q.yaml:1:"));
  EXPECT_THAT(ErrorOf(std::string(10000, '{')), StartsWith("q.yaml:1:"));
  EXPECT_THAT(ErrorOf(std::string(10000, '[') + std::string(10000, ']')),
              HasSubstr("nested deeper than 16 levels"));
  std::string nested;
  for (int i = 0; i < 5000; ++i) nested += std::string(i % 100, ' ') + "- \n";
  EXPECT_FALSE(ParseConfig(nested, "q.yaml").ok());
  EXPECT_THAT(ErrorOf(std::string("log:\n  level: a\0b", 17)),
              HasSubstr("q.yaml:2:11: NUL or another control character"));
  EXPECT_THAT(ErrorOf("\xEF\xBB\xBFlog: {}\n"), HasSubstr("q.yaml:1:1: starts with a byte order"));
  EXPECT_THAT(ErrorOf("\xFF\xFEl\n"), HasSubstr("invalid UTF-8"));
  EXPECT_THAT(ErrorOf("log:\n  level: \xC3\x28\n"), HasSubstr("q.yaml:2:10: invalid UTF-8"));
  EXPECT_THAT(ErrorOf("# \xED\xA0\x80\n"), HasSubstr("q.yaml:1:3: invalid UTF-8"));
  EXPECT_THAT(ErrorOf(std::string((1 << 20) + 1, '#')), HasSubstr("larger than 1048576 bytes"));
  EXPECT_TRUE(ParseConfig(std::string(1 << 20, '#'), "q.yaml").ok());
  EXPECT_THAT(ErrorOf("log: {}\n---\nlog: {}\n"), HasSubstr("a second document"));
  EXPECT_THAT(ErrorOf("log: !!python/object {}\n"), HasSubstr("tags are not supported"));
  EXPECT_THAT(ErrorOf("log: {level: !!str info}\n"), HasSubstr("tags are not supported"));
  EXPECT_THAT(ErrorOf("log: {level: \"in"), StartsWith("q.yaml:1:"));
  EXPECT_THAT(ErrorOf("log:\n\tlevel: info\n"), StartsWith("q.yaml:2:"));
  EXPECT_THAT(ErrorOf("%YAML 3.0\n---\nlog: {}\n"), StartsWith("q.yaml:1:"));
  EXPECT_THAT(ErrorOf("<<: {log: {}}\n"), HasSubstr("<<: unknown key"));
  EXPECT_LT(ErrorOf(std::string(100000, 'k') + ": 1\n").size(), 400u);
  EXPECT_LT(ErrorOf("log: {level: " + std::string(100000, 'v') + "}\n").size(), 400u);
}

TEST(ConfigErrorTest, FilesThatCannotBeRead) {
  const std::string folder = ::testing::TempDir();
  EXPECT_EQ(LoadConfig(folder + "/quantd_none.yaml").status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(LoadConfig(folder).status().code(), absl::StatusCode::kInvalidArgument);
  const std::string fifo = absl::StrCat(folder, "/quantd_config_fifo_", getpid());
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  EXPECT_EQ(LoadConfig(fifo).status().code(), absl::StatusCode::kInvalidArgument);
  unlink(fifo.c_str());
  const std::string large = absl::StrCat(folder, "/quantd_config_large_", getpid());
  std::ofstream(large) << std::string(3 << 20, '#');
  EXPECT_THAT(std::string(LoadConfig(large).status().message()), HasSubstr("larger than"));
  std::filesystem::remove(large);
}

// ---- Flags ----

TEST(SetConfigFieldTest, SaysWhichFieldAndWhy) {
  ServerConfig config;
  EXPECT_EQ(SetConfigField(&config, "grpc.nothing", "1").message(),
            "grpc.nothing: no such configuration field");
  EXPECT_EQ(SetConfigField(&config, "engine.", "1").code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(SetConfigField(&config, "runtime.threads", "9999").message(),
            "runtime.threads: 9999 is not within 0 to 1024");
  EXPECT_EQ(SetConfigField(&config, "runtime.threads", "").code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(SetConfigField(&config, "grpc.tls_key", std::string("a\0b", 3)).code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(config.runtime.threads, 0);
}

TEST(SetConfigFieldTest, FlagNames) {
  EXPECT_EQ(ConfigFlag("grpc.max_receive_bytes"), "--grpc-max-receive-bytes");
  std::set<std::string> flags;
  for (const ConfigField& field : ConfigFields()) {
    EXPECT_TRUE(flags.insert(ConfigFlag(field.path)).second) << field.path;
  }
}

// ---- Checks between fields ----

TEST(ValidateConfigTest, ChecksFieldsTogether) {
  const auto error = [](auto change) {
    ServerConfig config;
    change(config);
    return std::string(ValidateConfig(config).message());
  };
  EXPECT_EQ(error([](ServerConfig&) {}), "");
  EXPECT_THAT(error([](ServerConfig& c) { c.grpc.tls_key = "k"; }), HasSubstr("grpc.tls_cert"));
  EXPECT_THAT(error([](ServerConfig& c) { c.grpc.tls_cert = "k"; }), HasSubstr("grpc.tls_key"));
  EXPECT_THAT(error([](ServerConfig& c) { c.grpc.tls_client_ca = "k"; }),
              HasSubstr("grpc.tls_client_ca"));
  EXPECT_THAT(error([](ServerConfig& c) { c.http.address = c.grpc.address; }),
              HasSubstr("http.address"));
  EXPECT_EQ(error([](ServerConfig& c) { c.http.address = c.grpc.address = "x:0"; }), "");
  EXPECT_THAT(error([](ServerConfig& c) {
                c.models.resize(2);
                c.models[0].name = c.models[1].name = "a";
                c.models[0].path = c.models[1].path = "b";
              }),
              HasSubstr("models[1].name: 'a'"));
  EXPECT_THAT(error([](ServerConfig& c) {
                c.models.resize(1);
                c.models[0].name = "a";
              }),
              HasSubstr("models[0].path"));
  EXPECT_THAT(error([](ServerConfig& c) {
                c.models.resize(1);
                c.models[0].name = "a";
                c.models[0].path = "b";
                c.models[0].engine.step_token_budget = 63;
              }),
              HasSubstr("models[0].step_token_budget"));
}

// ---- Every field ----

// A value of the field that is not its default.
std::string OtherValue(const ConfigField& field) {
  static const std::map<std::string, std::string> strings = {{"grpc.address", "example.org:1"},
                                                             {"http.address", "example.org:2"},
                                                             {"log.level", "error"},
                                                             {"log.format", "json"},
                                                             {"runtime.tuning_cache", "read-only"},
                                                             {"runtime.numa", "interleave"},
                                                             {"runtime.huge_pages", "off"},
                                                             {"runtime.pin_threads", "true"},
                                                             {"name", "some-model"},
                                                             {"kv_type", "f32"}};
  const auto known = strings.find(field.path);
  if (known != strings.end()) return known->second;
  if (field.type == "string") return "/some/value";
  if (field.type == "int") return "77";
  if (field.type == "bytes") return "5MiB";
  if (field.type == "duration") return "7s";
  return "false";
}

std::string ValidString(const ConfigField& field) {
  return field.path == "runtime.force_isa" || field.path == "runtime.force_kernel"
             ? "avx2"
             : OtherValue(field);
}

TEST(EveryFieldTest, IsSettableByFileAndByFlagWithTheSameResult) {
  for (const ConfigField& field : ConfigFields()) {
    const std::string value = ValidString(field);
    const std::vector<std::string> parts = absl::StrSplit(field.path, '.');
    ASSERT_EQ(parts.size(), 2u) << field.path;
    const ServerConfig file = ParseOrDie(absl::StrCat(parts[0], ":\n  ", parts[1], ": ", value));
    ServerConfig flag;
    ASSERT_NE(GetConfigField(flag, field.path), value) << field.path;
    ASSERT_TRUE(SetConfigField(&flag, field.path, value).ok()) << field.path;
    EXPECT_EQ(GetConfigField(file, field.path), value);
    EXPECT_EQ(GetConfigField(flag, field.path), value);
    for (const ConfigField& other : ConfigFields()) {
      if (other.path == field.path) continue;
      EXPECT_EQ(GetConfigField(file, other.path), GetConfigField(ServerConfig(), other.path));
    }
  }
}

TEST(EveryFieldTest, DefaultsReadBackAsThemselves) {
  for (const ConfigField& field : ConfigFields()) {
    ServerConfig config;
    const std::string text = GetConfigField(config, field.path);
    EXPECT_TRUE(SetConfigField(&config, field.path, text).ok()) << field.path << " " << text;
    EXPECT_EQ(GetConfigField(config, field.path), text);
  }
}

// A member more or less in a struct does not compile here: give it a row in
// server/config_table.cc and a line in config/quantd.yaml, and then a name here.
TEST(EveryFieldTest, TheTableHasAllMembersOfTheStructs) {
  const ServerConfig config;
  [[maybe_unused]] const auto& [grpc, http, log, runtime, shutdown, engine, models, overrides] =
      config;
  [[maybe_unused]] const auto& [address, receive, streams, age, keepalive, buffer, reflection, cert,
                                key, ca, token] = grpc;
  [[maybe_unused]] const auto& [http_address] = http;
  [[maybe_unused]] const auto& [level, format] = log;
  [[maybe_unused]] const auto& [threads, placement, isa, kernel, memory, tokenizers, calibrate,
                                cache, folder] = runtime;
  [[maybe_unused]] const auto& [pin, numa, huge_pages] = placement;
  [[maybe_unused]] const auto& [drain] = shutdown;
  [[maybe_unused]] const auto& [sequences, budget, requests, tokens, prefix, watchdog] = engine;
  EXPECT_EQ(ConfigFields().size(), 11u + 1u + 2u + 11u + 1u + 6u);
  const ModelSpec model;
  [[maybe_unused]] const auto& [name, path, context, kv_bytes, kv_type, chat_template,
                                model_engine] = model;
  EXPECT_EQ(ModelConfigFields().size(), 6u);
}

// Comment text above each key of config/quantd.yaml, joined, by "section.key" or "models.key".
struct DocumentedFile {
  std::map<std::string, std::string> comments, values;
};
DocumentedFile ReadDocumentedFile(const std::string& path) {
  DocumentedFile result;
  std::string section, comment;
  for (absl::string_view line : absl::StrSplit(ReadFileOrDie(path), '\n')) {
    const absl::string_view text = absl::StripAsciiWhitespace(line);
    if (text.empty()) {
      comment.clear();
    } else if (text[0] == '#') {
      absl::StrAppend(&comment, comment.empty() ? "" : " ",
                      absl::StripAsciiWhitespace(text.substr(1)));
    } else {
      const std::vector<std::string> parts =
          absl::StrSplit(absl::StripPrefix(text, "- "), absl::MaxSplits(':', 1));
      if (line[0] != ' ') {
        section = parts[0];
      } else {
        const std::string key = absl::StrCat(section, ".", parts[0]);
        result.comments[key] = comment;
        result.values[key] = std::string(absl::StripAsciiWhitespace(parts[1]));
      }
      comment.clear();
    }
  }
  return result;
}

TEST(EveryFieldTest, IsDocumentedAndInTheExampleFileWithItsDefault) {
  const std::string path = SourcePath("config/quantd.yaml");
  const DocumentedFile file = ReadDocumentedFile(path);
  const auto config = LoadConfig(path);
  ASSERT_TRUE(config.ok()) << config.status();
  for (const ConfigField& field : ConfigFields()) {
    ASSERT_EQ(file.comments.count(field.path), 1u) << field.path << " is not in " << path;
    EXPECT_EQ(file.comments.at(field.path), field.help);
    EXPECT_GT(field.help.size(), 30u);
    EXPECT_EQ(GetConfigField(*config, field.path), GetConfigField(ServerConfig(), field.path));
  }
  for (const ConfigField& field : ModelConfigFields()) {
    const std::string key = "models." + field.path;
    ASSERT_EQ(file.comments.count(key), 1u) << key << " is not in " << path;
    EXPECT_EQ(file.comments.at(key), field.help);
  }
  EXPECT_EQ(file.comments.count("models.engine"), 1u);
  EXPECT_EQ(file.comments.size(), ConfigFields().size() + ModelConfigFields().size() + 1);
}

TEST(ExampleFileTest, ServesTheBundledModelOnThisMachineOnly) {
  const auto config = LoadConfig(SourcePath("config/quantd.yaml"));
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_TRUE(ValidateConfig(*config).ok());
  ASSERT_EQ(config->models.size(), 1u);
  EXPECT_TRUE(std::filesystem::exists(config->models[0].path)) << config->models[0].path;
  EXPECT_TRUE(absl::StartsWith(config->grpc.address, "127.0.0.1:"));
  EXPECT_TRUE(absl::StartsWith(config->http.address, "127.0.0.1:"));
}

// ---- Helpers ----

TEST(ScalarTextTest, UnitsAreExact) {
  EXPECT_EQ(*ParseByteSize("0"), 0);
  EXPECT_EQ(*ParseByteSize("1B"), 1);
  EXPECT_EQ(*ParseByteSize("3KiB"), 3072);
  EXPECT_EQ(*ParseByteSize("8388607TiB"), 8388607 * (int64_t{1} << 40));
  EXPECT_FALSE(ParseByteSize("8388608TiB").ok());
  EXPECT_EQ(*ParseByteSize("9223372036854775807"), 9223372036854775807);
  EXPECT_FALSE(ParseByteSize("9223372036854775808").ok());
  EXPECT_EQ(FormatByteSize(1536), "1536B");
  EXPECT_EQ(FormatByteSize(2048), "2KiB");
  EXPECT_EQ(FormatByteSize(0), "0");
  EXPECT_EQ(*ParseSpan("90000ms"), absl::Seconds(90));
  EXPECT_EQ(FormatSpan(absl::Seconds(90)), "90s");
  EXPECT_EQ(FormatSpan(absl::Hours(48)), "48h");
  for (const char* text : {"", "s", "1 s", " 1s", "1S", "1us", "1m30s", "0x1s"}) {
    EXPECT_FALSE(ParseSpan(text).ok()) << text;
  }
  for (const char* text : {"", "KiB", "1kib", "1K", "1 KiB", "1.5MiB", "-1KiB"}) {
    EXPECT_FALSE(ParseByteSize(text).ok()) << text;
  }
  EXPECT_EQ(*ParseWholeNumber("-9223372036854775808"), std::numeric_limits<int64_t>::min());
  EXPECT_FALSE(ParseWholeNumber("-").ok());
  EXPECT_FALSE(ParseWholeNumber("--1").ok());
}

TEST(YamlReaderTest, KeepsOrderPositionsAndQuoting) {
  const auto root = ReadYaml("b: \"1\"\na:\n  - x\n  - |\n    two\n", "f");
  ASSERT_TRUE(root.ok()) << root.status();
  ASSERT_EQ(root->members.size(), 2u);
  EXPECT_EQ(root->members[0].key, "b");
  EXPECT_TRUE(root->members[0].value.quoted);
  EXPECT_EQ(root->members[0].value.at.column, 4);
  const YamlNode& list = root->members[1].value;
  ASSERT_EQ(list.items.size(), 2u);
  EXPECT_EQ(list.items[0].text, "x");
  EXPECT_FALSE(list.items[0].quoted);
  EXPECT_EQ(list.items[0].at.line, 3);
  EXPECT_EQ(list.items[1].text, "two\n");
}

TEST(YamlReaderTest, DepthLimitIsExact) {
  EXPECT_TRUE(ReadYaml(std::string(16, '[') + std::string(16, ']'), "f").ok());
  EXPECT_FALSE(ReadYaml(std::string(17, '[') + std::string(17, ']'), "f").ok());
}

// Every prefix and every one-byte corruption of a valid file ends in a value or a Status.
TEST(YamlReaderTest, DamagedFilesNeverCrash) {
  const std::string good = ReadFileOrDie(SourcePath("config/quantd.yaml"));
  for (size_t length = 0; length < good.size(); length += 13) {
    (void)ParseConfig(good.substr(0, length), "f");
  }
  const std::string hostile = "{}[]&*!|>'\"%@`:,?-#\n\t\0\xFF";
  for (size_t i = 0; i < good.size(); i += 29) {
    std::string damaged = good;
    damaged[i] = hostile[i % hostile.size()];
    const auto config = ParseConfig(damaged, "f");
    const std::string message(config.status().message());
    EXPECT_TRUE(config.ok() || absl::StartsWith(message, "f:")) << message;
  }
}

}  // namespace
}  // namespace quantd
