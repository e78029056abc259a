#include "runtime/chat/builtin.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "runtime/chat/operations.h"

namespace quantd::jinja {

absl::Status RaisedError(absl::string_view message) { return absl::AbortedError(message); }
bool IsRaised(const absl::Status& status) { return absl::IsAborted(status); }

const Builtin* FindBuiltin(absl::Span<const Builtin> table, absl::string_view name) {
  for (const Builtin& row : table) {
    if (name == row.name) return &row;
  }
  return nullptr;
}

absl::Span<const Builtin> Filters() {
  static const auto* const all = [] {
    auto* filters = new std::vector<Builtin>();
    for (const auto part : {TextFilters(), ListFilters(), SelectFilters(), ScalarFilters()}) {
      filters->insert(filters->end(), part.begin(), part.end());
    }
    return filters;
  }();
  return *all;
}

absl::StatusOr<BoundArguments> BoundArguments::Bind(absl::string_view function,
                                                    const Arguments& arguments,
                                                    std::initializer_list<const char*> names,
                                                    size_t required) {
  BoundArguments bound;
  bound.function_ = std::string(function);
  bound.names_ = names;
  bound.values_.resize(names.size());
  if (arguments.positional.size() > names.size()) {
    return absl::InvalidArgumentError(absl::StrCat(function, "() takes at most ", names.size(),
                                                   " arguments, ", arguments.positional.size(),
                                                   " were given"));
  }
  for (size_t i = 0; i < arguments.positional.size(); ++i) {
    bound.values_[i] = &arguments.positional[i];
  }
  for (const auto& [name, value] : arguments.named) {
    const auto found = std::find(names.begin(), names.end(), name);
    const size_t i = static_cast<size_t>(found - names.begin());
    if (found == names.end() || bound.values_[i] != nullptr) {
      return absl::InvalidArgumentError(
          absl::StrCat(function, "() got ", found == names.end() ? "an unexpected" : "a second",
                       " argument '", name, "'"));
    }
    bound.values_[i] = &value;
  }
  for (size_t i = 0; i < required; ++i) {
    if (bound.values_[i] == nullptr) {
      return absl::InvalidArgumentError(
          absl::StrCat(function, "() is missing the argument '", bound.names_[i], "'"));
    }
  }
  return bound;
}

absl::Status BoundArguments::WrongType(size_t i, const char* wanted) const {
  return absl::InvalidArgumentError(absl::StrCat(function_, "(): ", names_[i], " must be ", wanted,
                                                 ", not ", TypeName(*values_[i])));
}

absl::StatusOr<int64_t> BoundArguments::Integer(size_t i, int64_t absent) const {
  if (!has(i) || at(i)->is(Kind::kNone)) return absent;
  if (!at(i)->is(Kind::kInt) && !at(i)->is(Kind::kBool)) return WrongType(i, "an integer");
  return at(i)->as_integer();
}

bool BoundArguments::Flag(size_t i, bool absent) const { return has(i) ? Truthy(*at(i)) : absent; }

absl::StatusOr<const Text*> BoundArguments::String(size_t i) const {
  if (!has(i) || at(i)->is(Kind::kNone)) return nullptr;
  if (!at(i)->is(Kind::kString)) return WrongType(i, "a string");
  return &at(i)->text();
}

}  // namespace quantd::jinja
