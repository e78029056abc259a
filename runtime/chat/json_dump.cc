#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "kernels/base/status_macros.h"
#include "runtime/chat/json.h"
#include "runtime/chat/operations.h"
#include "runtime/chat/unicode.h"
#include "runtime/tokenizer/utf8.h"

namespace quantd::jinja {
namespace {

/// The escape of a character that cannot stand for itself, or "".
std::string EscapeOf(char32_t code, bool ensure_ascii) {
  switch (code) {
    case '"':
      return "\\\"";
    case '\\':
      return "\\\\";
    case '\n':
      return "\\n";
    case '\r':
      return "\\r";
    case '\t':
      return "\\t";
    case '\f':
      return "\\f";
    case '\b':
      return "\\b";
    default:
      break;
  }
  const uint32_t number = code;
  if (number < 0x20 || (ensure_ascii && number >= 0x7F && number < 0x10000 && number != 0x7F)) {
    return absl::StrFormat("\\u%04x", number);
  }
  if (!ensure_ascii || number < 0x10000) return "";
  const uint32_t rest = number - 0x10000;  // as a pair of surrogates
  return absl::StrFormat("\\u%04x\\u%04x", 0xD800 | rest >> 10, 0xDC00 | (rest & 0x3FF));
}

class Dumper {
 public:
  Dumper(const JsonStyle& style, Budget& budget, TextBuilder* out)
      : style_(style), budget_(budget), out_(out) {}

  absl::Status Dump(const Value& value, int level) {
    QUANTD_RETURN_IF_ERROR(budget_.Spend());
    switch (value.kind()) {
      case Kind::kString:
        return DumpString(value.text());
      case Kind::kDict:
        return DumpDict(value.dict(), level);
      case Kind::kList:
        if (value.list()->type == ListType::kList || value.list()->type == ListType::kTuple) {
          return DumpList(*value.list(), level);
        }
        break;
      case Kind::kNone:
      case Kind::kBool:
      case Kind::kInt:
      case Kind::kFloat:
        out_->Append(ScalarText(value));
        return absl::OkStatus();
      default:
        break;
    }
    return absl::InvalidArgumentError(
        absl::StrCat("Object of type ", TypeName(value), " is not JSON serializable"));
  }

 private:
  static std::string ScalarText(const Value& value) {
    if (value.is(Kind::kNone)) return "null";
    if (value.is(Kind::kBool)) return value.boolean() ? "true" : "false";
    if (value.is(Kind::kInt)) return absl::StrCat(value.integer());
    if (std::isnan(value.floating())) return "NaN";
    if (std::isinf(value.floating())) return value.floating() < 0 ? "-Infinity" : "Infinity";
    return FloatText(value.floating());
  }

  absl::Status DumpString(const Text& text) {
    QUANTD_RETURN_IF_ERROR(budget_.SpendOn(text.size(), 16));
    const absl::string_view bytes = text.bytes;
    out_->Append("\"");
    OutsideCursor outside(text);
    size_t plain = 0;  // where the characters that stand for themselves begin
    for (size_t at = 0; at < bytes.size() && !out_->exhausted();) {
      const size_t length = CharacterBytes(bytes[at]);
      const std::string escape =
          EscapeOf(DecodeUtf8(bytes.substr(at, length)), style_.ensure_ascii);
      if (!escape.empty()) {
        out_->Append(text, plain, at);
        out_->Append(escape, outside.At(at));
        plain = at + length;
      }
      at += length;
    }
    out_->Append(text, plain, bytes.size());
    out_->Append("\"");
    return absl::OkStatus();
  }

  void NewLine(int level) {
    if (!style_.indent.has_value()) return;
    out_->Append("\n");
    for (int i = 0; i < level; ++i) out_->Append(*style_.indent);
  }

  absl::Status DumpList(const ListData& list, int level) {
    if (list.items.empty()) {
      out_->Append("[]");
      return absl::OkStatus();
    }
    out_->Append("[");
    bool first = true;
    for (const Value& item : list.items) {
      if (!std::exchange(first, false)) out_->Append(style_.item_separator);
      NewLine(level + 1);
      QUANTD_RETURN_IF_ERROR(Dump(item, level + 1));
    }
    NewLine(level);
    out_->Append("]");
    return absl::OkStatus();
  }

  absl::Status DumpDict(const DictData& dict, int level) {
    if (dict.entries.empty()) {
      out_->Append("{}");
      return absl::OkStatus();
    }
    std::vector<const std::pair<Value, Value>*> entries;
    for (const auto& entry : dict.entries) entries.push_back(&entry);
    if (style_.sort_keys) QUANTD_RETURN_IF_ERROR(Sort(&entries));
    out_->Append("{");
    bool first = true;
    for (const auto* entry : entries) {
      if (!std::exchange(first, false)) out_->Append(style_.item_separator);
      NewLine(level + 1);
      QUANTD_RETURN_IF_ERROR(DumpKey(entry->first));
      out_->Append(style_.key_separator);
      QUANTD_RETURN_IF_ERROR(Dump(entry->second, level + 1));
    }
    NewLine(level);
    out_->Append("}");
    return absl::OkStatus();
  }

  absl::Status DumpKey(const Value& key) {
    if (key.is(Kind::kString)) return DumpString(key.text());
    if (key.is(Kind::kUndefined)) return absl::InvalidArgumentError("a key is undefined");
    out_->Append(absl::StrCat("\"", ScalarText(key), "\""));
    return absl::OkStatus();
  }

  absl::Status Sort(std::vector<const std::pair<Value, Value>*>* entries) {
    for (const auto* entry : *entries) {
      QUANTD_RETURN_IF_ERROR(budget_.SpendOn(entries->size(), 4));
      if (!entry->first.is(Kind::kString)) {
        return absl::InvalidArgumentError("sort_keys: only strings can be sorted as keys");
      }
    }
    std::sort(entries->begin(), entries->end(),
              [](const auto* a, const auto* b) { return a->first.bytes() < b->first.bytes(); });
    return absl::OkStatus();
  }

  const JsonStyle& style_;
  Budget& budget_;
  TextBuilder* out_;
};

}  // namespace

absl::Status AppendJson(const Value& value, const JsonStyle& style, Budget& budget,
                        TextBuilder* out) {
  return Dumper(style, budget, out).Dump(value, 0);
}

}  // namespace quantd::jinja
