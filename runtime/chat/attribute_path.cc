#include "runtime/chat/attribute_path.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "kernels/base/status_macros.h"
#include "runtime/chat/access.h"

namespace quantd::jinja {
namespace {

Value Part(absl::string_view name) {
  int64_t index = 0;
  const bool digits = !name.empty() && name.find_first_not_of("0123456789") == name.npos;
  return digits && absl::SimpleAtoi(name, &index) ? Value::Int(index) : MakeString(name);
}

}  // namespace

absl::StatusOr<AttributePath> AttributePath::Parse(const Value* attribute) {
  AttributePath path;
  if (attribute == nullptr || attribute->is(Kind::kNone)) return path;
  if (attribute->is(Kind::kInt)) {
    path.parts_.push_back(*attribute);
  } else if (attribute->is(Kind::kString)) {
    for (const absl::string_view name : absl::StrSplit(attribute->bytes(), '.')) {
      path.parts_.push_back(Part(name));
    }
  } else {
    return absl::InvalidArgumentError("an attribute must be a string or an integer");
  }
  return path;
}

absl::StatusOr<std::vector<AttributePath>> AttributePath::ParseList(const Value* attribute) {
  std::vector<AttributePath> paths;
  if (attribute == nullptr || !attribute->is(Kind::kString)) {
    QUANTD_ASSIGN_OR_RETURN(AttributePath path, Parse(attribute));
    paths.push_back(std::move(path));
    return paths;
  }
  for (const absl::string_view name : absl::StrSplit(attribute->bytes(), ',')) {
    const Value string = MakeString(name);
    QUANTD_ASSIGN_OR_RETURN(AttributePath path, Parse(&string));
    paths.push_back(std::move(path));
  }
  return paths;
}

absl::StatusOr<Value> AttributePath::Follow(const Value& item, const Value* absent,
                                            Budget& budget) const {
  Value value = item;
  for (const Value& part : parts_) {
    QUANTD_RETURN_IF_ERROR(budget.Spend());
    QUANTD_ASSIGN_OR_RETURN(value, GetItem(value, part, budget));
    if (absent != nullptr && value.is(Kind::kUndefined)) value = *absent;
  }
  return value;
}

}  // namespace quantd::jinja
