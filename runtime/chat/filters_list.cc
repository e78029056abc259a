// The filters of lists and dicts that need no other filter or test.
#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "kernels/base/status_macros.h"
#include "runtime/chat/attribute_path.h"
#include "runtime/chat/builtin.h"
#include "runtime/chat/operations.h"
#include "runtime/chat/string_ops.h"
#include "runtime/chat/unicode.h"

namespace quantd::jinja {
namespace {

absl::StatusOr<Value> First(Runtime& runtime, const Value& self, const Arguments& given) {
  QUANTD_RETURN_IF_ERROR(BoundArguments::Bind("first", given, {}).status());
  if (self.is(Kind::kList) && self.list()->type == ListType::kGenerator) {
    ListData& list = *self.list();
    if (list.taken < list.items.size()) return list.items[list.taken++];
  } else if (self.is(Kind::kString)) {
    const Text& text = self.text();
    TextBuilder character(&runtime.budget());
    if (text.size() > 0) {
      character.Append(text, 0, CharacterBytes(text.bytes[0]));
      return FinishString(&character);
    }
  } else {
    QUANTD_ASSIGN_OR_RETURN(const ListPtr items, Iterate(self, runtime.budget()));
    if (!items->items.empty()) return items->items.front();
  }
  return Value::Undefined("No first item, sequence was empty.");
}

absl::StatusOr<Value> Last(Runtime& runtime, const Value& self, const Arguments& given) {
  QUANTD_RETURN_IF_ERROR(BoundArguments::Bind("last", given, {}).status());
  if (self.is(Kind::kList) && self.list()->type == ListType::kGenerator) {
    return absl::InvalidArgumentError("'generator' object is not reversible");
  }
  if (self.is(Kind::kUndefined)) return UndefinedError(self);
  QUANTD_ASSIGN_OR_RETURN(const ListPtr items, Iterate(self, runtime.budget()));
  if (!items->items.empty()) return items->items.back();
  return Value::Undefined("No last item, sequence was empty.");
}

absl::StatusOr<Value> LengthOf(Runtime& runtime, const Value& self, const Arguments& given) {
  QUANTD_RETURN_IF_ERROR(BoundArguments::Bind("length", given, {}).status());
  QUANTD_ASSIGN_OR_RETURN(const int64_t length, Length(self, runtime.budget()));
  return Value::Int(length);
}

absl::StatusOr<Value> AsList(Runtime& runtime, const Value& self, const Arguments& given) {
  QUANTD_RETURN_IF_ERROR(BoundArguments::Bind("list", given, {}).status());
  QUANTD_ASSIGN_OR_RETURN(const ListPtr items, Iterate(self, runtime.budget()));
  if (items->type == ListType::kList) return Value(items);
  QUANTD_RETURN_IF_ERROR(runtime.budget().SpendOn(items->items.size(), 4));
  return MakeList(&runtime.budget(), items->items);
}

absl::StatusOr<Value> Reverse(Runtime& runtime, const Value& self, const Arguments& given) {
  QUANTD_RETURN_IF_ERROR(BoundArguments::Bind("reverse", given, {}).status());
  QUANTD_ASSIGN_OR_RETURN(const ListPtr items, Iterate(self, runtime.budget()));
  QUANTD_RETURN_IF_ERROR(runtime.budget().SpendOn(items->items.size(), 4));
  std::vector<Value> reversed(items->items.rbegin(), items->items.rend());
  if (self.is(Kind::kString)) {
    QUANTD_ASSIGN_OR_RETURN(const Value list, MakeList(&runtime.budget(), std::move(reversed)));
    return JoinItems(*list.list(), Text(), self.markup(), runtime.budget());
  }
  // An iterator in Python, but for what cannot be reversed in place.
  const bool in_place =
      self.is(Kind::kDict) || (self.is(Kind::kList) && self.list()->type != ListType::kGenerator);
  return MakeList(&runtime.budget(), std::move(reversed),
                  in_place ? ListType::kGenerator : ListType::kList);
}

absl::StatusOr<Value> Join(Runtime& runtime, const Value& self, const Arguments& given) {
  QUANTD_ASSIGN_OR_RETURN(const auto arguments,
                          BoundArguments::Bind("join", given, {"d", "attribute"}));
  Budget& budget = runtime.budget();
  QUANTD_ASSIGN_OR_RETURN(const AttributePath path, AttributePath::Parse(arguments.at(1)));
  QUANTD_ASSIGN_OR_RETURN(const Value separator,
                          arguments.has(0) ? ToString(*arguments.at(0), budget) : MakeString(""));
  QUANTD_ASSIGN_OR_RETURN(ListPtr items, Iterate(self, budget));
  if (arguments.has(1)) {
    std::vector<Value> found;
    for (const Value& item : items->items) {
      QUANTD_ASSIGN_OR_RETURN(Value value, path.Follow(item, nullptr, budget));
      found.push_back(std::move(value));
    }
    QUANTD_ASSIGN_OR_RETURN(const Value list, MakeList(&budget, std::move(found)));
    items = list.list();
  }
  return JoinItems(*items, separator.text(), /*markup=*/false, budget);
}

absl::StatusOr<Value> Items(Runtime& runtime, const Value& self, const Arguments& given) {
  QUANTD_RETURN_IF_ERROR(BoundArguments::Bind("items", given, {}).status());
  if (!self.is(Kind::kUndefined) && !self.is(Kind::kDict)) {
    return absl::InvalidArgumentError("Can only get item pairs from a mapping.");
  }
  std::vector<Value> pairs;
  if (self.is(Kind::kDict)) {
    for (const auto& [key, value] : self.dict().entries) {
      QUANTD_RETURN_IF_ERROR(runtime.budget().Spend());
      QUANTD_ASSIGN_OR_RETURN(Value pair,
                              MakeList(&runtime.budget(), {key, value}, ListType::kTuple));
      pairs.push_back(std::move(pair));
    }
  }
  return MakeList(&runtime.budget(), std::move(pairs), ListType::kGenerator);
}

// ---- Order.

/// A value and what it is ordered by.
struct Keyed {
  Value key, value;
};

// Case is ignored unless asked for.
absl::StatusOr<Value> OrderKey(Value key, bool case_sensitive, Budget& budget) {
  if (case_sensitive || !key.is(Kind::kString)) return key;
  return ChangeCase(key, Case::kLower, budget);
}

absl::StatusOr<std::vector<Keyed>> WithKeys(const Value& self, const AttributePath& path,
                                            bool case_sensitive, Budget& budget) {
  QUANTD_ASSIGN_OR_RETURN(const ListPtr items, Iterate(self, budget));
  std::vector<Keyed> keyed;
  for (const Value& item : items->items) {
    QUANTD_ASSIGN_OR_RETURN(Value found, path.Follow(item, nullptr, budget));
    QUANTD_ASSIGN_OR_RETURN(Value key, OrderKey(std::move(found), case_sensitive, budget));
    keyed.push_back({std::move(key), item});
  }
  return keyed;
}

// Merge sort, stable. std::sort cannot stop at a comparison that fails.
absl::Status Sort(std::vector<Keyed>* values, bool reverse, Budget& budget) {
  std::vector<Keyed> merged(values->size());
  for (size_t width = 1; width < values->size(); width *= 2) {
    for (size_t begin = 0; begin < values->size(); begin += 2 * width) {
      const size_t middle = std::min(begin + width, values->size());
      const size_t end = std::min(begin + 2 * width, values->size());
      size_t left = begin, right = middle;
      for (size_t to = begin; to < end; ++to) {
        bool take_right = left == middle;
        if (left < middle && right < end) {
          const Value &a = (*values)[left].key, &b = (*values)[right].key;
          QUANTD_ASSIGN_OR_RETURN(take_right, reverse ? Less(a, b, budget) : Less(b, a, budget));
        }
        merged[to] = std::move((*values)[take_right ? right++ : left++]);
      }
    }
    values->swap(merged);
  }
  return absl::OkStatus();
}

absl::StatusOr<Value> Values(std::vector<Keyed> keyed, Budget& budget) {
  std::vector<Value> values;
  for (Keyed& entry : keyed) values.push_back(std::move(entry.value));
  return MakeList(&budget, std::move(values));
}

absl::StatusOr<Value> SortFilter(Runtime& runtime, const Value& self, const Arguments& given) {
  QUANTD_ASSIGN_OR_RETURN(
      const auto arguments,
      BoundArguments::Bind("sort", given, {"reverse", "case_sensitive", "attribute"}));
  Budget& budget = runtime.budget();
  QUANTD_ASSIGN_OR_RETURN(const auto paths, AttributePath::ParseList(arguments.at(2)));
  QUANTD_ASSIGN_OR_RETURN(const ListPtr items, Iterate(self, budget));
  std::vector<Keyed> keyed;
  for (const Value& item : items->items) {
    std::vector<Value> keys;
    for (const AttributePath& path : paths) {
      QUANTD_ASSIGN_OR_RETURN(Value found, path.Follow(item, nullptr, budget));
      QUANTD_ASSIGN_OR_RETURN(Value key,
                              OrderKey(std::move(found), arguments.Flag(1, false), budget));
      keys.push_back(std::move(key));
    }
    QUANTD_ASSIGN_OR_RETURN(Value key, MakeList(&budget, std::move(keys)));
    keyed.push_back({std::move(key), item});
  }
  QUANTD_RETURN_IF_ERROR(Sort(&keyed, arguments.Flag(0, false), budget));
  return Values(std::move(keyed), budget);
}

absl::StatusOr<Value> DictSort(Runtime& runtime, const Value& self, const Arguments& given) {
  QUANTD_ASSIGN_OR_RETURN(
      const auto arguments,
      BoundArguments::Bind("dictsort", given, {"case_sensitive", "by", "reverse"}));
  QUANTD_ASSIGN_OR_RETURN(const Text* by, arguments.String(1));
  if (!self.is(Kind::kDict)) return absl::InvalidArgumentError("dictsort: not a mapping");
  if (by != nullptr && by->bytes != "key" && by->bytes != "value") {
    return absl::InvalidArgumentError("You can only sort by either 'key' or 'value'");
  }
  Budget& budget = runtime.budget();
  std::vector<Keyed> keyed;
  for (const auto& [name, value] : self.dict().entries) {
    QUANTD_ASSIGN_OR_RETURN(Value key,
                            OrderKey(by != nullptr && by->bytes == "value" ? value : name,
                                     arguments.Flag(0, false), budget));
    QUANTD_ASSIGN_OR_RETURN(Value pair, MakeList(&budget, {name, value}, ListType::kTuple));
    keyed.push_back({std::move(key), std::move(pair)});
  }
  QUANTD_RETURN_IF_ERROR(Sort(&keyed, arguments.Flag(2, false), budget));
  return Values(std::move(keyed), budget);
}

absl::StatusOr<Value> Unique(Runtime& runtime, const Value& self, const Arguments& given) {
  QUANTD_ASSIGN_OR_RETURN(const auto arguments,
                          BoundArguments::Bind("unique", given, {"case_sensitive", "attribute"}));
  Budget& budget = runtime.budget();
  QUANTD_ASSIGN_OR_RETURN(const AttributePath path, AttributePath::Parse(arguments.at(1)));
  QUANTD_ASSIGN_OR_RETURN(std::vector<Keyed> keyed,
                          WithKeys(self, path, arguments.Flag(0, false), budget));
  std::vector<Value> found;
  DictData seen;
  for (Keyed& entry : keyed) {
    if (!IsKey(entry.key)) {
      return absl::InvalidArgumentError(
          absl::StrCat("unhashable type: '", TypeName(entry.key), "'"));
    }
    QUANTD_RETURN_IF_ERROR(
        budget.SpendOn(entry.key.is(Kind::kString) ? entry.key.bytes().size() : 0));
    if (seen.Find(entry.key) != nullptr) continue;
    seen.Set(std::move(entry.key), Value::None());
    found.push_back(std::move(entry.value));
  }
  return MakeList(&budget, std::move(found), ListType::kGenerator);
}

template <bool kMax>
absl::StatusOr<Value> Extreme(Runtime& runtime, const Value& self, const Arguments& given) {
  QUANTD_ASSIGN_OR_RETURN(
      const auto arguments,
      BoundArguments::Bind(kMax ? "max" : "min", given, {"case_sensitive", "attribute"}));
  Budget& budget = runtime.budget();
  QUANTD_ASSIGN_OR_RETURN(const AttributePath path, AttributePath::Parse(arguments.at(1)));
  QUANTD_ASSIGN_OR_RETURN(const std::vector<Keyed> keyed,
                          WithKeys(self, path, arguments.Flag(0, false), budget));
  if (keyed.empty()) return Value::Undefined("No aggregated item, sequence was empty.");
  const Keyed* best = keyed.data();
  for (const Keyed& entry : keyed) {
    QUANTD_ASSIGN_OR_RETURN(const bool better, kMax ? Less(best->key, entry.key, budget)
                                                    : Less(entry.key, best->key, budget));
    if (better) best = &entry;
  }
  return best->value;
}

absl::StatusOr<Value> Sum(Runtime& runtime, const Value& self, const Arguments& given) {
  QUANTD_ASSIGN_OR_RETURN(const auto arguments,
                          BoundArguments::Bind("sum", given, {"attribute", "start"}));
  Budget& budget = runtime.budget();
  QUANTD_ASSIGN_OR_RETURN(const AttributePath path, AttributePath::Parse(arguments.at(0)));
  QUANTD_ASSIGN_OR_RETURN(const ListPtr items, Iterate(self, budget));
  Value sum = arguments.has(1) ? *arguments.at(1) : Value::Int(0);
  for (const Value& item : items->items) {
    QUANTD_RETURN_IF_ERROR(budget.Spend());
    QUANTD_ASSIGN_OR_RETURN(const Value value, path.Follow(item, nullptr, budget));
    QUANTD_ASSIGN_OR_RETURN(sum, Arithmetic(Operator::kAdd, sum, value, budget));
  }
  return sum;
}

constexpr Builtin kFilters[] = {
    {"count", LengthOf},    {"dictsort", DictSort},  {"first", First},     {"items", Items},
    {"join", Join},         {"last", Last},          {"length", LengthOf}, {"list", AsList},
    {"max", Extreme<true>}, {"min", Extreme<false>}, {"reverse", Reverse}, {"sort", SortFilter},
    {"sum", Sum},           {"unique", Unique},
};

}  // namespace

absl::Span<const Builtin> ListFilters() { return kFilters; }

}  // namespace quantd::jinja
