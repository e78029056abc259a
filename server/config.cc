#include "server/config.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "kernels/base/status_macros.h"
#include "runtime/lifecycle/load_plan.h"
#include "server/config_table.h"
#include "server/host_port.h"
#include "server/yaml_reader.h"

namespace quantd {
namespace {

constexpr char kEnginePrefix[] = "engine.";
constexpr size_t kShownBytes = 64;  // of a wrong key in an error

template <typename Owner>
const FieldRow<Owner>* FindRow(const std::vector<FieldRow<Owner>>& rows, absl::string_view path) {
  const auto row = std::find_if(rows.begin(), rows.end(),
                                [&](const auto& candidate) { return path == candidate.path; });
  return row == rows.end() ? nullptr : &*row;
}

std::string ResolvePath(const std::string& path, const std::string& file) {
  if (path.empty() || path[0] == '/') return path;
  const std::filesystem::path folder = std::filesystem::path(file).parent_path();
  return (folder / path).string();
}

// Fills a ServerConfig from the tree of one file. Every error has the position in the file.
class ConfigReader {
 public:
  explicit ConfigReader(std::string file) : file_(std::move(file)) {}

  absl::StatusOr<ServerConfig> Read(const YamlNode& root) {
    if (root.kind == YamlNode::Kind::kNull) return config_;
    QUANTD_RETURN_IF_ERROR(ExpectMap("the file", root));
    const YamlNode::Member* models = nullptr;
    for (const YamlNode::Member& section : root.members) {
      if (section.key == "models") {
        models = &section;  // last: models start from the engine's defaults
      } else {
        QUANTD_RETURN_IF_ERROR(ReadSection(section));
      }
    }
    if (models != nullptr) QUANTD_RETURN_IF_ERROR(ReadModels(models->value));
    return std::move(config_);
  }

 private:
  absl::Status Error(YamlPosition at, absl::string_view field, absl::string_view what) const {
    return YamlError(file_, at, absl::StrCat(field, ": ", what));
  }

  absl::Status ExpectMap(absl::string_view field, const YamlNode& node) const {
    if (node.kind == YamlNode::Kind::kMap) return absl::OkStatus();
    return Error(node.at, field, "must be a map of key: value lines");
  }

  template <typename Names>
  absl::Status UnknownKey(YamlPosition at, const std::string& field, const Names& known) const {
    return Error(at, absl::CHexEscape(absl::string_view(field).substr(0, kShownBytes)),
                 absl::StrCat("unknown key; known here: ", absl::StrJoin(known, ", ")));
  }

  // Names that may follow `prefix` in a table.
  template <typename Owner>
  static std::vector<std::string> NamesUnder(const std::vector<FieldRow<Owner>>& rows,
                                             const std::string& prefix) {
    std::vector<std::string> names;
    for (const auto& row : rows) {
      const std::string path = row.path;
      if (path.rfind(prefix, 0) == 0) names.push_back(path.substr(prefix.size()));
    }
    return names;
  }

  template <typename Owner>
  absl::Status ReadField(const FieldRow<Owner>& row, const std::string& field, const YamlNode& node,
                         Owner& owner) const {
    if (node.kind == YamlNode::Kind::kNull) {
      return Error(node.at, field, "has no value; leave the key out for the default");
    }
    const std::string type = FieldKindName(row.kind);
    if (node.kind != YamlNode::Kind::kScalar) {
      return Error(node.at, field, absl::StrCat("must be one value (", type, ")"));
    }
    if (node.quoted && type != "string") {
      return Error(node.at, field, absl::StrCat("is a string; write the ", type, " unquoted"));
    }
    const std::string text =
        row.kind == FieldKind::kPath ? ResolvePath(node.text, file_) : node.text;
    const absl::Status set = SetField(row, owner, text);
    return set.ok() ? set : Error(node.at, field, set.message());
  }

  // The keys of one map, all of which are fields of `owner`.
  template <typename Owner>
  absl::Status ReadFields(const std::vector<FieldRow<Owner>>& rows, const std::string& row_prefix,
                          const std::string& field_prefix, const YamlNode& map,
                          Owner& owner) const {
    for (const YamlNode::Member& member : map.members) {
      const auto* row = FindRow(rows, row_prefix + member.key);
      const std::string field = field_prefix + member.key;
      if (row == nullptr) return UnknownKey(member.at, field, NamesUnder(rows, row_prefix));
      QUANTD_RETURN_IF_ERROR(ReadField(*row, field, member.value, owner));
    }
    return absl::OkStatus();
  }

