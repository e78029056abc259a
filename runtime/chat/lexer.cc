#include "runtime/chat/lexer.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "kernels/base/status_macros.h"
#include "runtime/chat/string_literal.h"
#include "runtime/chat/unicode.h"

namespace quantd::jinja {
namespace {

constexpr size_t kMaxName = 1000;

// Longest first.
constexpr absl::string_view kOperators[] = {"//", "**", "==", "!=", ">=", "<=", "+", "-", "/",
                                            "*",  "%",  "~",  "[",  "]",  "(",  ")", "{", "}",
                                            ">",  "<",  "=",  ".",  ":",  "|",  ",", ";"};

bool IsNameStart(char c) { return absl::ascii_isalpha(static_cast<unsigned char>(c)) || c == '_'; }
bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsNameByte(char c) { return IsNameStart(c) || IsDigit(c); }

class Lexer {
 public:
  explicit Lexer(absl::string_view source)
      : source_(absl::StrReplaceAll(source, {{"\r\n", "\n"}, {"\r", "\n"}})) {
    // One line end at the end of a template is not part of it.
    if (absl::EndsWith(source_, "\n")) source_.pop_back();
    all_ = source_;
  }

  absl::StatusOr<std::vector<Token>> Run() && {
    while (at_ < all_.size()) QUANTD_RETURN_IF_ERROR(LexOutside());
    Add(TokenKind::kEnd, "");
    return std::move(tokens_);
  }

 private:
  bool Sees(absl::string_view text, size_t at) const {
    return absl::StartsWith(all_.substr(std::min(at, all_.size())), text);
  }
  /// Goes on to `to`, counting lines.
  void Advance(size_t to) {
    line_ += static_cast<int>(std::count(all_.begin() + static_cast<ptrdiff_t>(at_),
                                         all_.begin() + static_cast<ptrdiff_t>(to), '\n'));
    at_ = to;
  }
  void Add(TokenKind kind, absl::string_view text) {
    tokens_.push_back({kind, line_, std::string(text)});
  }
  void AddData(absl::string_view text) {
    if (!text.empty()) Add(TokenKind::kData, text);
  }

  /// Data up to the next tag, and the tag.
  absl::Status LexOutside() {
    size_t tag = at_;
    do {
      tag = std::min(all_.find('{', tag), all_.size());
      if (Sees("{{", tag) || Sees("{%", tag) || Sees("{#", tag)) break;
      if (tag < all_.size()) ++tag;
    } while (tag < all_.size());
    if (tag == all_.size()) {
      AddData(all_.substr(at_));
      Advance(tag);
      return absl::OkStatus();
    }
    const char type = all_[tag + 1];
    const char sign = ControlSign(tag + 2);
    AddData(Stripped(all_.substr(at_, tag - at_), sign, /*block=*/type != '{'));
    Advance(tag);
    const size_t inside = tag + (sign == 0 ? 2 : 3);
    if (type == '#') return SkipComment(inside);
    if (type == '%') {
      const size_t raw = RawTagEnd(inside);
      if (raw != absl::string_view::npos) return LexRaw(raw);
    }
    Add(type == '{' ? TokenKind::kVariableBegin : TokenKind::kBlockBegin, "");
    Advance(inside);
    return LexInside(type == '{');
  }

  char ControlSign(size_t at) const { return Sees("-", at) ? '-' : Sees("+", at) ? '+' : '\0'; }

  /// Data before a tag, without the white space that the tag takes away.
  absl::string_view Stripped(absl::string_view data, char sign, bool block) const {
    if (sign == '-') return data.substr(0, TrimSpaceEnd(data, 0, data.size()));
    if (sign == '+' || !block) return data;
    const size_t line = data.rfind('\n') + 1;  // npos + 1 is 0
    if (line == 0 && !line_starting_) return data;
    return SkipSpace(data, line) == data.size() ? data.substr(0, line) : data;
  }

  /// After the end of a tag of this sign at `at`: past the white space or line end it takes away.
  void FinishTag(size_t at, char sign, bool trims) {
    if (sign == '-') {
      at = SkipSpace(all_, at);
    } else if (sign == 0 && trims && Sees("\n", at)) {
      ++at;
    }
    line_starting_ = at > 0 && all_[at - 1] == '\n';
    Advance(at);
  }

