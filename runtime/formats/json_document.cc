#include "runtime/formats/json_document.h"

#include "absl/strings/str_cat.h"
#include "kernels/base/status_macros.h"
#include "nlohmann/json.hpp"
#include "runtime/formats/file_error.h"
#include "runtime/formats/json_events.h"
#include "runtime/formats/mapped_file.h"

namespace quantd {
namespace {

using nlohmann::json;

/// Appends the way from `node` to `wanted` to *place; false if it does not lead there. Recursion is
/// bounded by kMaxJsonDepth.
bool AppendPlace(const json& node, const json* wanted, std::string* place) {
  if (&node == wanted) return true;
  const size_t length = place->size();
  const auto step = [&](const json& child, absl::string_view name) {
    absl::StrAppend(place, name);
    if (AppendPlace(child, wanted, place)) return true;
    place->resize(length);
    return false;
  };
  if (node.is_array()) {
    for (size_t i = 0; i < node.size(); ++i) {
      if (step(node[i], absl::StrCat("[", i, "]"))) return true;
    }
  } else if (const auto* object = node.get_ptr<const json::object_t*>()) {
    for (const auto& [key, child] : *object) {
      if (step(child, absl::StrCat(length == 0 ? "" : ".", Printable(key)))) return true;
    }
  }
  return false;
}

std::string PlaceOf(const json& root, const json* node) {
  std::string place;
  AppendPlace(root, node, &place);
  constexpr size_t kLongest = 300;
  if (place.size() > kLongest) place = absl::StrCat(place.substr(0, kLongest), "...");
  return place.empty() ? "top level" : place;
}

const char* KindName(const json& node) {
  switch (node.type()) {
    case json::value_t::null:
      return "null";
    case json::value_t::boolean:
      return "a bool";
    case json::value_t::string:
      return "a string";
    case json::value_t::object:
      return "an object";
    case json::value_t::array:
      return "an array";
    case json::value_t::number_integer:
    case json::value_t::number_unsigned:
      return "an integer";
    case json::value_t::number_float:
      return "a float";
    default:
      return "nothing";
  }
}

/// Builds the tree. Used for one text.
class TreeBuilder : public JsonHandler {
 public:
  TreeBuilder(const std::string& path, absl::Span<const JsonDetour> detours, json* root)
      : path_(path), detours_(detours), root_(root), slot_(root) {}

  std::string Field() const override {
    return away_ != nullptr ? away_->Field() : PlaceOf(*root_, slot_);
  }

  absl::Status On(const JsonEvent& event) override {
    return away_ != nullptr ? OnDetour(event) : OnTree(event);
  }

 private:
  using Kind = JsonEvent::Kind;

  /// An event of the value that goes to the handler away_, up to the value's end.
  absl::Status OnDetour(const JsonEvent& event) {
    QUANTD_RETURN_IF_ERROR(away_->On(event));
    if (event.kind == Kind::kObjectBegin || event.kind == Kind::kArrayBegin) ++away_depth_;
    if (event.kind == Kind::kObjectEnd || event.kind == Kind::kArrayEnd) --away_depth_;
    if (away_depth_ == 0) away_ = nullptr;
    return absl::OkStatus();
  }

  absl::Status OnTree(const JsonEvent& event) {
    switch (event.kind) {
      case Kind::kNull:
        return Add(nullptr);
      case Kind::kBool:
        return Add(event.truth);
      case Kind::kNegative:
        return Add(event.negative);
      case Kind::kInteger:
        return Add(event.integer);
      case Kind::kFloat:
        return Add(event.number);
      case Kind::kString:
        return Add(std::string(event.text));
      case Kind::kKey:
        return AddKey(event.text);
      case Kind::kObjectBegin:
        return Open(json::object());
      case Kind::kArrayBegin:
        return Open(json::array());
      case Kind::kObjectEnd:
      case Kind::kArrayEnd:
        open_.pop_back();
        keys_.pop_back();
        slot_ = open_.empty() ? root_ : open_.back();
        return absl::OkStatus();
    }
    return absl::OkStatus();
  }