  absl::Status ReadSection(const YamlNode::Member& section) {
    static constexpr std::array<const char*, 7> kSections = {
        "grpc", "http", "log", "runtime", "shutdown", "engine", "models"};
    if (std::find(kSections.begin(), kSections.end(), section.key) == kSections.end()) {
      return UnknownKey(section.at, section.key, kSections);
    }
    // A section whose lines are all commented out.
    if (section.value.kind == YamlNode::Kind::kNull) return absl::OkStatus();
    QUANTD_RETURN_IF_ERROR(ExpectMap(section.key, section.value));
    const std::string prefix = section.key + ".";
    if (prefix == kEnginePrefix) {
      return ReadFields(EngineFields(), "", prefix, section.value, config_.engine);
    }
    return ReadFields(ServerFields(), prefix, prefix, section.value, config_);
  }

  absl::Status ReadModels(const YamlNode& list) {
    if (list.kind == YamlNode::Kind::kNull) return absl::OkStatus();
    if (list.kind != YamlNode::Kind::kList) {
      return Error(list.at, "models", "must be a list; start each model with '- name:'");
    }
    for (size_t i = 0; i < list.items.size(); ++i) {
      QUANTD_RETURN_IF_ERROR(ReadModel(absl::StrCat("models[", i, "]"), list.items[i]));
    }
    return absl::OkStatus();
  }

  absl::Status ReadModel(const std::string& where, const YamlNode& item) {
    QUANTD_RETURN_IF_ERROR(ExpectMap(where, item));
    ModelSpec spec;
    spec.engine = config_.engine;
    std::set<std::string> own;
    YamlPosition name_at = item.at;
    for (const YamlNode::Member& member : item.members) {
      const std::string field = absl::StrCat(where, ".", member.key);
      if (member.key == "engine") {
        QUANTD_RETURN_IF_ERROR(ReadModelEngine(field, member.value, spec, own));
        continue;
      }
      const auto* row = FindRow(ModelFields(), member.key);
      if (row == nullptr) {
        std::vector<std::string> known = NamesUnder(ModelFields(), "");
        known.push_back("engine");
        return UnknownKey(member.at, field, known);
      }
      if (member.key == "name") name_at = member.value.at;
      QUANTD_RETURN_IF_ERROR(ReadField(*row, field, member.value, spec));
    }
    for (const char* required : {"name", "path"}) {
      const bool given = std::any_of(item.members.begin(), item.members.end(),
                                     [&](const auto& member) { return member.key == required; });
      if (!given) return Error(item.at, absl::StrCat(where, ".", required), "is missing");
    }
    for (const ModelSpec& other : config_.models) {
      if (other.name == spec.name) {
        return Error(name_at, where + ".name",
                     absl::StrCat("'", spec.name, "' is the name of another model too"));
      }
    }
    config_.models.push_back(std::move(spec));
    config_.model_engine_overrides.push_back(std::move(own));
    return absl::OkStatus();
  }

  absl::Status ReadModelEngine(const std::string& field, const YamlNode& map, ModelSpec& spec,
                               std::set<std::string>& own) const {
    if (map.kind == YamlNode::Kind::kNull) return absl::OkStatus();
    QUANTD_RETURN_IF_ERROR(ExpectMap(field, map));
    QUANTD_RETURN_IF_ERROR(ReadFields(EngineFields(), "", field + ".", map, spec.engine));
    for (const YamlNode::Member& member : map.members) own.insert(member.key);
    return absl::OkStatus();
  }