  absl::Status SkipComment(size_t inside) {
    const size_t end = all_.find("#}", inside);
    if (end == absl::string_view::npos) return SyntaxError(line_, "Missing end of comment tag");
    const char before = end > inside ? all_[end - 1] : '\0';
    FinishTag(end + 2, before == '-' || before == '+' ? before : '\0', /*trims=*/true);
    return absl::OkStatus();
  }

  /// Where the tag "raw" that begins at `at`, after its sign, ends; npos for another tag.
  size_t RawTagEnd(size_t at) const { return NamedTagEnd("raw", at); }
  size_t NamedTagEnd(absl::string_view name, size_t at) const {
    at = SkipSpace(all_, at);
    if (!Sees(name, at)) return absl::string_view::npos;
    at = SkipSpace(all_, at + name.size());
    if (Sees("-%}", at) || Sees("+%}", at)) return at + 3;
    return Sees("%}", at) ? at + 2 : absl::string_view::npos;
  }

  absl::Status LexRaw(size_t begin) {
    const char sign = all_[begin - 3] == '-' ? '-' : '\0';
    // Unlike other tags, this one keeps the line end after it.
    FinishTag(begin, sign, /*trims=*/false);
    for (size_t tag = all_.find("{%", at_); tag != absl::string_view::npos;
         tag = all_.find("{%", tag + 1)) {
      const char end_sign = ControlSign(tag + 2);
      const size_t end = NamedTagEnd("endraw", tag + (end_sign == 0 ? 2 : 3));
      if (end == absl::string_view::npos) continue;
      AddData(Stripped(all_.substr(at_, tag - at_), end_sign, /*block=*/true));
      const char last = all_[end - 3];
      FinishTag(end, last == '-' || last == '+' ? last : '\0', /*trims=*/true);
      return absl::OkStatus();
    }
    return SyntaxError(line_, "Missing end of raw directive");
  }

  /// The tokens of a tag, up to and with its end.
  absl::Status LexInside(bool variable) {
    const absl::string_view end = variable ? "}}" : "%}";
    std::string open;  // brackets that wait for their partners
    while (true) {
      if (at_ == all_.size()) return absl::OkStatus();  // the parser says what is missing
      const char sign = Sees("-", at_) || (!variable && Sees("+", at_)) ? all_[at_] : '\0';
      const size_t past_sign = at_ + (sign == 0 ? 0 : 1);
      if (open.empty() && Sees(end, past_sign)) {
        Add(variable ? TokenKind::kVariableEnd : TokenKind::kBlockEnd, "");
        FinishTag(past_sign + 2, sign, /*trims=*/!variable);
        return absl::OkStatus();
      }
      const size_t token = SkipSpace(all_, at_);
      if (token > at_) {
        Advance(token);
        continue;
      }
      QUANTD_RETURN_IF_ERROR(LexToken(&open));
    }
  }

  absl::Status LexToken(std::string* open) {
    const char c = all_[at_];
    if (IsNameStart(c)) {
      size_t end = at_;
      while (end < all_.size() && IsNameByte(all_[end])) ++end;
      if (end - at_ > kMaxName) return SyntaxError(line_, "a name is very long");
      Add(TokenKind::kName, all_.substr(at_, end - at_));
      Advance(end);
      return absl::OkStatus();
    }
    if (IsDigit(c)) return LexNumber();
    if (c == '\'' || c == '"') return LexString();
    for (const absl::string_view op : kOperators) {
      if (!Sees(op, at_)) continue;
      QUANTD_RETURN_IF_ERROR(Balance(op[0], open));
      Add(TokenKind::kOperator, op);
      Advance(at_ + op.size());
      return absl::OkStatus();
    }
    return SyntaxError(line_,
                       absl::StrCat("unexpected character '",
                                    absl::CHexEscape(all_.substr(at_, CharacterBytes(c))), "'"));
  }

  absl::Status Balance(char bracket, std::string* open) const {
    switch (bracket) {
      case '(':
        open->push_back(')');
        break;
      case '[':
        open->push_back(']');
        break;
      case '{':
        open->push_back('}');
        break;
      case ')':
      case ']':
      case '}':
        if (open->empty() || open->back() != bracket) {
          return SyntaxError(
              line_,
              absl::StrCat(
                  "unexpected '", std::string(1, bracket), "'",
                  open->empty() ? "" : ", expected '" + open->substr(open->size() - 1) + "'"));
        }
        open->pop_back();
        break;
      default:
        break;
    }
    return absl::OkStatus();
  }