  /// Where the next value goes: behind the last element, or to the key before it.
  json* Place(json value) {
    json* slot = slot_;
    if (!open_.empty() && open_.back()->is_array()) {
      open_.back()->push_back(nullptr);
      slot = &open_.back()->back();
    }
    *slot = std::move(value);
    return slot;
  }
  absl::Status Add(json value) {
    Place(std::move(value));
    return absl::OkStatus();
  }
  absl::Status Open(json value) {
    open_.push_back(Place(std::move(value)));
    keys_.emplace_back();
    slot_ = open_.back();
    return absl::OkStatus();
  }
  absl::Status AddKey(absl::string_view key) {
    auto& object = open_.back()->get_ref<json::object_t&>();
    const auto [it, added] = object.emplace(std::string(key), nullptr);
    slot_ = &it->second;
    if (!added) return FileError(path_, Field(), "the key occurs twice");
    keys_.back() = std::string(key);
    for (const JsonDetour& detour : detours_) {
      if (detour.keys == keys_) away_ = detour.handler;
    }
    return absl::OkStatus();
  }

  const std::string& path_;
  const absl::Span<const JsonDetour> detours_;
  json* root_;
  json* slot_;                     ///< where the value of the key just read goes, or what holds it
  std::vector<json*> open_;        ///< objects and arrays that have begun and not ended
  std::vector<std::string> keys_;  ///< of each of them, its last key; of an array, ""
  JsonHandler* away_ = nullptr;    ///< who gets the events of the current value instead
  int away_depth_ = 0;
};

/// `status` or a value of another type, from a member that may be absent.
template <typename T, typename Read>
absl::StatusOr<T> MemberOr(const absl::StatusOr<std::optional<JsonValue>>& member, T otherwise,
                           Read read) {
  QUANTD_RETURN_IF_ERROR(member.status());
  if (!member->has_value()) return otherwise;
  return read(**member);
}

}  // namespace

bool JsonValue::is_null() const { return node_->is_null(); }
bool JsonValue::is_object() const { return node_->is_object(); }
bool JsonValue::is_array() const { return node_->is_array(); }
bool JsonValue::is_string() const { return node_->is_string(); }
bool JsonValue::is_bool() const { return node_->is_boolean(); }
bool JsonValue::is_integer() const { return node_->is_number_integer(); }

absl::StatusOr<bool> JsonValue::Bool() const {
  if (!node_->is_boolean()) return WrongType("a bool");
  return node_->get<bool>();
}

absl::StatusOr<int64_t> JsonValue::Int(int64_t min, int64_t max) const {
  if (!node_->is_number_integer()) return WrongType("an integer");
  const auto* large = node_->get_ptr<const json::number_unsigned_t*>();
  const bool overflows =
      large != nullptr && *large > static_cast<uint64_t>(std::numeric_limits<int64_t>::max());
  const int64_t value = node_->get<int64_t>();
  if (overflows || value < min || value > max) {
    return Error(absl::StrCat(node_->dump(), " is outside of [", min, ", ", max, "]"));
  }
  return value;
}

absl::StatusOr<double> JsonValue::Number(double min, double max) const {
  if (!node_->is_number()) return WrongType("a number");
  const double value = node_->get<double>();
  if (value < min || value > max) {
    return Error(absl::StrCat(value, " is outside of [", min, ", ", max, "]"));
  }
  return value;
}

absl::StatusOr<absl::string_view> JsonValue::String() const {
  const auto* text = node_->get_ptr<const json::string_t*>();
  if (text == nullptr) return WrongType("a string");
  return absl::string_view(*text);
}

absl::StatusOr<std::vector<JsonValue>> JsonValue::Elements() const {
  if (!node_->is_array()) return WrongType("an array");
  std::vector<JsonValue> elements;
  elements.reserve(node_->size());
  for (const json& element : *node_) elements.push_back(JsonValue(document_, &element));
  return elements;
}

absl::StatusOr<std::vector<std::string>> JsonValue::Strings() const {
  QUANTD_ASSIGN_OR_RETURN(const std::vector<JsonValue> elements, Elements());
  std::vector<std::string> strings;
  strings.reserve(elements.size());
  for (const JsonValue& element : elements) {
    QUANTD_ASSIGN_OR_RETURN(const absl::string_view text, element.String());
    strings.emplace_back(text);
  }
  return strings;
}

absl::StatusOr<std::vector<std::pair<absl::string_view, JsonValue>>> JsonValue::Members() const {
  const auto* object = node_->get_ptr<const json::object_t*>();
  if (object == nullptr) return WrongType("an object");
  std::vector<std::pair<absl::string_view, JsonValue>> members;
  members.reserve(object->size());
  for (const auto& [key, value] : *object) members.emplace_back(key, JsonValue(document_, &value));
  return members;
}

absl::StatusOr<std::optional<JsonValue>> JsonValue::Find(absl::string_view key) const {
  const auto* object = node_->get_ptr<const json::object_t*>();
  if (object == nullptr) return WrongType("an object");
  const auto it = object->find(std::string(key));
  if (it == object->end() || it->second.is_null()) return std::nullopt;
  return JsonValue(document_, &it->second);
}

absl::StatusOr<JsonValue> JsonValue::At(absl::string_view key) const {
  QUANTD_ASSIGN_OR_RETURN(const std::optional<JsonValue> member, Find(key));
  if (member) return *member;
  const std::string place = node_ == document_->root_.get() ? "" : absl::StrCat(Place(), ".");
  return FileError(document_->path(), absl::StrCat(place, key), "the key is missing");
}

absl::StatusOr<bool> JsonValue::Bool(absl::string_view key, bool otherwise) const {
  return MemberOr(Find(key), otherwise, [](const JsonValue& value) { return value.Bool(); });
}

absl::StatusOr<int64_t> JsonValue::Int(absl::string_view key, int64_t otherwise, int64_t min,
                                       int64_t max) const {
  return MemberOr(Find(key), otherwise,
                  [=](const JsonValue& value) { return value.Int(min, max); });
}

absl::StatusOr<double> JsonValue::Number(absl::string_view key, double otherwise, double min,
                                         double max) const {
  return MemberOr(Find(key), otherwise,
                  [=](const JsonValue& value) { return value.Number(min, max); });
}

absl::StatusOr<std::string> JsonValue::String(absl::string_view key,
                                              absl::string_view otherwise) const {
  QUANTD_ASSIGN_OR_RETURN(
      const absl::string_view text,
      MemberOr(Find(key), otherwise, [](const JsonValue& value) { return value.String(); }));
  return std::string(text);
}

absl::StatusOr<std::vector<std::string>> JsonValue::Strings(absl::string_view key) const {
  return MemberOr(Find(key), std::vector<std::string>(),
                  [](const JsonValue& value) { return value.Strings(); });
}

std::string JsonValue::Place() const { return PlaceOf(*document_->root_, node_); }

absl::Status JsonValue::Error(absl::string_view what) const {
  return FileError(document_->path(), Place(), what);
}

absl::Status JsonValue::Unsupported(absl::string_view what) const {
  return UnsupportedError(document_->path(), Place(), what);
}

absl::Status JsonValue::WrongType(absl::string_view expected) const {
  return Error(absl::StrCat("expected ", expected, ", found ", KindName(*node_)));
}

JsonDocument::JsonDocument(std::string path)
    : path_(std::move(path)), root_(std::make_unique<json>()) {}
JsonDocument::~JsonDocument() = default;

JsonValue JsonDocument::root() const { return JsonValue(this, root_.get()); }

absl::StatusOr<std::unique_ptr<JsonDocument>> JsonDocument::Parse(
    absl::string_view text, const std::string& name, absl::Span<const JsonDetour> detours) {
  std::unique_ptr<JsonDocument> document(new JsonDocument(name));
  TreeBuilder builder(document->path_, detours, document->root_.get());
  QUANTD_RETURN_IF_ERROR(ReadJsonEvents(text, document->path_, &builder));
  return document;
}

absl::StatusOr<std::unique_ptr<JsonDocument>> JsonDocument::Open(
    const std::string& path, uint64_t max_bytes, absl::Span<const JsonDetour> detours) {
  QUANTD_ASSIGN_OR_RETURN(const std::unique_ptr<MappedFile> file, MappedFile::Open(path));
  const absl::Span<const uint8_t> bytes = file->bytes();
  if (bytes.size() > max_bytes) {
    return FileError(path, "size",
                     absl::StrCat(bytes.size(), " bytes exceed the limit of ", max_bytes));
  }
  return Parse(absl::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()), path,
               detours);
}

}  // namespace quantd
