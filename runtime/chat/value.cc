#include "runtime/chat/value.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "kernels/base/status_macros.h"

namespace quantd::jinja {
namespace {

// Dicts of more entries than this have an index.
constexpr size_t kSmallDict = 8;
// What an undefined value or a bound method holds beside the value itself, about.
constexpr size_t kObjectBytes = 160;

// The same for keys that Python finds equal: 1, 1.0 and True are one key.
std::string EncodeKey(const Value& key) {
  if (key.is(Kind::kString)) return absl::StrCat("s", key.bytes());
  if (key.is(Kind::kNone)) return "n";
  if (key.is(Kind::kUndefined)) return "u";
  if (key.is(Kind::kFloat)) {
    const double value = key.floating();
    const bool whole = std::floor(value) == value && std::abs(value) < 9e18;
    if (!whole) return absl::StrCat("f", absl::Hex(std::bit_cast<uint64_t>(value)));
    return absl::StrCat("i", static_cast<int64_t>(value));
  }
  return absl::StrCat("i", key.as_integer());
}

absl::Status CheckHeight(int height) {
  if (height <= kMaxValueHeight) return absl::OkStatus();
  return absl::ResourceExhaustedError(
      absl::StrCat("lists and dicts are nested more than ", kMaxValueHeight, " levels deep"));
}

absl::Status Claim(Budget* budget, size_t bytes, MemoryClaim* claim) {
  *claim = MemoryClaim(budget);
  return claim->Resize(bytes) ? absl::OkStatus() : budget->MemoryError();
}

}  // namespace

Value Value::Undefined(std::string why) {
  return Value(Data(std::make_shared<const UndefinedData>(UndefinedData{std::move(why)})));
}

const Text& Value::text() const { return std::get<StringPtr>(data_)->text; }

bool Value::markup() const { return std::get<StringPtr>(data_)->markup; }

std::string Value::why() const {
  const auto& undefined = std::get<std::shared_ptr<const UndefinedData>>(data_);
  return undefined == nullptr ? "a value is undefined" : undefined->why;
}

int Value::height() const {
  switch (kind()) {
    case Kind::kList:
      return list()->height;
    case Kind::kDict:
      return dict().height;
    case Kind::kCallable:
      return 1 + callable().self.height();
    default:
      return 0;
  }
}

size_t Value::Footprint() const {
  return sizeof(Value) + (is(Kind::kUndefined) || is(Kind::kCallable) ? kObjectBytes : 0);
}

const Value* DictData::Find(const Value& key) const {
  if (key.is(Kind::kString)) return Find(key.bytes());
  if (!IsKey(key)) return nullptr;
  const std::string encoded = EncodeKey(key);
  if (!index_.empty()) {
    const auto found = index_.find(encoded);
    return found == index_.end() ? nullptr : &entries[found->second].second;
  }
  for (const auto& [name, value] : entries) {
    if (EncodeKey(name) == encoded) return &value;
  }
  return nullptr;
}

const Value* DictData::Find(absl::string_view key) const {
  if (!index_.empty()) {
    const auto found = index_.find(absl::StrCat("s", key));
    return found == index_.end() ? nullptr : &entries[found->second].second;
  }
  for (const auto& [name, value] : entries) {
    if (name.is(Kind::kString) && name.bytes() == key) return &value;
  }
  return nullptr;
}

void DictData::Set(Value key, Value value) {
  height = std::max(height, 1 + value.height());
  if (const Value* found = Find(key); found != nullptr) {
    *const_cast<Value*>(found) = std::move(value);  // an entry of this dict, which is not const
    return;
  }
  if (!index_.empty()) index_.emplace(EncodeKey(key), entries.size());
  entries.emplace_back(std::move(key), std::move(value));
  if (entries.size() == kSmallDict + 1) {
    for (size_t i = 0; i < entries.size(); ++i) index_.emplace(EncodeKey(entries[i].first), i);
  }
}

absl::StatusOr<const Value*> LoopData::At(size_t at) {
  if (items != nullptr) return at < items->items.size() ? &items->items[at] : nullptr;
  while (at >= accepted.size() && source != nullptr) {
    QUANTD_ASSIGN_OR_RETURN(const bool more, source->Fetch(&accepted));
    if (!more) break;
  }
  return at < accepted.size() ? &accepted[at] : nullptr;
}

absl::StatusOr<size_t> LoopData::Length() {
  if (ended.has_value()) return *ended;
  if (items != nullptr) return items->items.size();
  QUANTD_RETURN_IF_ERROR(At(SIZE_MAX).status());
  return accepted.size();
}

void LoopData::End() {
  ended = items != nullptr ? items->items.size() : accepted.size();
  source = nullptr;
  items.reset();
  accepted.clear();
  changed.reset();
}

bool IsKey(const Value& value) {
  return value.is_number() || value.is(Kind::kString) || value.is(Kind::kNone) ||
         value.is(Kind::kUndefined);
}

Value MakeString(absl::string_view trusted) {
  auto data = std::make_shared<StringData>();
  data->text.bytes = std::string(trusted);
  return Value(StringPtr(std::move(data)));
}

Value MakeOutsideString(absl::string_view bytes) {
  auto data = std::make_shared<StringData>();
  data->text.bytes = std::string(bytes);
  if (!bytes.empty()) data->text.outside.push_back({0, bytes.size()});
  return Value(StringPtr(std::move(data)));
}

absl::StatusOr<Value> FinishString(TextBuilder* builder, bool markup) {
  auto data = std::make_shared<StringData>();
  data->markup = markup;
  QUANTD_ASSIGN_OR_RETURN(data->text, builder->Finish(&data->claim));
  return Value(StringPtr(std::move(data)));
}

absl::StatusOr<Value> MakeList(Budget* budget, std::vector<Value> items, ListType type) {
  auto list = std::make_shared<ListData>();
  list->type = type;
  size_t bytes = sizeof(ListData);
  for (const Value& item : items) {
    list->height = std::max(list->height, 1 + item.height());
    bytes += item.Footprint();
  }
  QUANTD_RETURN_IF_ERROR(CheckHeight(list->height));
  QUANTD_RETURN_IF_ERROR(Claim(budget, bytes, &list->claim));
  list->items = std::move(items);
  return Value(std::move(list));
}

absl::StatusOr<Value> MakeDict(Budget* budget, DictData dict) {
  QUANTD_RETURN_IF_ERROR(CheckHeight(dict.height));
  size_t bytes = sizeof(DictData);
  for (const auto& [key, value] : dict.entries) {
    bytes += key.Footprint() + value.Footprint();
    // The index has a copy of each key.
    if (dict.entries.size() > kSmallDict) {
      bytes += sizeof(std::string) + (key.is(Kind::kString) ? key.bytes().size() : 0);
    }
  }
  QUANTD_RETURN_IF_ERROR(Claim(budget, bytes, &dict.claim));
  return Value(DictPtr(std::make_shared<const DictData>(std::move(dict))));
}

}  // namespace quantd::jinja
