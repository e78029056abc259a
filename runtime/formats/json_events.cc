#include "runtime/formats/json_events.h"

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "nlohmann/json.hpp"
#include "runtime/formats/file_error.h"

namespace quantd {
namespace {

using Kind = JsonEvent::Kind;

/// The library's explanation without its prefix, as ASCII of bounded length: it quotes the token,
/// which may be as long as the text and hold any bytes.
std::string Reason(absl::string_view what) {
  constexpr size_t kLongest = 200;
  what = what.substr(what.find("] ") + 2);
  return absl::StrCat(absl::StrReplaceAll(absl::CHexEscape(what.substr(0, kLongest)),
                                          {{"\\'", "'"}, {"\\\"", "\""}}),
                      what.size() > kLongest ? "..." : "");
}

/// Hands the events of the library's parser, which is not recursive, to a JsonHandler. Used for
/// one text.
class SaxAdapter : public nlohmann::json_sax<nlohmann::json> {
 public:
  SaxAdapter(const std::string& path, JsonHandler* handler) : path_(path), handler_(handler) {}

  const absl::Status& status() const { return status_; }

  bool null() override { return Take({.kind = Kind::kNull}); }
  bool boolean(bool value) override { return Take({.kind = Kind::kBool, .truth = value}); }
  bool number_integer(number_integer_t value) override {
    if (value >= 0) return number_unsigned(static_cast<uint64_t>(value));  // "-0"
    return Take({.kind = Kind::kNegative, .negative = value});
  }
  bool number_unsigned(number_unsigned_t value) override {
    return Take({.kind = Kind::kInteger, .integer = value});
  }
  bool number_float(number_float_t value, const string_t&) override {
    return Take({.kind = Kind::kFloat, .number = value});
  }
  bool string(string_t& value) override { return Take({.kind = Kind::kString, .text = value}); }
  bool binary(binary_t&) override { return false; }  // not in text
  bool key(string_t& value) override { return Take({.kind = Kind::kKey, .text = value}); }

  bool start_object(size_t) override { return Descend() && Take({.kind = Kind::kObjectBegin}); }
  bool start_array(size_t) override { return Descend() && Take({.kind = Kind::kArrayBegin}); }
  bool end_object() override {
    --depth_;
    return Take({.kind = Kind::kObjectEnd});
  }
  bool end_array() override {
    --depth_;
    return Take({.kind = Kind::kArrayEnd});
  }

  bool parse_error(size_t position, const std::string&,
                   const nlohmann::detail::exception& error) override {
    // "[json.exception.parse_error.101] parse error at line 1, column 3: syntax error while ...".
    constexpr int kNumberOverflow = 406;
    const std::string reason =
        error.id == kNumberOverflow
            ? "a number beyond the range of double"
            : absl::StrCat("not valid JSON: ", Reason(absl::string_view(error.what())));
    return Fail(absl::StrCat(reason, " (byte ", position, ")"));
  }

 private:
  bool Take(const JsonEvent& event) {
    status_ = handler_->On(event);
    return status_.ok();
  }
  bool Descend() {
    if (++depth_ <= kMaxJsonDepth) return true;
    return Fail(absl::StrCat("nested deeper than ", kMaxJsonDepth, " levels"));
  }
  bool Fail(absl::string_view what) {
    status_ = FileError(path_, handler_->Field(), what);
    return false;
  }

  const std::string& path_;
  JsonHandler* handler_;
  int depth_ = 0;
  absl::Status status_;
};

}  // namespace

const char* JsonKindName(Kind kind) {
  switch (kind) {
    case Kind::kNull:
      return "null";
    case Kind::kBool:
      return "a bool";
    case Kind::kNegative:
      return "a negative number";
    case Kind::kInteger:
      return "an integer";
    case Kind::kFloat:
      return "a float";
    case Kind::kString:
      return "a string";
    case Kind::kKey:
      return "a key";
    case Kind::kObjectBegin:
    case Kind::kObjectEnd:
      return "an object";
    case Kind::kArrayBegin:
    case Kind::kArrayEnd:
      return "an array";
  }
  return "nothing";
}

absl::Status ReadJsonEvents(absl::string_view text, const std::string& path, JsonHandler* handler) {
  // The library takes a NUL byte for the end of its input. JSON has none, not even in strings.
  if (const size_t nul = text.find('\0'); nul != absl::string_view::npos) {
    return FileError(path, handler->Field(), absl::StrCat("not valid JSON: NUL at byte ", nul));
  }
  SaxAdapter adapter(path, handler);
  nlohmann::json::sax_parse(text.begin(), text.end(), &adapter);
  return adapter.status();
}

}  // namespace quantd
