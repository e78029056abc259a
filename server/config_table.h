#ifndef QUANTD_SERVER_CONFIG_TABLE_H_
#define QUANTD_SERVER_CONFIG_TABLE_H_

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "server/config.h"

namespace quantd {

/// How a field's text is read. kPath is a string that is resolved against the file's folder.
enum class FieldKind { kString, kPath, kInt, kBytes, kBool, kDuration };
const char* FieldKindName(FieldKind kind);  ///< as in ConfigField::type

/// One settable scalar of an Owner: THE description of it for the file, the flags and the help.
template <typename Owner>
struct FieldRow {
  using Ref =
      std::variant<std::string& (*)(Owner&), bool& (*)(Owner&), int32_t& (*)(Owner&),
                   int64_t& (*)(Owner&), absl::Duration& (*)(Owner&), KvChoice& (*)(Owner&)>;
  /// Why a text is no value of the field; OK if it is one.
  using Check = absl::Status (*)(const std::string& text);

  const char* path;
  FieldKind kind;
  Ref ref;
  const char* unit = "";     ///< of what is counted; "" for strings and bools
  int64_t min = 0, max = 0;  ///< of numbers; of durations in milliseconds
  Check check = nullptr;     ///< of strings
  const char* meaning;       ///< sentences, with that of 0 where it is special
};

const std::vector<FieldRow<ServerConfig>>& ServerFields();
const std::vector<FieldRow<EngineOptions>>& EngineFields();
const std::vector<FieldRow<ModelSpec>>& ModelFields();

/// Sets a field from text. INVALID_ARGUMENT saying what is wrong, without the field's name.
template <typename Owner>
absl::Status SetField(const FieldRow<Owner>& row, Owner& owner, const std::string& text);

/// A field's value in the form SetField takes.
template <typename Owner>
std::string GetField(const FieldRow<Owner>& row, const Owner& owner);

/// Meaning, unit, limits and default of a field: the comment above it in config/quantd.yaml.
template <typename Owner>
std::string FieldHelp(const FieldRow<Owner>& row);

}  // namespace quantd

#endif  // QUANTD_SERVER_CONFIG_TABLE_H_
