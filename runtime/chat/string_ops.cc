#include "runtime/chat/string_ops.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "kernels/base/status_macros.h"
#include "runtime/chat/operations.h"
#include "runtime/chat/unicode.h"
#include "runtime/tokenizer/utf8.h"

namespace quantd::jinja {
namespace {

// Whether a letter is to be upper, by what stands before it; `before` is 0 at the start.
bool StartsWord(Case change, char32_t before) {
  switch (change) {
    case Case::kUpper:
      return true;
    case Case::kLower:
      return false;
    case Case::kCapitalize:
      return before == 0;
    case Case::kTitleMethod:
      return !IsAlpha(before);
    case Case::kTitleFilter:
      break;
  }
  return before == 0 || IsSpace(before) ||
         absl::string_view("-({[<").find(static_cast<char>(before < 0x80 ? before : 0)) !=
             absl::string_view::npos;
}

bool Holds(absl::string_view characters, absl::string_view character) {
  return characters.find(character) != absl::string_view::npos;
}

}  // namespace

size_t FindBytes(absl::string_view text, absl::string_view wanted, size_t from) {
  if (from > text.size()) return absl::string_view::npos;
  if (wanted.empty()) return from;
  const void* found = memmem(text.data() + from, text.size() - from, wanted.data(), wanted.size());
  return found == nullptr ? absl::string_view::npos
                          : static_cast<size_t>(static_cast<const char*>(found) - text.data());
}

absl::StatusOr<size_t> FindLastBytes(absl::string_view text, absl::string_view wanted,
                                     Budget& budget) {
  QUANTD_RETURN_IF_ERROR(budget.SpendOn(text.size() * (1 + wanted.size() / 64)));
  return text.rfind(wanted);
}

std::vector<TextRange> SplitLines(absl::string_view text, bool keep_ends) {
  std::vector<TextRange> lines;
  size_t line = 0;
  for (size_t at = 0; at < text.size();) {
    size_t next = at + CharacterBytes(text[at]);
    const char32_t code = DecodeUtf8(text.substr(at, next - at));
    const bool ends = (code >= 0x0A && code <= 0x0D) || (code >= 0x1C && code <= 0x1E) ||
                      code == 0x85 || code == 0x2028 || code == 0x2029;
    if (ends) {
      if (code == '\r' && next < text.size() && text[next] == '\n') ++next;
      lines.push_back({line, keep_ends ? next : at});
      line = next;
    }
    at = next;
  }
  if (line < text.size()) lines.push_back({line, text.size()});
  return lines;
}

absl::StatusOr<Value> ChangeCase(const Value& string, Case change, Budget& budget) {
  const Text& text = string.text();
  QUANTD_RETURN_IF_ERROR(budget.SpendOn(text.size(), 8));
  const absl::string_view bytes = text.bytes;
  OutsideCursor cursor(text);
  TextBuilder result(&budget);
  std::string run;  // of characters that are all from outside, or none
  bool outside = false;
  char32_t before = 0;
  for (size_t at = 0; at < bytes.size();) {
    if (cursor.At(at) != outside) {
      result.Append(run, outside);
      run.clear();
      outside = !outside;
    }
    const size_t length = CharacterBytes(bytes[at]);
    const char32_t code = DecodeUtf8(bytes.substr(at, length));
    AppendCharacter(StartsWord(change, before) ? ToUpper(code) : ToLower(code), &run);
    before = code;
    at += length;
  }
  result.Append(run, outside);
  return FinishString(&result, string.markup() && change != Case::kTitleFilter);
}

absl::StatusOr<Value> Strip(const Value& string, const Text* characters, Side side,
                            Budget& budget) {
  const Text& text = string.text();
  QUANTD_RETURN_IF_ERROR(budget.SpendOn(text.size()));
  const absl::string_view bytes = text.bytes;
  size_t begin = 0, end = bytes.size();
  if (characters == nullptr) {
    if (side != Side::kRight) begin = SkipSpace(bytes, 0);
    if (side != Side::kLeft) end = TrimSpaceEnd(bytes, begin, end);
  } else {
    // Each character is sought among all that go.
    QUANTD_RETURN_IF_ERROR(
        budget.Spend(static_cast<int64_t>(bytes.size() * (1 + characters->size() / 64) / 16)));
    while (side != Side::kRight && begin < end) {
      const size_t length = CharacterBytes(bytes[begin]);
      if (!Holds(characters->bytes, bytes.substr(begin, length))) break;
      begin += length;
    }
    while (side != Side::kLeft && end > begin) {
      size_t last = end - 1;
      while (last > begin && (bytes[last] & 0xC0) == 0x80) --last;
      if (!Holds(characters->bytes, bytes.substr(last, end - last))) break;
      end = last;
    }
  }
  TextBuilder result(&budget);
  result.Append(text, begin, end);
  return FinishString(&result, string.markup());
}

absl::StatusOr<Value> Replace(const Text& text, const Text& old, const Text& with, int64_t count,
                              bool markup, Budget& budget) {
  QUANTD_RETURN_IF_ERROR(budget.SpendOn(text.size()));
  const absl::string_view bytes = text.bytes;
  TextBuilder result(&budget);
  size_t at = 0;
  // An empty `old` is found before each character and at the end.
  for (size_t from = 0; count != 0 && !result.exhausted(); --count) {
    const size_t found = FindBytes(bytes, old.bytes, from);
    if (found == absl::string_view::npos) break;
    result.Append(text, at, found);
    result.Append(with);
    at = found + old.size();
    if (old.size() > 0) {
      from = at;
    } else if (found == bytes.size()) {
      break;
    } else {
      from = found + CharacterBytes(bytes[found]);
    }
  }
  result.Append(text, at, bytes.size());
  return FinishString(&result, markup);
}

absl::StatusOr<Value> EscapeHtml(const Value& string, Budget& budget) {
  if (string.markup()) return string;
  const std::string& bytes = string.bytes();
  QUANTD_RETURN_IF_ERROR(budget.SpendOn(bytes.size(), 16));
  OutsideCursor outside(string.text());
  TextBuilder result(&budget);
  size_t at = 0;
  for (size_t next = 0; !result.exhausted(); at = next + 1) {
    next = std::min(bytes.find_first_of("&<>\"'", at), bytes.size());
    result.Append(string.text(), at, next);
    if (next == bytes.size()) break;
    const char c = bytes[next];
    const char* entity = c == '&'   ? "&amp;"
                         : c == '<' ? "&lt;"
                         : c == '>' ? "&gt;"
                         : c == '"' ? "&#34;"
                                    : "&#39;";
    result.Append(entity, outside.At(next));
  }
  return FinishString(&result, /*markup=*/true);
}

absl::StatusOr<Value> AsMarkup(const Value& string, Budget& budget) {
  if (string.markup()) return string;
  TextBuilder result(&budget);
  result.Append(string.text());
  return FinishString(&result, /*markup=*/true);
}

absl::StatusOr<Value> JoinItems(const ListData& items, const Text& separator, bool markup,
                                Budget& budget) {
  TextBuilder result(&budget);
  for (size_t i = 0; i < items.items.size() && !result.exhausted(); ++i) {
    if (i > 0) result.Append(separator);
    AppendString(items.items[i], &result);
  }
  return FinishString(&result, markup);
}

}  // namespace quantd::jinja
