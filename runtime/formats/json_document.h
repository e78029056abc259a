#ifndef QUANTD_RUNTIME_FORMATS_JSON_DOCUMENT_H_
#define QUANTD_RUNTIME_FORMATS_JSON_DOCUMENT_H_

#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "nlohmann/json_fwd.hpp"
#include "runtime/formats/json_events.h"

namespace quantd {

class JsonDocument;

/// A value of a JsonDocument, with typed access that never fails silently. A view: cheap to copy,
/// valid as long as its document. Errors are DATA_LOSS "PATH: a.b[2]: what", naming the value's
/// place in the file, what was expected and what is there.
class JsonValue {
 public:
  bool is_null() const;
  bool is_object() const;
  bool is_array() const;
  bool is_string() const;
  bool is_bool() const;
  bool is_integer() const;

  absl::StatusOr<bool> Bool() const;
  /// An integer within [min, max]. A float such as 1e3 is none.
  absl::StatusOr<int64_t> Int(int64_t min, int64_t max) const;
  /// A number, integer or float, within [min, max].
  absl::StatusOr<double> Number(double min, double max) const;
  /// UTF-8, a view into the document.
  absl::StatusOr<absl::string_view> String() const;
  absl::StatusOr<std::vector<JsonValue>> Elements() const;
  absl::StatusOr<std::vector<std::string>> Strings() const;
  /// The members of an object, ordered by key.
  absl::StatusOr<std::vector<std::pair<absl::string_view, JsonValue>>> Members() const;

  /// The member of an object; none if it is absent or null, which mean the same in the files that
  /// are read with this. Error when this is no object.
  absl::StatusOr<std::optional<JsonValue>> Find(absl::string_view key) const;
  /// As Find, but the member must be there.
  absl::StatusOr<JsonValue> At(absl::string_view key) const;

  // Members by type: the default when absent or null.
  absl::StatusOr<bool> Bool(absl::string_view key, bool otherwise) const;
  absl::StatusOr<int64_t> Int(absl::string_view key, int64_t otherwise, int64_t min,
                              int64_t max = std::numeric_limits<int64_t>::max()) const;
  absl::StatusOr<double> Number(absl::string_view key, double otherwise, double min,
                                double max) const;
  absl::StatusOr<std::string> String(absl::string_view key, absl::string_view otherwise) const;
  absl::StatusOr<std::vector<std::string>> Strings(absl::string_view key) const;  ///< or empty

  /// "a.b[2]", for messages.
  std::string Place() const;
  absl::Status Error(absl::string_view what) const;
  /// UNIMPLEMENTED instead: valid, but this build cannot do it.
  absl::Status Unsupported(absl::string_view what) const;

 private:
  friend class JsonDocument;
  JsonValue(const JsonDocument* document, const nlohmann::json* node)
      : document_(document), node_(node) {}
  absl::Status WrongType(absl::string_view expected) const;

  const JsonDocument* document_;
  const nlohmann::json* node_;
};

/// A value that is too large for the tree. Its events go to `handler`, and the tree has null in its
/// place.
struct JsonDetour {
  std::vector<std::string> keys;  ///< the way to it from the top level, through objects
  JsonHandler* handler;           ///< outlives the reading
};

/// A JSON file in memory. Immutable, thread-safe.
class JsonDocument {
 public:
  /// Reads the file at `path`, at most `max_bytes` of it: in memory it takes up to some twenty
  /// times its size. Errors: those of MappedFile::Open; DATA_LOSS when it is longer, is no JSON
  /// (see ReadJsonEvents), or has an object with a key twice.
  static absl::StatusOr<std::unique_ptr<JsonDocument>> Open(
      const std::string& path, uint64_t max_bytes, absl::Span<const JsonDetour> detours = {});
  /// Reads a text. `name` stands for the path.
  static absl::StatusOr<std::unique_ptr<JsonDocument>> Parse(
      absl::string_view text, const std::string& name, absl::Span<const JsonDetour> detours = {});
  ~JsonDocument();
  JsonDocument(const JsonDocument&) = delete;
  JsonDocument& operator=(const JsonDocument&) = delete;

  const std::string& path() const { return path_; }
  JsonValue root() const;

 private:
  friend class JsonValue;
  explicit JsonDocument(std::string path);

  const std::string path_;
  const std::unique_ptr<nlohmann::json> root_;
};

}  // namespace quantd

#endif  // QUANTD_RUNTIME_FORMATS_JSON_DOCUMENT_H_
