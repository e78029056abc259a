// The methods of strings.
#include <algorithm>
#include <functional>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "kernels/base/status_macros.h"
#include "runtime/chat/builtin.h"
#include "runtime/chat/format.h"
#include "runtime/chat/operations.h"
#include "runtime/chat/string_ops.h"
#include "runtime/chat/unicode.h"
#include "runtime/tokenizer/utf8.h"

namespace quantd::jinja {
namespace {

template <Case kChange>
absl::StatusOr<Value> ChangeCaseOf(Runtime& runtime, const Value& self, const Arguments& given) {
  QUANTD_RETURN_IF_ERROR(BoundArguments::Bind("a case method", given, {}).status());
  return ChangeCase(self, kChange, runtime.budget());
}

template <Side kSide>
absl::StatusOr<Value> StripSide(Runtime& runtime, const Value& self, const Arguments& given) {
  QUANTD_ASSIGN_OR_RETURN(const auto arguments, BoundArguments::Bind("strip", given, {"chars"}));
  QUANTD_ASSIGN_OR_RETURN(const Text* characters, arguments.String(0));
  return Strip(self, characters, kSide, runtime.budget());
}

absl::StatusOr<Value> Piece(const Value& string, size_t begin, size_t end, Budget& budget) {
  TextBuilder piece(&budget);
  piece.Append(string.text(), begin, end);
  return FinishString(&piece, string.markup());
}

absl::StatusOr<std::vector<Value>> Pieces(const Value& string, const std::vector<TextRange>& ranges,
                                          Budget& budget) {
  std::vector<Value> pieces;
  for (const TextRange& range : ranges) {
    QUANTD_ASSIGN_OR_RETURN(Value piece, Piece(string, range.begin, range.end, budget));
    pieces.push_back(std::move(piece));
  }
  return pieces;
}

// split() at white space: words without empty ones between; what is left after `limit` splits
// keeps its inner white space.
std::vector<TextRange> SplitAtSpace(absl::string_view bytes, int64_t limit) {
  std::vector<TextRange> words;
  for (size_t at = SkipSpace(bytes, 0); at < bytes.size();) {
    size_t end = at;
    if (limit >= 0 && static_cast<int64_t>(words.size()) >= limit) {
      end = bytes.size();
    } else {
      while (end < bytes.size() && SkipSpace(bytes, end) == end) end += CharacterBytes(bytes[end]);
    }
    words.push_back({at, end});
    at = SkipSpace(bytes, end);
  }
  return words;
}

// The same from the right: the last words first.
std::vector<TextRange> SplitAtSpaceFromRight(absl::string_view bytes, int64_t limit) {
  std::vector<TextRange> words;
  for (size_t end = TrimSpaceEnd(bytes, 0, bytes.size()); end > 0;) {
    size_t begin = end;
    if (limit >= 0 && static_cast<int64_t>(words.size()) >= limit) {
      begin = SkipSpace(bytes, 0) < end ? 0 : end;
    } else {
      while (begin > 0 && TrimSpaceEnd(bytes, 0, begin) == begin) {
        --begin;
        while (begin > 0 && (bytes[begin] & 0xC0) == 0x80) --begin;
      }
    }
    words.push_back({begin, end});
    end = TrimSpaceEnd(bytes, 0, begin);
  }
  std::reverse(words.begin(), words.end());
  return words;
}

std::vector<TextRange> SplitAt(absl::string_view bytes, absl::string_view mark, int64_t limit) {
  std::vector<TextRange> pieces;
  size_t at = 0;
  for (; limit != 0; --limit) {
    const size_t found = FindBytes(bytes, mark, at);
    if (found == absl::string_view::npos) break;
    pieces.push_back({at, found});
    at = found + mark.size();
  }
  pieces.push_back({at, bytes.size()});
  return pieces;
}

absl::StatusOr<std::vector<TextRange>> SplitAtFromRight(absl::string_view bytes,
                                                        absl::string_view mark, int64_t limit,
                                                        Budget& budget) {
  std::vector<TextRange> pieces;
  size_t end = bytes.size();
  for (; limit != 0; --limit) {
    QUANTD_ASSIGN_OR_RETURN(const size_t found, FindLastBytes(bytes.substr(0, end), mark, budget));
    if (found == absl::string_view::npos) break;
    pieces.push_back({found + mark.size(), end});
    end = found;
  }
  pieces.push_back({0, end});
  std::reverse(pieces.begin(), pieces.end());
  return pieces;
}

template <bool kFromRight>
absl::StatusOr<Value> Split(Runtime& runtime, const Value& self, const Arguments& given) {
  QUANTD_ASSIGN_OR_RETURN(const auto arguments,
                          BoundArguments::Bind("split", given, {"sep", "maxsplit"}));
  QUANTD_ASSIGN_OR_RETURN(const Text* mark, arguments.String(0));
  QUANTD_ASSIGN_OR_RETURN(const int64_t limit, arguments.Integer(1, -1));
  if (mark != nullptr && mark->bytes.empty()) return absl::InvalidArgumentError("empty separator");
  Budget& budget = runtime.budget();
  QUANTD_RETURN_IF_ERROR(budget.SpendOn(self.text().size(), mark == nullptr ? 8 : 64));
  const absl::string_view bytes = self.bytes();
  std::vector<TextRange> ranges;
  if (mark == nullptr) {
    ranges = kFromRight ? SplitAtSpaceFromRight(bytes, limit) : SplitAtSpace(bytes, limit);
  } else if (kFromRight) {
    QUANTD_ASSIGN_OR_RETURN(ranges, SplitAtFromRight(bytes, mark->bytes, limit, budget));
  } else {
    ranges = SplitAt(bytes, mark->bytes, limit);
  }
  QUANTD_ASSIGN_OR_RETURN(std::vector<Value> pieces, Pieces(self, ranges, budget));
  return MakeList(&budget, std::move(pieces));
}

absl::StatusOr<Value> SplitAtLines(Runtime& runtime, const Value& self, const Arguments& given) {
  QUANTD_ASSIGN_OR_RETURN(const auto arguments,
                          BoundArguments::Bind("splitlines", given, {"keepends"}));
  Budget& budget = runtime.budget();
  QUANTD_RETURN_IF_ERROR(budget.SpendOn(self.text().size(), 8));
  QUANTD_ASSIGN_OR_RETURN(std::vector<Value> lines,
                          Pieces(self, SplitLines(self.bytes(), arguments.Flag(0, false)), budget));
  return MakeList(&budget, std::move(lines));
}

template <bool kFromRight>
absl::StatusOr<Value> Partition(Runtime& runtime, const Value& self, const Arguments& given) {
  QUANTD_ASSIGN_OR_RETURN(const auto arguments,
                          BoundArguments::Bind("partition", given, {"sep"}, 1));
  QUANTD_ASSIGN_OR_RETURN(const Text* mark, arguments.String(0));
  if (mark == nullptr || mark->bytes.empty()) {
    return absl::InvalidArgumentError("empty separator");
  }
  Budget& budget = runtime.budget();
  const absl::string_view bytes = self.bytes();
  QUANTD_RETURN_IF_ERROR(budget.SpendOn(bytes.size()));
  size_t found = 0;
  if (kFromRight) {
    QUANTD_ASSIGN_OR_RETURN(found, FindLastBytes(bytes, mark->bytes, budget));
  } else {
    found = FindBytes(bytes, mark->bytes);
  }
  std::vector<TextRange> ranges;
  if (found != absl::string_view::npos) {
    const size_t after = found + mark->size();
    ranges = {{0, found}, {found, after}, {after, bytes.size()}};
  } else if (kFromRight) {
    ranges = {{0, 0}, {0, 0}, {0, bytes.size()}};
  } else {
    ranges = {{0, bytes.size()}, {0, 0}, {0, 0}};
  }
  QUANTD_ASSIGN_OR_RETURN(std::vector<Value> pieces, Pieces(self, ranges, budget));
  return MakeList(&budget, std::move(pieces), ListType::kTuple);
}

// startswith and endswith take one string, or a tuple of which any will do.
template <bool kEnd>
absl::StatusOr<Value> HasAffix(Runtime& runtime, const Value& self, const Arguments& given) {
  QUANTD_ASSIGN_OR_RETURN(
      const auto arguments,
      BoundArguments::Bind(kEnd ? "endswith" : "startswith", given, {"affix"}, 1));
  const Value& affix = *arguments.at(0);
  const auto matches = [&](const Value& candidate) {
    return kEnd ? absl::EndsWith(self.bytes(), candidate.bytes())
                : absl::StartsWith(self.bytes(), candidate.bytes());
  };
  if (affix.is(Kind::kList) && affix.list()->type == ListType::kTuple) {
    bool any = false;
    for (const Value& candidate : affix.list()->items) {
      const size_t size = candidate.is(Kind::kString) ? candidate.bytes().size() : 0;
      QUANTD_RETURN_IF_ERROR(runtime.budget().SpendOn(size));
      any = any || (candidate.is(Kind::kString) && matches(candidate));
    }
    return Value::Bool(any);
  }
  if (affix.is(Kind::kUndefined)) return UndefinedError(affix);
  QUANTD_RETURN_IF_ERROR(arguments.String(0).status());
  return Value::Bool(affix.is(Kind::kString) && matches(affix));
}

absl::StatusOr<Value> RemovePrefix(Runtime& runtime, const Value& self, const Arguments& given) {
  QUANTD_ASSIGN_OR_RETURN(const auto arguments,
                          BoundArguments::Bind("removeprefix", given, {"prefix"}, 1));
  QUANTD_ASSIGN_OR_RETURN(const Text* prefix, arguments.String(0));
  if (prefix == nullptr || !absl::StartsWith(self.bytes(), prefix->bytes)) return self;
  return Piece(self, prefix->size(), self.text().size(), runtime.budget());
}

absl::StatusOr<Value> RemoveSuffix(Runtime& runtime, const Value& self, const Arguments& given) {
  QUANTD_ASSIGN_OR_RETURN(const auto arguments,
                          BoundArguments::Bind("removesuffix", given, {"suffix"}, 1));
  QUANTD_ASSIGN_OR_RETURN(const Text* suffix, arguments.String(0));
  if (suffix == nullptr || !absl::EndsWith(self.bytes(), suffix->bytes)) return self;
  return Piece(self, 0, self.text().size() - suffix->size(), runtime.budget());
}

absl::StatusOr<Value> ReplaceAll(Runtime& runtime, const Value& self, const Arguments& given) {
  QUANTD_ASSIGN_OR_RETURN(const auto arguments,
                          BoundArguments::Bind("replace", given, {"old", "new", "count"}, 2));
  QUANTD_ASSIGN_OR_RETURN(const Text* old, arguments.String(0));
  QUANTD_ASSIGN_OR_RETURN(const Text* with, arguments.String(1));
  QUANTD_ASSIGN_OR_RETURN(const int64_t count, arguments.Integer(2, -1));
  if (old == nullptr || with == nullptr) {
    return absl::InvalidArgumentError("replace() takes two strings");
  }
  if (!self.markup()) return Replace(self.text(), *old, *with, count, false, runtime.budget());
  QUANTD_ASSIGN_OR_RETURN(const Value escaped, EscapeHtml(*arguments.at(1), runtime.budget()));
  return Replace(self.text(), *old, escaped.text(), count, true, runtime.budget());
}

absl::StatusOr<Value> Join(Runtime& runtime, const Value& self, const Arguments& given) {
  QUANTD_ASSIGN_OR_RETURN(const auto arguments,
                          BoundArguments::Bind("join", given, {"iterable"}, 1));
  QUANTD_ASSIGN_OR_RETURN(const ListPtr items, Iterate(*arguments.at(0), runtime.budget()));
  std::vector<Value> strings;
  for (const Value& item : items->items) {
    QUANTD_RETURN_IF_ERROR(runtime.budget().Spend());
    if (!item.is(Kind::kString)) {
      return absl::InvalidArgumentError(
          absl::StrCat("sequence item: expected str instance, ", TypeName(item), " found"));
    }
    strings.push_back(item);
    if (!self.markup()) continue;
    QUANTD_ASSIGN_OR_RETURN(strings.back(), EscapeHtml(item, runtime.budget()));
  }
  QUANTD_ASSIGN_OR_RETURN(const Value list, MakeList(&runtime.budget(), std::move(strings)));
  return JoinItems(*list.list(), self.text(), self.markup(), runtime.budget());
}

// find, rfind and count answer in characters; -1 means not found.
template <bool kFromRight>
absl::StatusOr<Value> Find(Runtime& runtime, const Value& self, const Arguments& given) {
  QUANTD_ASSIGN_OR_RETURN(const auto arguments, BoundArguments::Bind("find", given, {"sub"}, 1));
  QUANTD_ASSIGN_OR_RETURN(const Text* wanted, arguments.String(0));
  if (wanted == nullptr) return absl::InvalidArgumentError("find() takes a string");
  QUANTD_RETURN_IF_ERROR(runtime.budget().SpendOn(self.text().size()));
  const absl::string_view bytes = self.bytes();
  size_t found = 0;
  if (kFromRight) {
    QUANTD_ASSIGN_OR_RETURN(found, FindLastBytes(bytes, wanted->bytes, runtime.budget()));
  } else {
    found = FindBytes(bytes, wanted->bytes);
  }
  if (found == absl::string_view::npos) return Value::Int(-1);
  return Value::Int(static_cast<int64_t>(CountCharacters(bytes.substr(0, found))));
}

absl::StatusOr<Value> Count(Runtime& runtime, const Value& self, const Arguments& given) {
  QUANTD_ASSIGN_OR_RETURN(const auto arguments, BoundArguments::Bind("count", given, {"sub"}, 1));
  QUANTD_ASSIGN_OR_RETURN(const Text* wanted, arguments.String(0));
  if (wanted == nullptr) return absl::InvalidArgumentError("count() takes a string");
  QUANTD_RETURN_IF_ERROR(runtime.budget().SpendOn(self.text().size()));
  const absl::string_view bytes = self.bytes();
  if (wanted->bytes.empty()) {
    return Value::Int(static_cast<int64_t>(CountCharacters(bytes)) + 1);
  }
  int64_t count = 0;
  for (size_t at = FindBytes(bytes, wanted->bytes); at != absl::string_view::npos;
       at = FindBytes(bytes, wanted->bytes, at + wanted->size())) {
    ++count;
  }
  return Value::Int(count);
}

bool IsDigit(char32_t code) { return code >= '0' && code <= '9'; }

// isdigit and the like: not empty, and every character is such.
template <bool (*kIs)(char32_t)>
absl::StatusOr<Value> AllAre(Runtime& runtime, const Value& self, const Arguments& given) {
  QUANTD_RETURN_IF_ERROR(BoundArguments::Bind("a character test", given, {}).status());
  QUANTD_RETURN_IF_ERROR(runtime.budget().SpendOn(self.text().size(), 16));
  const absl::string_view bytes = self.bytes();
  for (size_t at = 0; at < bytes.size();) {
    const size_t length = CharacterBytes(bytes[at]);
    if (!kIs(DecodeUtf8(bytes.substr(at, length)))) return Value::Bool(false);
    at += length;
  }
  return Value::Bool(!bytes.empty());
}

bool IsAlphaOrDigit(char32_t code) { return IsAlpha(code) || IsDigit(code); }

absl::StatusOr<Value> Format(Runtime& runtime, const Value& self, const Arguments& given) {
  return FormatBraces(self, given, runtime.budget());
}

constexpr Builtin kMethods[] = {
    {"capitalize", ChangeCaseOf<Case::kCapitalize>},
    {"count", Count},
    {"endswith", HasAffix<true>},
    {"find", Find<false>},
    {"format", Format},
    {"isalnum", AllAre<IsAlphaOrDigit>},
    {"isalpha", AllAre<IsAlpha>},
    {"isdigit", AllAre<IsDigit>},
    {"isspace", AllAre<IsSpace>},
    {"join", Join},
    {"lower", ChangeCaseOf<Case::kLower>},
    {"lstrip", StripSide<Side::kLeft>},
    {"partition", Partition<false>},
    {"removeprefix", RemovePrefix},
    {"removesuffix", RemoveSuffix},
    {"replace", ReplaceAll},
    {"rfind", Find<true>},
    {"rpartition", Partition<true>},
    {"rsplit", Split<true>},
    {"rstrip", StripSide<Side::kRight>},
    {"split", Split<false>},
    {"splitlines", SplitAtLines},
    {"startswith", HasAffix<false>},
    {"strip", StripSide<Side::kBoth>},
    {"title", ChangeCaseOf<Case::kTitleMethod>},
    {"upper", ChangeCaseOf<Case::kUpper>},
};

}  // namespace

absl::Span<const Builtin> StringMethods() { return kMethods; }

}  // namespace quantd::jinja
