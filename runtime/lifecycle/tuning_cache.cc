#include "runtime/lifecycle/tuning_cache.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <iterator>
#include <optional>
#include <system_error>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "kernels/base/status_macros.h"
#include "kernels/gemm/kernel_table.h"
#include "kernels/gemm/rows32.h"
#include "nlohmann/json.hpp"
#include "runtime/formats/json_document.h"

namespace quantd {
namespace {

constexpr int64_t kFileVersion = 1;
constexpr char kVersionKey[] = "quantd_tuning";
constexpr uint64_t kMostFileBytes = 1 << 20;
constexpr int64_t kMost = int64_t{1} << 53;

// FNV-1a, 64 bits.
std::string Hash(const std::string& text) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (const char c : text) hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001b3u;
  return absl::StrCat(absl::Hex(hash, absl::kZeroPad16));
}

std::string TableHash() {
  std::string text = __VERSION__;
  for (const int64_t m : kMeasuredM) absl::StrAppend(&text, " ", m);
  for (const GemmKernel& kernel : GemmTable()) {
    absl::StrAppend(&text, ";", kernel.name, " ", kernel.min_m, " ", kernel.max_m);
  }
  return Hash(text);
}

nlohmann::ordered_json KeyJson(const TuningKey& key) {
  return {{"version", key.version},  {"table", key.table},     {"cpu", key.cpu},
          {"isas", key.isas},        {"threads", key.threads}, {"l2_bytes", key.l2_bytes},
          {"l3_bytes", key.l3_bytes}};
}

absl::StatusOr<TuningKey> ReadKey(const JsonValue& value) {
  TuningKey key;
  QUANTD_ASSIGN_OR_RETURN(key.version, value.String("version", ""));
  QUANTD_ASSIGN_OR_RETURN(key.table, value.String("table", ""));
  QUANTD_ASSIGN_OR_RETURN(key.cpu, value.String("cpu", ""));
  QUANTD_ASSIGN_OR_RETURN(key.isas, value.String("isas", ""));
  QUANTD_ASSIGN_OR_RETURN(key.threads, value.Int("threads", 0, 0, kMost));
  QUANTD_ASSIGN_OR_RETURN(key.l2_bytes, value.Int("l2_bytes", 0, 0, kMost));
  QUANTD_ASSIGN_OR_RETURN(key.l3_bytes, value.Int("l3_bytes", 0, 0, kMost));
  return key;
}

// A member of the list of choices: {"format", "m", "kernel"}.
absl::Status ReadChoice(const JsonValue& value, MeasuredChoices* choices) {
  QUANTD_ASSIGN_OR_RETURN(const JsonValue m_value, value.At("m"));
  QUANTD_ASSIGN_OR_RETURN(const int64_t m, m_value.Int(1, kMost));
  if (std::find(std::begin(kMeasuredM), std::end(kMeasuredM), m) == std::end(kMeasuredM)) {
    return m_value.Error(absl::StrCat(m, " is none of ", absl::StrJoin(kMeasuredM, ", ")));
  }
  QUANTD_ASSIGN_OR_RETURN(const JsonValue format_value, value.At("format"));
  QUANTD_ASSIGN_OR_RETURN(const absl::string_view format, format_value.String());
  QUANTD_ASSIGN_OR_RETURN(const JsonValue kernel_value, value.At("kernel"));
  QUANTD_ASSIGN_OR_RETURN(const absl::string_view name, kernel_value.String());
  for (const GemmKernel& kernel : GemmTable()) {
    if (kernel.name != name || kernel.format != format || !kernel.TakesM(m)) continue;
    (*choices)[{kernel.packed, kernel.layout, m}] = kernel.name;
    return absl::OkStatus();
  }
  return kernel_value.Error(absl::StrCat("no kernel of its format that takes m = ", m));
}

absl::Status FileError(const std::string& path, const char* what, int error) {
  return absl::ErrnoToStatus(error, absl::StrCat(path, ": cannot ", what));
}

absl::Status WriteAll(int fd, const std::string& text, const std::string& path) {
  for (size_t at = 0; at < text.size();) {
    const ssize_t written = write(fd, text.data() + at, text.size() - at);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return FileError(path, "write", errno);
    at += static_cast<size_t>(written);
  }
  return absl::OkStatus();
}

}  // namespace

