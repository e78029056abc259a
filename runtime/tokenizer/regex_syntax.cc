#include "runtime/tokenizer/regex_syntax.h"

#include <cstdint>
#include <iterator>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "kernels/base/status_macros.h"
#include "runtime/tokenizer/utf8.h"

namespace quantd {
namespace {

constexpr int kMaxSetDepth = 16;

// Unicode's White_Space as the content of a set. PCRE2's own \s has U+180E besides.
constexpr char kWhiteSpace[] =
    R"(\t-\r\x20\x{85}\x{A0}\x{1680}\x{2000}-\x{200A}\x{2028}\x{2029}\x{202F}\x{205F}\x{3000})";
constexpr char kWord[] = R"(\p{Alphabetic}\p{M}\p{Nd}\p{Pc})";
constexpr char kHexDigit[] = "0-9A-Fa-f";

// What a backslash and a letter stand for: the content of a set, or its complement.
struct Shorthand {
  char letter;
  const char* content;
};
constexpr Shorthand kShorthands[] = {
    {'s', kWhiteSpace}, {'w', kWord}, {'d', R"(\p{Nd})"}, {'h', kHexDigit}};

const Shorthand* FindShorthand(char letter) {
  for (const Shorthand& shorthand : kShorthands) {
    if (shorthand.letter == absl::ascii_tolower(letter)) return &shorthand;
  }
  return nullptr;
}

// Properties that PCRE2 knows by another name. Names are compared without case, '_', '-' and ' '.
struct PropertyName {
  const char* name;
  const char* pcre2;
};
constexpr PropertyName kProperties[] = {
    {"any", "Any"},
    {"letter", "L"},
    {"casedletter", "L&"},
    {"uppercaseletter", "Lu"},
    {"lowercaseletter", "Ll"},
    {"titlecaseletter", "Lt"},
    {"modifierletter", "Lm"},
    {"otherletter", "Lo"},
    {"mark", "M"},
    {"nonspacingmark", "Mn"},
    {"spacingmark", "Mc"},
    {"enclosingmark", "Me"},
    {"number", "N"},
    {"decimalnumber", "Nd"},
    {"letternumber", "Nl"},
    {"othernumber", "No"},
    {"punctuation", "P"},
    {"connectorpunctuation", "Pc"},
    {"dashpunctuation", "Pd"},
    {"openpunctuation", "Ps"},
    {"closepunctuation", "Pe"},
    {"initialpunctuation", "Pi"},
    {"finalpunctuation", "Pf"},
    {"otherpunctuation", "Po"},
    {"symbol", "S"},
    {"mathsymbol", "Sm"},
    {"currencysymbol", "Sc"},
    {"modifiersymbol", "Sk"},
    {"othersymbol", "So"},
    {"separator", "Z"},
    {"spaceseparator", "Zs"},
    {"lineseparator", "Zl"},
    {"paragraphseparator", "Zp"},
    {"other", "C"},
    {"control", "Cc"},
    {"format", "Cf"},
    {"privateuse", "Co"},
    {"unassigned", "Cn"},
    {"alpha", "Alphabetic"},
    {"alphabetic", "Alphabetic"},
    {"upper", "Uppercase"},
    {"uppercase", "Uppercase"},
    {"lower", "Lowercase"},
    {"lowercase", "Lowercase"},
    {"space", "White_Space"},
    {"whitespace", "White_Space"},
    {"digit", "Nd"},
    {"punct", "P"},
    {"cntrl", "Cc"},
    {"emoji", "Emoji"},
    {"ideographic", "Ideographic"},
};

std::string Property(absl::string_view name) {
  std::string key;
  for (const char c : name) {
    if (c != '_' && c != '-' && c != ' ') key += absl::ascii_tolower(c);
  }
  for (const PropertyName& property : kProperties) {
    if (key == property.name) return property.pcre2;
  }
  // Categories have one or two letters, scripts more.
  return key.size() <= 2 ? std::string(name) : absl::StrCat("sc:", name);
}

// A set in PCRE2's syntax: the content of a [set], or an expression that matches one character.
struct Set {
  std::string content;
  std::string expression;  ///< used when not empty
};

std::string Expression(const Set& set) {
  return set.expression.empty() ? absl::StrCat("[", set.content, "]") : set.expression;
}

class Translator {
 public:
  explicit Translator(absl::string_view pattern) : rest_(pattern) {}

  absl::StatusOr<std::string> Run() {
    while (!rest_.empty()) {
      const char c = rest_[0];
      if (c == '\\') {
        TranslateEscape();
      } else if (c == '[') {
        QUANTD_ASSIGN_OR_RETURN(const Set set, TranslateSet(0));
        out_ += Expression(set);
      } else if (absl::StartsWith(rest_, "(*")) {
        return absl::InvalidArgumentError("'(*' starts no group");
      } else if (absl::StartsWith(rest_, "(?")) {
        TranslateGroup();
      } else {
        Copy(1);
      }
    }
    return std::move(out_);
  }

 private:
  void Copy(size_t count) {
    out_.append(rest_.data(), count);
    rest_.remove_prefix(count);
  }

  // "(?i-m:" and the like: the letters of the options are taken one by one.
  void TranslateGroup() {
    Copy(2);
    size_t letters = 0;
    while (letters < rest_.size() && (absl::ascii_isalpha(rest_[letters]) || rest_[letters] == '-'))
      ++letters;
    const bool options = letters < rest_.size() && (rest_[letters] == ':' || rest_[letters] == ')');
    for (size_t i = 0; options && i < letters; ++i) out_ += rest_[i] == 'm' ? 's' : rest_[i];
    if (options) rest_.remove_prefix(letters);
  }

