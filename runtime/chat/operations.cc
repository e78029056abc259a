#include "runtime/chat/operations.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "kernels/base/status_macros.h"
#include "runtime/chat/string_ops.h"
#include "runtime/chat/unicode.h"

namespace quantd::jinja {
namespace {

constexpr size_t kComparedPerStep = 1024;

absl::Status SpendOnKey(const Value& key, Budget& budget) {
  return budget.SpendOn(key.is(Kind::kString) ? key.bytes().size() : 0);
}

bool EqualNumbers(const Value& a, const Value& b) {
  if (a.is(Kind::kFloat) || b.is(Kind::kFloat)) return a.as_double() == b.as_double();
  return a.as_integer() == b.as_integer();
}

bool IsSequence(ListType type) { return type == ListType::kList || type == ListType::kTuple; }

absl::StatusOr<bool> EqualLists(const ListData& a, const ListData& b, Budget& budget) {
  if (a.type != b.type || a.type == ListType::kGenerator) return &a == &b;
  if (a.items.size() != b.items.size()) return false;
  for (size_t i = 0; i < a.items.size(); ++i) {
    QUANTD_ASSIGN_OR_RETURN(const bool equal, Equal(a.items[i], b.items[i], budget));
    if (!equal) return false;
  }
  return true;
}

absl::StatusOr<bool> EqualDicts(const DictData& a, const DictData& b, Budget& budget) {
  if (a.entries.size() != b.entries.size()) return false;
  for (const auto& [key, value] : a.entries) {
    QUANTD_RETURN_IF_ERROR(SpendOnKey(key, budget));
    const Value* other = b.Find(key);
    if (other == nullptr) return false;
    QUANTD_ASSIGN_OR_RETURN(const bool equal, Equal(value, *other, budget));
    if (!equal) return false;
  }
  return true;
}

absl::StatusOr<bool> LessLists(const ListData& a, const ListData& b, Budget& budget) {
  for (size_t i = 0; i < a.items.size() && i < b.items.size(); ++i) {
    QUANTD_ASSIGN_OR_RETURN(const bool equal, Equal(a.items[i], b.items[i], budget));
    if (!equal) return Less(a.items[i], b.items[i], budget);
  }
  return a.items.size() < b.items.size();
}

absl::StatusOr<ListPtr> Characters(const Value& string, Budget& budget) {
  const Text& text = string.text();
  QUANTD_RETURN_IF_ERROR(budget.SpendOn(text.size(), 4));
  std::vector<Value> characters;
  for (size_t at = 0; at < text.size();) {
    const size_t next = at + CharacterBytes(text.bytes[at]);
    TextBuilder character(&budget);
    character.Append(text, at, next);
    QUANTD_ASSIGN_OR_RETURN(Value value, FinishString(&character));
    characters.push_back(std::move(value));
    at = next;
  }
  QUANTD_ASSIGN_OR_RETURN(const Value list, MakeList(&budget, std::move(characters)));
  return list.list();
}

}  // namespace

const char* TypeName(const Value& value) {
  switch (value.kind()) {
    case Kind::kUndefined:
      return "Undefined";
    case Kind::kNone:
      return "NoneType";
    case Kind::kBool:
      return "bool";
    case Kind::kInt:
      return "int";
    case Kind::kFloat:
      return "float";
    case Kind::kString:
      return "str";
    case Kind::kDict:
      return "dict";
    case Kind::kNamespace:
      return "Namespace";
    case Kind::kLoop:
      return "LoopContext";
    case Kind::kCallable:
      return value.callable().macro != nullptr ? "Macro" : "function";
    case Kind::kList:
      break;
  }
  switch (value.list()->type) {
    case ListType::kTuple:
      return "tuple";
    case ListType::kGenerator:
      return "generator";
    case ListType::kRange:
      return "range";
    case ListType::kKeys:
      return "dict_keys";
    case ListType::kValues:
      return "dict_values";
    case ListType::kItems:
      return "dict_items";
    case ListType::kList:
      break;
  }
  return "list";
}

absl::Status UndefinedError(const Value& value) { return absl::InvalidArgumentError(value.why()); }

bool Truthy(const Value& value) {
  switch (value.kind()) {
    case Kind::kUndefined:
    case Kind::kNone:
      return false;
    case Kind::kBool:
      return value.boolean();
    case Kind::kInt:
      return value.integer() != 0;
    case Kind::kFloat:
      return value.floating() != 0;
    case Kind::kString:
      return !value.bytes().empty();
    case Kind::kList:
      return value.list()->type == ListType::kGenerator || !value.list()->items.empty();
    case Kind::kDict:
      return !value.dict().entries.empty();
    case Kind::kNamespace:
    case Kind::kLoop:
    case Kind::kCallable:
      return true;
  }
  return false;
}

absl::StatusOr<bool> Equal(const Value& a, const Value& b, Budget& budget) {
  QUANTD_RETURN_IF_ERROR(budget.Spend());
  if (a.is_number() && b.is_number()) return EqualNumbers(a, b);
  if (a.kind() != b.kind()) return false;
  switch (a.kind()) {
    case Kind::kUndefined:
    case Kind::kNone:
      return true;
    case Kind::kString:
      if (a.bytes().size() != b.bytes().size()) return false;
      QUANTD_RETURN_IF_ERROR(budget.SpendOn(a.bytes().size(), kComparedPerStep));
      return a.bytes() == b.bytes();
    case Kind::kList:
      return EqualLists(*a.list(), *b.list(), budget);
    case Kind::kDict:
      return EqualDicts(a.dict(), b.dict(), budget);
    default:
      return a.Same(b);
  }
}

absl::StatusOr<bool> Less(const Value& a, const Value& b, Budget& budget) {
  QUANTD_RETURN_IF_ERROR(budget.Spend());
  if (a.is(Kind::kUndefined)) return UndefinedError(a);
  if (b.is(Kind::kUndefined)) return UndefinedError(b);
  if (a.is_number() && b.is_number()) {
    if (a.is(Kind::kFloat) || b.is(Kind::kFloat)) return a.as_double() < b.as_double();
    return a.as_integer() < b.as_integer();
  }
  if (a.is(Kind::kString) && b.is(Kind::kString)) {
    QUANTD_RETURN_IF_ERROR(budget.SpendOn(a.bytes().size(), kComparedPerStep));
    return a.bytes() < b.bytes();  // the order of UTF-8 is that of the code points
  }
  if (a.is(Kind::kList) && b.is(Kind::kList) && a.list()->type == b.list()->type &&
      IsSequence(a.list()->type)) {
    return LessLists(*a.list(), *b.list(), budget);
  }
  return absl::InvalidArgumentError(absl::StrCat("'<' not supported between instances of '",
                                                 TypeName(a), "' and '", TypeName(b), "'"));
}

absl::StatusOr<bool> Contains(const Value& container, const Value& item, Budget& budget) {
  switch (container.kind()) {
    case Kind::kString:
      if (item.is(Kind::kUndefined)) return UndefinedError(item);
      if (!item.is(Kind::kString)) {
        return absl::InvalidArgumentError(
            absl::StrCat("'in <string>' requires string as left operand, not ", TypeName(item)));
      }
      QUANTD_RETURN_IF_ERROR(budget.SpendOn(container.bytes().size()));
      return FindBytes(container.bytes(), item.bytes()) != absl::string_view::npos;
    case Kind::kDict:
      QUANTD_RETURN_IF_ERROR(SpendOnKey(item, budget));
      if (!IsKey(item)) {
        return absl::InvalidArgumentError(absl::StrCat("unhashable type: '", TypeName(item), "'"));
      }
      return container.dict().Find(item) != nullptr;
    case Kind::kList:
    case Kind::kUndefined:
      break;
    default:
      return absl::InvalidArgumentError(
          absl::StrCat("argument of type '", TypeName(container), "' is not iterable"));
  }
  QUANTD_ASSIGN_OR_RETURN(const ListPtr items, Iterate(container, budget));
  for (const Value& element : items->items) {
    QUANTD_ASSIGN_OR_RETURN(const bool equal, Equal(element, item, budget));
    if (equal) return true;
  }
  return false;
}

absl::StatusOr<int64_t> Length(const Value& value, Budget& budget) {
  switch (value.kind()) {
    case Kind::kUndefined:
      return 0;
    case Kind::kString:
      QUANTD_RETURN_IF_ERROR(budget.SpendOn(value.bytes().size()));
      return static_cast<int64_t>(CountCharacters(value.bytes()));
    case Kind::kDict:
      return static_cast<int64_t>(value.dict().entries.size());
    case Kind::kList:
      if (value.list()->type != ListType::kGenerator) {
        return static_cast<int64_t>(value.list()->items.size());
      }
      break;
    case Kind::kLoop: {
      QUANTD_ASSIGN_OR_RETURN(const size_t length, value.loop().Length());
      return static_cast<int64_t>(length);
    }
    default:
      break;
  }
  return absl::InvalidArgumentError(
      absl::StrCat("object of type '", TypeName(value), "' has no len()"));
}

absl::StatusOr<ListPtr> Iterate(const Value& value, Budget& budget) {
  switch (value.kind()) {
    case Kind::kUndefined:
      return std::make_shared<ListData>();
    case Kind::kString:
      return Characters(value, budget);
    case Kind::kDict: {
      QUANTD_RETURN_IF_ERROR(budget.SpendOn(value.dict().entries.size(), 4));
      std::vector<Value> keys;
      for (const auto& entry : value.dict().entries) keys.push_back(entry.first);
      QUANTD_ASSIGN_OR_RETURN(const Value list, MakeList(&budget, std::move(keys)));
      return list.list();
    }
    case Kind::kList: {
      ListData& list = *value.list();
      if (list.type != ListType::kGenerator) return value.list();
      const size_t taken = std::exchange(list.taken, list.items.size());
      if (taken == 0) return value.list();
      QUANTD_RETURN_IF_ERROR(budget.SpendOn(list.items.size(), 4));
      std::vector<Value> rest(list.items.begin() + static_cast<ptrdiff_t>(taken), list.items.end());
      QUANTD_ASSIGN_OR_RETURN(const Value left, MakeList(&budget, std::move(rest)));
      return left.list();
    }
    default:
      return absl::InvalidArgumentError(
          absl::StrCat("'", TypeName(value), "' object is not iterable"));
  }
}

}  // namespace quantd::jinja
