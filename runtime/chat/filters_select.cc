// The filters that apply another filter or test to each item of a list.
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "kernels/base/status_macros.h"
#include "runtime/chat/attribute_path.h"
#include "runtime/chat/builtin.h"
#include "runtime/chat/operations.h"
#include "runtime/chat/unicode.h"

namespace quantd::jinja {
namespace {

// The filter or test that positional argument `at` names; null if there is no such argument.
absl::StatusOr<const Builtin*> Named(absl::Span<const Builtin> table, const char* what,
                                     const Arguments& given, size_t at) {
  if (at >= given.positional.size()) return nullptr;
  const Value& name = given.positional[at];
  const Builtin* row = name.is(Kind::kString) ? FindBuiltin(table, name.bytes()) : nullptr;
  if (row != nullptr) return row;
  return absl::InvalidArgumentError(absl::StrCat(
      "No ", what, " named '", name.is(Kind::kString) ? Shorten(name.bytes(), 64) : "", "'."));
}

// The items to go through. What is false has none, whatever it is.
absl::StatusOr<ListPtr> ItemsOf(const Value& value, Budget& budget) {
  if (!Truthy(value)) return std::make_shared<ListData>();
  return Iterate(value, budget);
}

Arguments Rest(const Arguments& given, size_t from) {
  Arguments rest;
  for (size_t i = from; i < given.positional.size(); ++i) {
    rest.positional.push_back(given.positional[i]);
  }
  rest.named = given.named;
  return rest;
}

absl::StatusOr<Value> MapAttribute(Runtime& runtime, const ListData& items,
                                   const Arguments& given) {
  QUANTD_ASSIGN_OR_RETURN(const auto arguments,
                          BoundArguments::Bind("map", given, {"attribute", "default"}, 1));
  QUANTD_ASSIGN_OR_RETURN(const AttributePath path, AttributePath::Parse(arguments.at(0)));
  const bool has_default = arguments.has(1) && !arguments.at(1)->is(Kind::kNone);
  std::vector<Value> mapped;
  for (const Value& item : items.items) {
    QUANTD_ASSIGN_OR_RETURN(
        Value value, path.Follow(item, has_default ? arguments.at(1) : nullptr, runtime.budget()));
    mapped.push_back(std::move(value));
  }
  return MakeList(&runtime.budget(), std::move(mapped), ListType::kGenerator);
}

absl::StatusOr<Value> Map(Runtime& runtime, const Value& self, const Arguments& given) {
  QUANTD_ASSIGN_OR_RETURN(const ListPtr items, ItemsOf(self, runtime.budget()));
  if (given.positional.empty()) return MapAttribute(runtime, *items, given);
  QUANTD_ASSIGN_OR_RETURN(const Builtin* filter, Named(Filters(), "filter", given, 0));
  const Arguments rest = Rest(given, 1);
  std::vector<Value> mapped;
  for (const Value& item : items->items) {
    QUANTD_RETURN_IF_ERROR(runtime.budget().Spend());
    QUANTD_ASSIGN_OR_RETURN(Value value, filter->run(runtime, item, rest));
    mapped.push_back(std::move(value));
  }
  return MakeList(&runtime.budget(), std::move(mapped), ListType::kGenerator);
}

// select, reject, selectattr and rejectattr: the items that pass a test, or fail it.
template <bool kAttribute, bool kKeep>
absl::StatusOr<Value> Select(Runtime& runtime, const Value& self, const Arguments& given) {
  Budget& budget = runtime.budget();
  const size_t offset = kAttribute ? 1 : 0;
  if (given.positional.size() < offset) {
    return absl::InvalidArgumentError("Missing parameter for attribute name");
  }
  QUANTD_ASSIGN_OR_RETURN(const AttributePath path,
                          AttributePath::Parse(kAttribute ? &given.positional[0] : nullptr));
  QUANTD_ASSIGN_OR_RETURN(const Builtin* test, Named(Tests(), "test", given, offset));
  const Arguments rest = Rest(given, offset + 1);
  QUANTD_ASSIGN_OR_RETURN(const ListPtr items, ItemsOf(self, budget));
  std::vector<Value> kept;
  for (const Value& item : items->items) {
    QUANTD_RETURN_IF_ERROR(budget.Spend());
    QUANTD_ASSIGN_OR_RETURN(Value subject, path.Follow(item, nullptr, budget));
    if (test != nullptr) {
      QUANTD_ASSIGN_OR_RETURN(subject, test->run(runtime, subject, rest));
    }
    if (Truthy(subject) == kKeep) kept.push_back(item);
  }
  return MakeList(&budget, std::move(kept), ListType::kGenerator);
}

constexpr Builtin kFilters[] = {
    {"map", Map},
    {"reject", Select<false, false>},
    {"rejectattr", Select<true, false>},
    {"select", Select<false, true>},
    {"selectattr", Select<true, true>},
};

}  // namespace

absl::Span<const Builtin> SelectFilters() { return kFilters; }

}  // namespace quantd::jinja
