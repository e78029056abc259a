#include "server/log_format.h"

#include <cstdint>

#include "absl/strings/str_format.h"
#include "runtime/tokenizer/utf8.h"

namespace quantd {
namespace {

// A byte of well-formed UTF-8; those above 0x7F stand for themselves.
void AppendEscapedByte(unsigned char c, std::string* out) {
  switch (c) {
    case '"':
      *out += "\\\"";
      return;
    case '\\':
      *out += "\\\\";
      return;
    case '\n':
      *out += "\\n";
      return;
    case '\r':
      *out += "\\r";
      return;
    case '\t':
      *out += "\\t";
      return;
    default:
      break;
  }
  if (c < 0x20 || c == 0x7F) {
    absl::StrAppendFormat(out, "\\u%04x", c);
  } else {
    out->push_back(static_cast<char>(c));
  }
}

}  // namespace

void AppendJsonEscaped(absl::string_view text, std::string* out) {
  std::string clean;
  AppendUtf8(text, /*at_end=*/true, &clean);
  for (const char c : clean) AppendEscapedByte(static_cast<unsigned char>(c), out);
}

void AppendTextValue(absl::string_view text, std::string* out) {
  bool plain = !text.empty();
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    plain = plain && byte > 0x20 && byte < 0x7F && c != '"' && c != '\\' && c != '=';
  }
  if (plain) {
    out->append(text.data(), text.size());
    return;
  }
  out->push_back('"');
  AppendJsonEscaped(text, out);
  out->push_back('"');
}

}  // namespace quantd