  const std::string file_;
  ServerConfig config_;
};

template <typename Owner>
void AppendFields(const std::vector<FieldRow<Owner>>& rows, absl::string_view prefix,
                  std::vector<ConfigField>* fields) {
  for (const auto& row : rows) {
    fields->push_back({absl::StrCat(prefix, row.path), FieldKindName(row.kind), FieldHelp(row)});
  }
}

// The row of an engine default, from its full path; null if it is none.
const FieldRow<EngineOptions>* FindEngineRow(absl::string_view path) {
  const absl::string_view prefix = kEnginePrefix;
  if (path.substr(0, prefix.size()) != prefix) return nullptr;
  return FindRow(EngineFields(), path.substr(prefix.size()));
}

absl::Status SetEngineDefault(const FieldRow<EngineOptions>& row, const std::string& value,
                              ServerConfig* config) {
  QUANTD_RETURN_IF_ERROR(SetField(row, config->engine, value));
  for (size_t i = 0; i < config->models.size(); ++i) {
    const bool own = i < config->model_engine_overrides.size() &&
                     config->model_engine_overrides[i].count(row.path) > 0;
    if (!own) QUANTD_RETURN_IF_ERROR(SetField(row, config->models[i].engine, value));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ServerConfig> LoadConfig(const std::string& path) {
  std::error_code error;
  const auto type = std::filesystem::status(path, error).type();
  if (type == std::filesystem::file_type::not_found) {
    return absl::NotFoundError(absl::StrCat(path, ": no such file"));
  }
  if (type != std::filesystem::file_type::regular) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": not a regular file"));
  }
  std::ifstream stream(path, std::ios::binary);
  if (!stream) {
    return absl::PermissionDeniedError(absl::StrCat(path, ": ", std::strerror(errno)));
  }
  // One byte more than is allowed is enough to be refused.
  std::string text(kMaxYamlBytes + 1, '\0');
  stream.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<size_t>(stream.gcount()));
  return ParseConfig(text, path);
}

absl::StatusOr<ServerConfig> ParseConfig(const std::string& yaml, const std::string& name) {
  QUANTD_ASSIGN_OR_RETURN(const YamlNode root, ReadYaml(yaml, name));
  return ConfigReader(name).Read(root);
}

const std::vector<ConfigField>& ConfigFields() {
  static const std::vector<ConfigField>* const fields = [] {
    auto* all = new std::vector<ConfigField>;
    AppendFields(ServerFields(), "", all);
    AppendFields(EngineFields(), kEnginePrefix, all);
    return all;
  }();
  return *fields;
}

const std::vector<ConfigField>& ModelConfigFields() {
  static const std::vector<ConfigField>* const fields = [] {
    auto* all = new std::vector<ConfigField>;
    AppendFields(ModelFields(), "", all);
    return all;
  }();
  return *fields;
}

std::string ConfigFlag(const std::string& path) {
  return absl::StrCat("--", absl::StrReplaceAll(path, {{".", "-"}, {"_", "-"}}));
}

absl::Status SetConfigField(ServerConfig* config, const std::string& path,
                            const std::string& value) {
  absl::Status set;
  if (const auto* row = FindRow(ServerFields(), path)) {
    set = SetField(*row, *config, value);
  } else if (const auto* engine_row = FindEngineRow(path)) {
    set = SetEngineDefault(*engine_row, value, config);
  } else {
    set = absl::InvalidArgumentError("no such configuration field");
  }
  if (set.ok()) return set;
  return absl::InvalidArgumentError(absl::StrCat(
      absl::CHexEscape(absl::string_view(path).substr(0, kShownBytes)), ": ", set.message()));
}

std::string GetConfigField(const ServerConfig& config, const std::string& path) {
  if (const auto* row = FindRow(ServerFields(), path)) return GetField(*row, config);
  if (const auto* row = FindEngineRow(path)) return GetField(*row, config.engine);
  return "";
}

absl::Status ValidateConfig(const ServerConfig& config) {
  const auto& grpc = config.grpc;
  if (grpc.tls_cert.empty() != grpc.tls_key.empty()) {
    return absl::InvalidArgumentError(
        "grpc.tls_cert, grpc.tls_key: one without the other; give both or neither");
  }
  if (!grpc.tls_client_ca.empty() && grpc.tls_cert.empty()) {
    return absl::InvalidArgumentError("grpc.tls_client_ca: needs grpc.tls_cert and grpc.tls_key");
  }
  if (grpc.address == config.http.address) {
    QUANTD_ASSIGN_OR_RETURN(const HostPort shared, ParseHostPort(grpc.address));
    if (shared.port != 0) {
      return absl::InvalidArgumentError(absl::StrCat("http.address: ", grpc.address,
                                                     " is grpc.address too; choose another port"));
    }
  }
  std::set<std::string> names;
  for (size_t i = 0; i < config.models.size(); ++i) {
    const ModelSpec& spec = config.models[i];
    const std::string where = absl::StrCat("models[", i, "].");
    const absl::Status valid = ValidateModelSpec(spec);
    if (!valid.ok()) return absl::InvalidArgumentError(absl::StrCat(where, valid.message()));
    if (!names.insert(spec.name).second) {
      return absl::InvalidArgumentError(
          absl::StrCat(where, "name: '", spec.name, "' is the name of another model too"));
    }
  }
  return absl::OkStatus();
}

}  // namespace quantd