TuningKey MakeTuningKey(const std::string& version, const Hardware& hardware, uint32_t isas,
                        int threads) {
  std::vector<std::string> names;
  for (const IsaInfo& isa : Isas()) {
    if ((isas & IsaBit(isa.isa)) != 0) names.emplace_back(isa.name);
  }
  return {version, TableHash(),       hardware.cpu_name, absl::StrJoin(names, ","),
          threads, hardware.l2_bytes, hardware.l3_bytes};
}

std::string TuningFileName(const TuningKey& key) {
  return absl::StrCat("gemm-",
                      Hash(KeyJson(key).dump(-1, ' ', /*ensure_ascii=*/true,
                                             nlohmann::json::error_handler_t::replace)),
                      ".json");
}

std::string DefaultTuningFolder() {
  const auto variable = [](const char* name) {
    const char* const value = std::getenv(name);
    return std::string(value == nullptr ? "" : value);
  };
  if (const std::string cache = variable("XDG_CACHE_HOME"); !cache.empty()) {
    return cache + "/quantd";
  }
  if (const std::string home = variable("HOME"); !home.empty()) return home + "/.cache/quantd";
  return "/var/cache/quantd";
}

absl::StatusOr<MeasuredChoices> ReadTuning(const std::string& path, const TuningKey& key) {
  QUANTD_ASSIGN_OR_RETURN(const auto document, JsonDocument::Open(path, kMostFileBytes));
  const JsonValue root = document->root();
  QUANTD_ASSIGN_OR_RETURN(const JsonValue version_value, root.At(kVersionKey));
  QUANTD_ASSIGN_OR_RETURN(const int64_t version, version_value.Int(0, kMost));
  const auto foreign = [&] {
    return absl::NotFoundError(absl::StrCat(path, ": written by another version or machine"));
  };
  if (version != kFileVersion) return foreign();
  QUANTD_ASSIGN_OR_RETURN(const JsonValue key_value, root.At("key"));
  QUANTD_ASSIGN_OR_RETURN(const TuningKey written_for, ReadKey(key_value));
  if (written_for != key) return foreign();
  QUANTD_ASSIGN_OR_RETURN(const JsonValue list, root.At("choices"));
  QUANTD_ASSIGN_OR_RETURN(const std::vector<JsonValue> elements, list.Elements());
  MeasuredChoices choices;
  for (const JsonValue& element : elements) {
    QUANTD_RETURN_IF_ERROR(ReadChoice(element, &choices));
  }
  return choices;
}

absl::Status WriteTuning(const std::string& path, const TuningKey& key,
                         const MeasuredChoices& choices) {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const auto& [point, kernel] : choices) {
    list.push_back({{"format", EntryOf(point.packed).name}, {"m", point.m}, {"kernel", kernel}});
  }
  const nlohmann::ordered_json file = {
      {kVersionKey, kFileVersion}, {"key", KeyJson(key)}, {"choices", list}};
  const std::string text =
      file.dump(1, ' ', /*ensure_ascii=*/true, nlohmann::json::error_handler_t::replace) + "\n";

  std::error_code folder_error;
  std::filesystem::create_directories(std::filesystem::path(path).parent_path(), folder_error);
  if (folder_error) return FileError(path, "make its folder", folder_error.value());
  std::string temporary = path + ".XXXXXX";
  const int fd = mkostemp(temporary.data(), O_CLOEXEC);
  if (fd < 0) return FileError(temporary, "create", errno);
  absl::Status status = WriteAll(fd, text, temporary);
  if (close(fd) != 0) status.Update(FileError(temporary, "close", errno));
  if (status.ok() && rename(temporary.c_str(), path.c_str()) != 0) {
    status = FileError(path, "replace", errno);
  }
  if (!status.ok()) unlink(temporary.c_str());
  return status;
}

}  // namespace quantd
