// The filters that make text.
#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "kernels/base/status_macros.h"
#include "runtime/chat/builtin.h"
#include "runtime/chat/format.h"
#include "runtime/chat/json.h"
#include "runtime/chat/operations.h"
#include "runtime/chat/string_ops.h"

namespace quantd::jinja {
namespace {

template <Case kChange>
absl::StatusOr<Value> ChangeCaseOf(Runtime& runtime, const Value& self, const Arguments& given) {
  QUANTD_RETURN_IF_ERROR(BoundArguments::Bind("a case filter", given, {}).status());
  QUANTD_ASSIGN_OR_RETURN(const Value string, ToString(self, runtime.budget()));
  return ChangeCase(string, kChange, runtime.budget());
}

absl::StatusOr<Value> Trim(Runtime& runtime, const Value& self, const Arguments& given) {
  QUANTD_ASSIGN_OR_RETURN(const auto arguments, BoundArguments::Bind("trim", given, {"chars"}));
  QUANTD_ASSIGN_OR_RETURN(const Text* characters, arguments.String(0));
  QUANTD_ASSIGN_OR_RETURN(const Value string, ToString(self, runtime.budget()));
  return Strip(string, characters, Side::kBoth, runtime.budget());
}

absl::StatusOr<Value> ReplaceIn(Runtime& runtime, const Value& self, const Arguments& given) {
  QUANTD_ASSIGN_OR_RETURN(const auto arguments,
                          BoundArguments::Bind("replace", given, {"old", "new", "count"}, 2));
  Budget& budget = runtime.budget();
  QUANTD_ASSIGN_OR_RETURN(const Value string, ToString(self, budget));
  QUANTD_ASSIGN_OR_RETURN(const Value old, ToString(*arguments.at(0), budget));
  QUANTD_ASSIGN_OR_RETURN(const Value with, ToString(*arguments.at(1), budget));
  QUANTD_ASSIGN_OR_RETURN(const int64_t count, arguments.Integer(2, -1));
  return Replace(string.text(), old.text(), with.text(), count, /*markup=*/false, budget);
}

absl::StatusOr<Value> AsString(Runtime& runtime, const Value& self, const Arguments& given) {
  QUANTD_RETURN_IF_ERROR(BoundArguments::Bind("string", given, {}).status());
  return ToString(self, runtime.budget());
}

absl::StatusOr<Value> Safe(Runtime& runtime, const Value& self, const Arguments& given) {
  QUANTD_ASSIGN_OR_RETURN(const Value string, AsString(runtime, self, given));
  return AsMarkup(string, runtime.budget());
}

absl::StatusOr<Value> Escape(Runtime& runtime, const Value& self, const Arguments& given) {
  QUANTD_ASSIGN_OR_RETURN(const Value string, AsString(runtime, self, given));
  return EscapeHtml(string, runtime.budget());
}

absl::StatusOr<Value> ForceEscape(Runtime& runtime, const Value& self, const Arguments& given) {
  QUANTD_ASSIGN_OR_RETURN(const Value string, AsString(runtime, self, given));
  TextBuilder plain(&runtime.budget());
  plain.Append(string.text());
  QUANTD_ASSIGN_OR_RETURN(const Value unmarked, FinishString(&plain));
  return EscapeHtml(unmarked, runtime.budget());
}

absl::StatusOr<Value> Indent(Runtime& runtime, const Value& self, const Arguments& given) {
  QUANTD_ASSIGN_OR_RETURN(const auto arguments,
                          BoundArguments::Bind("indent", given, {"width", "first", "blank"}));
  if (self.is(Kind::kUndefined)) return UndefinedError(self);
  if (!self.is(Kind::kString)) return absl::InvalidArgumentError("indent: not a string");
  Text indention;
  if (arguments.has(0) && arguments.at(0)->is(Kind::kString)) {
    indention = arguments.at(0)->text();
  } else {
    QUANTD_ASSIGN_OR_RETURN(const int64_t width, arguments.Integer(0, 4));
    if (width > 1000) return absl::InvalidArgumentError("indent: a width over 1000");
    indention.bytes.assign(static_cast<size_t>(std::max<int64_t>(width, 0)), ' ');
  }
  const Text& text = self.text();
  QUANTD_RETURN_IF_ERROR(runtime.budget().SpendOn(text.size(), 8));
  TextBuilder result(&runtime.budget());
  if (arguments.Flag(1, false)) result.Append(indention);
  bool first = true;
  // With a line end appended, a text that ends in one keeps it as a last, empty line.
  for (const TextRange& line : SplitLines(absl::StrCat(text.bytes, "\n"), /*keep_ends=*/false)) {
    if (result.exhausted()) break;
    if (!std::exchange(first, false)) {
      result.Append("\n");
      if (line.begin < line.end || arguments.Flag(2, false)) result.Append(indention);
    }
    result.Append(text, line.begin, line.end);
  }
  return FinishString(&result, self.markup());
}

absl::StatusOr<JsonStyle> ReadJsonStyle(const BoundArguments& arguments) {
  JsonStyle style;
  style.ensure_ascii = arguments.Flag(0, false);
  style.sort_keys = arguments.Flag(3, false);
  if (arguments.has(1) && arguments.at(1)->is(Kind::kString)) {
    style.indent = arguments.at(1)->bytes();
  } else if (arguments.has(1) && !arguments.at(1)->is(Kind::kNone)) {
    QUANTD_ASSIGN_OR_RETURN(const int64_t width, arguments.Integer(1, 0));
    if (width > 100) return absl::InvalidArgumentError("tojson: an indent over 100");
    style.indent.emplace(static_cast<size_t>(std::max<int64_t>(width, 0)), ' ');
  }
  if (style.indent.has_value()) style.item_separator = std::string(",");
  if (arguments.has(2) && !arguments.at(2)->is(Kind::kNone)) {
    const Value& separators = *arguments.at(2);
    if (!separators.is(Kind::kList) || separators.list()->items.size() != 2 ||
        !separators.list()->items[0].is(Kind::kString) ||
        !separators.list()->items[1].is(Kind::kString)) {
      return absl::InvalidArgumentError("tojson: separators must be two strings");
    }
    style.item_separator = separators.list()->items[0].bytes();
    style.key_separator = separators.list()->items[1].bytes();
  }
  return style;
}

// Not Jinja's own, which escapes for HTML, but that of transformers: json.dumps without
// ensure_ascii.
absl::StatusOr<Value> ToJson(Runtime& runtime, const Value& self, const Arguments& given) {
  QUANTD_ASSIGN_OR_RETURN(
      const auto arguments,
      BoundArguments::Bind("tojson", given, {"ensure_ascii", "indent", "separators", "sort_keys"}));
  QUANTD_ASSIGN_OR_RETURN(const JsonStyle style, ReadJsonStyle(arguments));
  TextBuilder result(&runtime.budget());
  QUANTD_RETURN_IF_ERROR(AppendJson(self, style, runtime.budget(), &result));
  return FinishString(&result);
}

absl::StatusOr<Value> Format(Runtime& runtime, const Value& self, const Arguments& given) {
  if (!given.named.empty()) {
    return absl::InvalidArgumentError("format: named values are not supported");
  }
  QUANTD_ASSIGN_OR_RETURN(const Value string, ToString(self, runtime.budget()));
  QUANTD_ASSIGN_OR_RETURN(const Value values,
                          MakeList(&runtime.budget(), given.positional, ListType::kTuple));
  return FormatPercent(string, values, runtime.budget());
}

constexpr Builtin kFilters[] = {
    {"capitalize", ChangeCaseOf<Case::kCapitalize>},
    {"e", Escape},
    {"escape", Escape},
    {"forceescape", ForceEscape},
    {"format", Format},
    {"indent", Indent},
    {"lower", ChangeCaseOf<Case::kLower>},
    {"replace", ReplaceIn},
    {"safe", Safe},
    {"string", AsString},
    {"title", ChangeCaseOf<Case::kTitleFilter>},
    {"tojson", ToJson},
    {"trim", Trim},
    {"upper", ChangeCaseOf<Case::kUpper>},
};

}  // namespace

absl::Span<const Builtin> TextFilters() { return kFilters; }

}  // namespace quantd::jinja