  // At "\x{H}" or "\uHHHH" of a character beyond ASCII: takes and gives it.
  std::optional<std::string> TakeCodePoint() {
    absl::string_view digits;
    size_t length = 0;
    if (absl::StartsWith(rest_, "\\x{")) {
      const size_t end = rest_.find('}');
      if (end == absl::string_view::npos) return std::nullopt;
      digits = rest_.substr(3, end - 3);
      length = end + 1;
    } else if (absl::StartsWith(rest_, "\\u") && rest_.size() >= 6) {
      digits = rest_.substr(2, 4);
      length = 6;
    }
    uint32_t code = 0;
    if (length == 0 || !absl::SimpleHexAtoi(digits, &code)) return std::nullopt;
    if (code < 0x80 || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) return std::nullopt;
    rest_.remove_prefix(length);
    std::string character;
    AppendCharacter(code, &character);
    return character;
  }

  // At "\p{...}" or "\P{...}": takes it and gives PCRE2's spelling.
  std::optional<std::string> TakeProperty() {
    if (!absl::StartsWith(rest_, "\\p{") && !absl::StartsWith(rest_, "\\P{")) return std::nullopt;
    const size_t end = rest_.find('}');
    if (end == absl::string_view::npos) return std::nullopt;
    bool negated = rest_[1] == 'P';
    absl::string_view name = rest_.substr(3, end - 3);
    if (absl::ConsumePrefix(&name, "^")) negated = !negated;
    std::string property = absl::StrCat(negated ? "\\P{" : "\\p{", Property(name), "}");
    rest_.remove_prefix(end + 1);
    return property;
  }

  // At a backslash outside of sets.
  void TranslateEscape() {
    if (const auto character = TakeCodePoint()) {
      out_ += *character;
    } else if (const auto property = TakeProperty()) {
      out_ += *property;
    } else if (rest_.size() < 2) {
      Copy(1);
    } else if (const Shorthand* shorthand = FindShorthand(rest_[1])) {
      absl::StrAppend(&out_, absl::ascii_isupper(rest_[1]) ? "[^" : "[", shorthand->content, "]");
      rest_.remove_prefix(2);
    } else {
      Copy(2);
    }
  }

  // At a backslash in a set: takes one item of it.
  void TakeSetEscape(Set* set, std::string* alternatives) {
    if (const auto character = TakeCodePoint()) {
      set->content += *character;
    } else if (const auto property = TakeProperty()) {
      set->content += *property;
    } else if (const Shorthand* shorthand = rest_.size() < 2 ? nullptr : FindShorthand(rest_[1])) {
      if (absl::ascii_isupper(rest_[1])) {
        absl::StrAppend(alternatives, "|[^", shorthand->content, "]");
      } else {
        set->content += shorthand->content;
      }
      rest_.remove_prefix(2);
    } else {
      const size_t count = rest_.size() < 2 ? 1 : 2;
      set->content.append(rest_.data(), count);
      rest_.remove_prefix(count);
    }
  }

  // Takes items up to the ']' or "&&" that ends this union, which stays.
  absl::StatusOr<Set> TakeUnion(int depth) {
    Set set;
    std::string alternatives;  // "|E1|E2": what the content of a set cannot say
    for (bool first = true; !rest_.empty(); first = false) {
      if ((rest_[0] == ']' && !first) || absl::StartsWith(rest_, "&&")) break;
      if (rest_[0] == '\\') {
        TakeSetEscape(&set, &alternatives);
      } else if (rest_[0] == '[' && !absl::StartsWith(rest_, "[:")) {
        QUANTD_ASSIGN_OR_RETURN(const Set inner, TranslateSet(depth + 1));
        // Without a '^' in front, content is content wherever it stands.
        if (inner.expression.empty() && !absl::StartsWith(inner.content, "^")) {
          set.content += inner.content;
        } else {
          absl::StrAppend(&alternatives, "|", Expression(inner));
        }
      } else {
        const size_t posix = absl::StartsWith(rest_, "[:") ? rest_.find(":]") : 0;
        const size_t count = posix == 0 ? 1 : posix == absl::string_view::npos ? 2 : posix + 2;
        set.content.append(rest_.data(), count);
        rest_.remove_prefix(count);
      }
    }
    if (alternatives.empty()) return set;
    const std::string content = set.content.empty() ? "" : absl::StrCat("[", set.content, "]");
    set.expression = absl::StrCat(
        "(?:", content, absl::string_view(alternatives).substr(content.empty() ? 1 : 0), ")");
    return set;
  }

  // At a '[': takes the set.
  absl::StatusOr<Set> TranslateSet(int depth) {
    if (depth == kMaxSetDepth) {
      return absl::InvalidArgumentError(
          absl::StrCat("more than ", kMaxSetDepth, " sets within each other"));
    }
    rest_.remove_prefix(1);
    const bool negated = absl::ConsumePrefix(&rest_, "^");
    QUANTD_ASSIGN_OR_RETURN(Set set, TakeUnion(depth));
    while (absl::ConsumePrefix(&rest_, "&&")) {
      QUANTD_ASSIGN_OR_RETURN(const Set other, TakeUnion(depth));
      set.expression = absl::StrCat("(?:(?=", Expression(set), ")", Expression(other), ")");
    }
    absl::ConsumePrefix(&rest_, "]");
    if (negated && set.expression.empty()) {
      set.content = absl::StrCat("^", set.content);
    } else if (negated) {
      set.expression = absl::StrCat("(?:(?!", set.expression, ")(?s:.))");
    }
    return set;
  }

  absl::string_view rest_;
  std::string out_;
};

}  // namespace

absl::StatusOr<std::string> TranslateRegex(absl::string_view pattern) {
  return Translator(pattern).Run();
}

}  // namespace quantd
