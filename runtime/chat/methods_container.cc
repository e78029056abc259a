// The methods of lists, dicts and loops.
#include <utility>
#include <vector>

#include "kernels/base/status_macros.h"
#include "runtime/chat/builtin.h"
#include "runtime/chat/operations.h"

namespace quantd::jinja {
namespace {

absl::StatusOr<Value> Get(Runtime& runtime, const Value& self, const Arguments& given) {
  QUANTD_ASSIGN_OR_RETURN(const auto arguments,
                          BoundArguments::Bind("get", given, {"key", "default"}, 1));
  const Value& key = *arguments.at(0);
  QUANTD_RETURN_IF_ERROR(runtime.budget().SpendOn(key.is(Kind::kString) ? key.bytes().size() : 0));
  const Value* found = self.dict().Find(key);
  if (found != nullptr) return *found;
  return arguments.has(1) ? *arguments.at(1) : Value::None();
}

// keys(), values() and items().
template <ListType kType>
absl::StatusOr<Value> View(Runtime& runtime, const Value& self, const Arguments& given) {
  QUANTD_RETURN_IF_ERROR(BoundArguments::Bind("a view of a dict", given, {}).status());
  const auto& entries = self.dict().entries;
  QUANTD_RETURN_IF_ERROR(runtime.budget().SpendOn(entries.size(), 2));
  std::vector<Value> items;
  items.reserve(entries.size());
  for (const auto& [key, value] : entries) {
    if (kType == ListType::kItems) {
      QUANTD_ASSIGN_OR_RETURN(Value pair,
                              MakeList(&runtime.budget(), {key, value}, ListType::kTuple));
      items.push_back(std::move(pair));
    } else {
      items.push_back(kType == ListType::kKeys ? key : value);
    }
  }
  return MakeList(&runtime.budget(), std::move(items), kType);
}

// Nothing changes a value, so that it is its own copy.
absl::StatusOr<Value> Copy(Runtime&, const Value& self, const Arguments& given) {
  QUANTD_RETURN_IF_ERROR(BoundArguments::Bind("copy", given, {}).status());
  return self;
}

absl::StatusOr<Value> CountItem(Runtime& runtime, const Value& self, const Arguments& given) {
  QUANTD_ASSIGN_OR_RETURN(const auto arguments, BoundArguments::Bind("count", given, {"value"}, 1));
  int64_t count = 0;
  for (const Value& item : self.list()->items) {
    QUANTD_ASSIGN_OR_RETURN(const bool equal, Equal(item, *arguments.at(0), runtime.budget()));
    count += equal ? 1 : 0;
  }
  return Value::Int(count);
}

absl::StatusOr<Value> IndexOfItem(Runtime& runtime, const Value& self, const Arguments& given) {
  QUANTD_ASSIGN_OR_RETURN(const auto arguments, BoundArguments::Bind("index", given, {"value"}, 1));
  const std::vector<Value>& items = self.list()->items;
  for (size_t i = 0; i < items.size(); ++i) {
    QUANTD_ASSIGN_OR_RETURN(const bool equal, Equal(items[i], *arguments.at(0), runtime.budget()));
    if (equal) return Value::Int(static_cast<int64_t>(i));
  }
  return absl::InvalidArgumentError("index(): the value is not in the list");
}

absl::StatusOr<Value> Cycle(Runtime&, const Value& self, const Arguments& given) {
  if (given.positional.empty() || !given.named.empty()) {
    return absl::InvalidArgumentError("no items for cycling given");
  }
  return given.positional[self.loop().index % given.positional.size()];
}

absl::StatusOr<Value> Changed(Runtime& runtime, const Value& self, const Arguments& given) {
  LoopData& loop = self.loop();
  bool same = loop.changed.has_value() && loop.changed->size() == given.positional.size();
  for (size_t i = 0; same && i < given.positional.size(); ++i) {
    QUANTD_ASSIGN_OR_RETURN(same, Equal((*loop.changed)[i], given.positional[i], runtime.budget()));
  }
  if (!same && !loop.ended.has_value()) loop.changed = given.positional;
  return Value::Bool(!same);
}

constexpr Builtin kListMethods[] = {{"copy", Copy}, {"count", CountItem}, {"index", IndexOfItem}};
constexpr Builtin kDictMethods[] = {
    {"copy", Copy},
    {"get", Get},
    {"items", View<ListType::kItems>},
    {"keys", View<ListType::kKeys>},
    {"values", View<ListType::kValues>},
};
constexpr Builtin kLoopMethods[] = {{"changed", Changed}, {"cycle", Cycle}};

}  // namespace

absl::Span<const Builtin> ListMethods() { return kListMethods; }
absl::Span<const Builtin> DictMethods() { return kDictMethods; }
absl::Span<const Builtin> LoopMethods() { return kLoopMethods; }

}  // namespace quantd::jinja
