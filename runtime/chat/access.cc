#include "runtime/chat/access.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "kernels/base/status_macros.h"
#include "runtime/chat/builtin.h"
#include "runtime/chat/operations.h"
#include "runtime/chat/unicode.h"

namespace quantd::jinja {
namespace {

// Longest name that an error tells.
constexpr size_t kToldName = 64;

constexpr absl::string_view kListChanges[] = {"append", "clear",  "extend",  "insert",
                                              "pop",    "remove", "reverse", "sort"};
constexpr absl::string_view kDictChanges[] = {"clear", "pop", "popitem", "setdefault", "update"};

template <typename T>
bool Has(const T& names, absl::string_view name) {
  return std::find(std::begin(names), std::end(names), name) != std::end(names);
}

Value Unsafe(const Value& value, absl::string_view name) {
  return Value::Undefined(absl::StrCat("access to attribute '", Shorten(name, kToldName), "' of '",
                                       TypeName(value), "' object is unsafe"));
}

Value Missing(const Value& value, absl::string_view name) {
  return Value::Undefined(absl::StrCat("'", TypeName(value), value.is(Kind::kNone) ? "" : " object",
                                       "' has no attribute '", Shorten(name, kToldName), "'"));
}

std::optional<Value> Method(absl::Span<const Builtin> table, const Value& self,
                            absl::string_view name) {
  const Builtin* row = FindBuiltin(table, name);
  if (row == nullptr) return std::nullopt;
  auto callable = std::make_shared<CallableData>();
  callable->builtin = row;
  callable->self = self;
  callable->name = row->name;
  return Value(std::shared_ptr<const CallableData>(std::move(callable)));
}

absl::StatusOr<std::optional<Value>> LoopAttribute(const Value& value, absl::string_view name) {
  LoopData& loop = value.loop();
  const auto number = [](size_t n) { return Value::Int(static_cast<int64_t>(n)); };
  if (name == "index") return number(loop.index + 1);
  if (name == "index0") return number(loop.index);
  if (name == "first") return Value::Bool(loop.index == 0);
  if (name == "depth") return Value::Int(loop.depth);
  if (name == "depth0") return Value::Int(loop.depth - 1);
  if (name == "length" || name == "revindex" || name == "revindex0") {
    QUANTD_ASSIGN_OR_RETURN(const size_t length, loop.Length());
    if (name == "length") return number(length);
    return number(length - loop.index - (name == "revindex0" ? 1 : 0));
  }
  if (name == "last" || name == "nextitem") {
    QUANTD_ASSIGN_OR_RETURN(const Value* next, loop.At(loop.index + 1));
    if (name == "last") return Value::Bool(next == nullptr);
    return next != nullptr ? *next : Value::Undefined("there is no next item");
  }
  if (name == "previtem") {
    if (loop.index == 0) return Value::Undefined("there is no previous item");
    QUANTD_ASSIGN_OR_RETURN(const Value* previous, loop.At(loop.index - 1));
    return previous != nullptr ? *previous : Value();
  }
  return Method(LoopMethods(), value, name);
}

// What Python's getattr finds; nullopt if nothing.
absl::StatusOr<std::optional<Value>> OwnAttribute(const Value& value, absl::string_view name) {
  // Python's objects have many such names, and the sandbox gives none away.
  if (name.substr(0, 2) == "__") return Unsafe(value, name);
  switch (value.kind()) {
    case Kind::kString:
      return Method(StringMethods(), value, name);
    case Kind::kList:
      if (value.list()->type == ListType::kList && Has(kListChanges, name)) {
        return Unsafe(value, name);
      }
      if (value.list()->type == ListType::kGenerator) return std::nullopt;
      return Method(ListMethods(), value, name);
    case Kind::kDict:
      if (Has(kDictChanges, name)) return Unsafe(value, name);
      return Method(DictMethods(), value, name);
    case Kind::kNamespace: {
      const auto found = value.names().names.find(name);
      if (found == value.names().names.end()) return std::nullopt;
      return found->second;
    }
    case Kind::kLoop:
      return LoopAttribute(value, name);
    case Kind::kCallable:
      if (name != "name") return std::nullopt;
      return MakeString(value.callable().name);
    default:
      return std::nullopt;
  }
}

// The element of a list at a Python index.
std::optional<size_t> IndexOf(const Value& key, size_t size) {
  if (!key.is(Kind::kInt) && !key.is(Kind::kBool)) return std::nullopt;
  int64_t index = key.as_integer();
  if (index < 0) index += static_cast<int64_t>(size);
  if (index < 0 || index >= static_cast<int64_t>(size)) return std::nullopt;
  return static_cast<size_t>(index);
}

absl::StatusOr<std::optional<Value>> Element(const Value& value, const Value& key, Budget& budget) {
  switch (value.kind()) {
    case Kind::kDict: {
      QUANTD_RETURN_IF_ERROR(budget.SpendOn(key.is(Kind::kString) ? key.bytes().size() : 0));
      const Value* found = value.dict().Find(key);
      return found == nullptr ? std::optional<Value>() : *found;
    }
    case Kind::kList: {
      const ListData& list = *value.list();
      const bool subscripts = list.type == ListType::kList || list.type == ListType::kTuple ||
                              list.type == ListType::kRange;
      const auto index = IndexOf(key, list.items.size());
      if (!subscripts || !index.has_value()) return std::nullopt;
      return list.items[*index];
    }
    case Kind::kString: {
      QUANTD_RETURN_IF_ERROR(budget.SpendOn(value.text().size()));
      const auto index = IndexOf(key, CountCharacters(value.bytes()));
      if (!index.has_value()) return std::nullopt;
      const size_t begin = OffsetOfCharacter(value.bytes(), *index);
      TextBuilder character(&budget);
      character.Append(value.text(), begin, begin + CharacterBytes(value.bytes()[begin]));
      return FinishString(&character, value.markup());
    }
    default:
      return std::nullopt;
  }
}

// A slice of `size` elements, as Python's slice.indices: `count` of them from `start` on.
struct SliceIndices {
  int64_t start = 0, step = 1, count = 0;
};

absl::StatusOr<int64_t> SliceEnd(const Value& end, int64_t size, int64_t step, int64_t absent) {
  if (end.is(Kind::kNone)) return absent;
  if (!end.is(Kind::kInt) && !end.is(Kind::kBool)) {
    if (end.is(Kind::kUndefined)) return UndefinedError(end);
    return absl::InvalidArgumentError("slice indices must be integers or None");
  }
  int64_t at = end.as_integer();
  if (at < 0) at = std::max<int64_t>(at, -size - 1) + size;
  // Going backwards, the place before the first element is -1.
  return step > 0 ? std::clamp<int64_t>(at, 0, size) : std::clamp<int64_t>(at, -1, size - 1);
}

absl::StatusOr<SliceIndices> Indices(const Value& start, const Value& stop, const Value& step,
                                     int64_t size) {
  SliceIndices slice;
  if (!step.is(Kind::kNone)) {
    if (!step.is(Kind::kInt) && !step.is(Kind::kBool)) {
      return absl::InvalidArgumentError("slice indices must be integers or None");
    }
    // No step needs to be larger, and sums with it do not overflow.
    slice.step = std::clamp<int64_t>(step.as_integer(), -size - 1, size + 1);
    if (slice.step == 0) return absl::InvalidArgumentError("slice step cannot be zero");
  }
  const bool forward = slice.step > 0;
  QUANTD_ASSIGN_OR_RETURN(slice.start, SliceEnd(start, size, slice.step, forward ? 0 : size - 1));
  QUANTD_ASSIGN_OR_RETURN(const int64_t end, SliceEnd(stop, size, slice.step, forward ? size : -1));
  const int64_t span = forward ? end - slice.start : slice.start - end;
  const int64_t stride = forward ? slice.step : -slice.step;
  slice.count = span <= 0 ? 0 : (span + stride - 1) / stride;
  return slice;
}

absl::StatusOr<Value> SliceText(const Value& string, const Value& start, const Value& stop,
                                const Value& step, Budget& budget) {
  const Text& text = string.text();
  const absl::string_view bytes = text.bytes;
  QUANTD_RETURN_IF_ERROR(budget.SpendOn(text.size(), 16));
  QUANTD_ASSIGN_OR_RETURN(const SliceIndices slice,
                          Indices(start, stop, step, static_cast<int64_t>(CountCharacters(bytes))));
  TextBuilder result(&budget);
  const size_t count = static_cast<size_t>(slice.count);
  if (slice.step == 1 && count > 0) {
    const size_t begin = OffsetOfCharacter(bytes, static_cast<size_t>(slice.start));
    result.Append(text, begin, begin + OffsetOfCharacter(bytes.substr(begin), count));
  } else if (count > 0) {
    const std::vector<size_t> offsets = CharacterOffsets(bytes);
    for (int64_t i = 0; i < slice.count && !result.exhausted(); ++i) {
      const size_t at = static_cast<size_t>(slice.start + i * slice.step);
      result.Append(text, offsets[at], offsets[at + 1]);
    }
  }
  return FinishString(&result, string.markup());
}

}  // namespace

absl::StatusOr<Value> GetAttribute(const Value& value, absl::string_view name, Budget& budget) {
  if (value.is(Kind::kUndefined)) return UndefinedError(value);
  QUANTD_ASSIGN_OR_RETURN(const std::optional<Value> own, OwnAttribute(value, name));
  if (own.has_value()) return *own;
  if (value.is(Kind::kDict)) {
    const Value* entry = value.dict().Find(name);
    if (entry != nullptr) return *entry;
  }
  return Missing(value, name);
}

absl::StatusOr<Value> GetItem(const Value& value, const Value& key, Budget& budget) {
  if (value.is(Kind::kUndefined)) return UndefinedError(value);
  QUANTD_ASSIGN_OR_RETURN(std::optional<Value> element, Element(value, key, budget));
  if (element.has_value()) return *std::move(element);
  if (!key.is(Kind::kString)) {
    TextBuilder told(nullptr);
    if (key.is_number()) AppendRepr(key, &told);
    return Missing(value, told.bytes());
  }
  QUANTD_ASSIGN_OR_RETURN(std::optional<Value> own, OwnAttribute(value, key.bytes()));
  if (own.has_value()) return *std::move(own);
  return Missing(value, key.bytes());
}

absl::StatusOr<Value> GetSlice(const Value& value, const Value& start, const Value& stop,
                               const Value& step, Budget& budget) {
  if (value.is(Kind::kUndefined)) return UndefinedError(value);
  if (value.is(Kind::kString)) return SliceText(value, start, stop, step, budget);
  const bool subscripts = value.is(Kind::kList) && (value.list()->type == ListType::kList ||
                                                    value.list()->type == ListType::kTuple ||
                                                    value.list()->type == ListType::kRange);
  if (!subscripts) {
    return absl::InvalidArgumentError(
        absl::StrCat("'", TypeName(value), "' object is not subscriptable by a slice"));
  }
  const std::vector<Value>& items = value.list()->items;
  QUANTD_ASSIGN_OR_RETURN(const SliceIndices slice,
                          Indices(start, stop, step, static_cast<int64_t>(items.size())));
  QUANTD_RETURN_IF_ERROR(budget.SpendOn(static_cast<size_t>(slice.count), 4));
  std::vector<Value> result;
  for (int64_t i = 0; i < slice.count; ++i) {
    result.push_back(items[static_cast<size_t>(slice.start + i * slice.step)]);
  }
  // A slice of a range is a range in Python; only printing it tells the difference.
  const ListType type = value.list()->type == ListType::kTuple ? ListType::kTuple : ListType::kList;
  return MakeList(&budget, std::move(result), type);
}

}  // namespace quantd::jinja