  /// Past the digits at `at`, which single underscores may separate.
  size_t Digits(size_t at) const {
    while (at < all_.size() && (IsDigit(all_[at]) || (all_[at] == '_' && at + 1 < all_.size() &&
                                                      IsDigit(all_[at + 1])))) {
      ++at;
    }
    return at;
  }

  absl::Status LexNumber() {
    if (Sees("0x", at_) || Sees("0X", at_)) return LexInteger(2, 16, "0123456789abcdefABCDEF_");
    if (Sees("0o", at_) || Sees("0O", at_)) return LexInteger(2, 8, "01234567_");
    if (Sees("0b", at_) || Sees("0B", at_)) return LexInteger(2, 2, "01_");
    size_t end = Digits(at_);
    bool real = false;
    // After a dot a number is an index: a.0.1 has no fraction.
    const bool index = at_ > 0 && all_[at_ - 1] == '.';
    if (!index && Sees(".", end) && end + 1 < all_.size() && IsDigit(all_[end + 1])) {
      end = Digits(end + 1);
      real = true;
    }
    if (!index && (Sees("e", end) || Sees("E", end))) {
      const size_t sign = Sees("+", end + 1) || Sees("-", end + 1) ? 1 : 0;
      if (end + 1 + sign < all_.size() && IsDigit(all_[end + 1 + sign])) {
        end = Digits(end + 1 + sign);
        real = true;
      }
    }
    if (!real) return LexInteger(0, 10, "0123456789_");
    Token token{TokenKind::kFloat, line_, std::string(all_.substr(at_, end - at_))};
    if (!absl::SimpleAtod(absl::StrReplaceAll(token.text, {{"_", ""}}), &token.floating)) {
      return SyntaxError(line_, "bad number");
    }
    tokens_.push_back(std::move(token));
    Advance(end);
    return absl::OkStatus();
  }

  absl::Status LexInteger(size_t prefix, int base, absl::string_view digits) {
    const size_t end = std::min(all_.find_first_not_of(digits, at_ + prefix), all_.size());
    Token token{TokenKind::kInteger, line_, std::string(all_.substr(at_, end - at_))};
    const std::string plain =
        absl::StrReplaceAll(absl::string_view(token.text).substr(prefix), {{"_", ""}});
    const auto read =
        std::from_chars(plain.data(), plain.data() + plain.size(), token.integer, base);
    if (read.ec != std::errc() || read.ptr != plain.data() + plain.size()) {
      return SyntaxError(line_, "a number that does not fit 64 bits");
    }
    tokens_.push_back(std::move(token));
    Advance(end);
    return absl::OkStatus();
  }

  absl::Status LexString() {
    const char quote = all_[at_];
    size_t end = at_ + 1;
    while (end < all_.size() && all_[end] != quote) end += all_[end] == '\\' ? 2 : 1;
    if (end >= all_.size()) return SyntaxError(line_, "a string has no end");
    Token token{TokenKind::kString, line_};
    const absl::Status status = Unescape(all_.substr(at_ + 1, end - at_ - 1), &token.text);
    if (!status.ok()) return SyntaxError(line_, status.message());
    tokens_.push_back(std::move(token));
    Advance(end + 1);
    return absl::OkStatus();
  }

  std::string source_;
  absl::string_view all_;
  size_t at_ = 0;
  int line_ = 1;
  bool line_starting_ = true;  // what was read last ended a line
  std::vector<Token> tokens_;
};

}  // namespace

absl::Status SyntaxError(int line, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("line ", line, ": ", what));
}

std::string Describe(const Token& token) {
  switch (token.kind) {
    case TokenKind::kData:
      return "text";
    case TokenKind::kVariableBegin:
      return "'{{'";
    case TokenKind::kVariableEnd:
      return "'}}'";
    case TokenKind::kBlockBegin:
      return "'{%'";
    case TokenKind::kBlockEnd:
      return "'%}'";
    case TokenKind::kString:
      return "a string";
    case TokenKind::kEnd:
      return "the end of the template";
    default:
      return absl::StrCat("'", absl::string_view(token.text).substr(0, 64), "'");
  }
}

absl::StatusOr<std::vector<Token>> Tokenize(absl::string_view source) {
  return Lexer(source).Run();
}

}  // namespace quantd::jinja
