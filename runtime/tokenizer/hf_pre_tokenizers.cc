#include "runtime/tokenizer/hf_pre_tokenizers.h"

#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "kernels/base/check.h"
#include "kernels/base/status_macros.h"
#include "runtime/tokenizer/hf_kinds.h"
#include "runtime/tokenizer/hf_normalizers.h"
#include "runtime/tokenizer/pre_tokenizer_rules.h"
#include "runtime/tokenizer/unicode_classes.h"
#include "runtime/tokenizer/utf8.h"

namespace quantd {
namespace {

// In Rust's syntax \w+|[^\w\s]+, where \w has the joiners besides.
constexpr char kWordsAndSymbols[] = R"([\w\x{200C}\x{200D}]+|[^\w\s\x{200C}\x{200D}]+)";

struct BehaviorRow {
  const char* name;
  SplitBehavior behavior;
};
constexpr BehaviorRow kBehaviors[] = {
    {"Removed", SplitBehavior::kRemoved},
    {"Isolated", SplitBehavior::kIsolated},
    {"MergedWithPrevious", SplitBehavior::kMergedWithPrevious},
    {"MergedWithNext", SplitBehavior::kMergedWithNext},
    {"Contiguous", SplitBehavior::kContiguous},
};

absl::StatusOr<SplitBehavior> ReadBehavior(const JsonValue& value) {
  QUANTD_ASSIGN_OR_RETURN(const absl::string_view name, value.String());
  for (const BehaviorRow& row : kBehaviors) {
    if (name == row.name) return row.behavior;
  }
  return value.Unsupported(absl::StrCat("'", Printable(name), "' is not known"));
}

absl::Status AddSplit(const JsonValue& object, HfPreTokenizer* out) {
  QUANTD_ASSIGN_OR_RETURN(const JsonValue pattern_value, object.At("pattern"));
  QUANTD_ASSIGN_OR_RETURN(Pattern pattern, ReadHfPattern(pattern_value));
  QUANTD_ASSIGN_OR_RETURN(const JsonValue behavior_value, object.At("behavior"));
  QUANTD_ASSIGN_OR_RETURN(const SplitBehavior behavior, ReadBehavior(behavior_value));
  QUANTD_ASSIGN_OR_RETURN(const bool invert, object.Bool("invert", false));
  out->steps.push_back(SplitAt(std::move(pattern), behavior, invert));
  return absl::OkStatus();
}

absl::Status AddByteLevel(const JsonValue& object, HfPreTokenizer* out) {
  QUANTD_ASSIGN_OR_RETURN(const bool prefix, object.Bool("add_prefix_space", true));
  QUANTD_ASSIGN_OR_RETURN(const bool use_regex, object.Bool("use_regex", true));
  out->steps.push_back(ByteLevelSplit(prefix, use_regex));
  out->spells_bytes = true;
  return absl::OkStatus();
}

// A member that is one character, in UTF-8.
absl::StatusOr<std::string> ReadCharacter(const JsonValue& object, absl::string_view key) {
  QUANTD_ASSIGN_OR_RETURN(const JsonValue value, object.At(key));
  QUANTD_ASSIGN_OR_RETURN(const absl::string_view text, value.String());
  if (text.empty() || NextUtf8(text).length != text.size()) {
    return value.Error("is not one character");
  }
  return std::string(text);
}

absl::Status AddMetaspace(const JsonValue& object, HfPreTokenizer* out) {
  QUANTD_ASSIGN_OR_RETURN(std::string replacement, ReadCharacter(object, "replacement"));
  QUANTD_ASSIGN_OR_RETURN(const bool split, object.Bool("split", true));
  QUANTD_ASSIGN_OR_RETURN(const PrependScheme scheme, ReadHfPrependScheme(object));
  out->steps.push_back(Metaspace(std::move(replacement), scheme, split));
  return absl::OkStatus();
}

absl::Status AddWhitespace(const JsonValue&, HfPreTokenizer* out) {
  auto regex = CompilePattern(kWordsAndSymbols);
  QUANTD_CHECK(regex.ok(), "the pattern is valid");
  out->steps.push_back(SplitAt(std::make_shared<const Regex>(*std::move(regex)),
                               SplitBehavior::kRemoved, /*invert=*/true));
  return absl::OkStatus();
}

absl::Status AddWhitespaceSplit(const JsonValue&, HfPreTokenizer* out) {
  out->steps.push_back(SplitAt(IsWhiteSpace, SplitBehavior::kRemoved));
  return absl::OkStatus();
}

absl::Status AddBert(const JsonValue&, HfPreTokenizer* out) {
  out->steps.push_back(SplitAt(IsWhiteSpace, SplitBehavior::kRemoved));
  out->steps.push_back(SplitAt(IsPunctuation, SplitBehavior::kIsolated));
  return absl::OkStatus();
}

absl::Status AddPunctuation(const JsonValue& object, HfPreTokenizer* out) {
  SplitBehavior behavior = SplitBehavior::kIsolated;
  QUANTD_ASSIGN_OR_RETURN(const std::optional<JsonValue> value, object.Find("behavior"));
  if (value.has_value()) {
    QUANTD_ASSIGN_OR_RETURN(behavior, ReadBehavior(*value));
  }
  out->steps.push_back(SplitAt(IsPunctuation, behavior));
  return absl::OkStatus();
}

absl::Status AddDigits(const JsonValue& object, HfPreTokenizer* out) {
  QUANTD_ASSIGN_OR_RETURN(const bool individual, object.Bool("individual_digits", false));
  out->steps.push_back(
      SplitAt(IsNumeric, individual ? SplitBehavior::kIsolated : SplitBehavior::kContiguous));
  return absl::OkStatus();
}

absl::Status AddDelimiter(const JsonValue& object, HfPreTokenizer* out) {
  QUANTD_ASSIGN_OR_RETURN(std::string delimiter, ReadCharacter(object, "delimiter"));
  out->steps.push_back(SplitAt(Pattern(std::move(delimiter)), SplitBehavior::kRemoved));
  return absl::OkStatus();
}

/// ONE row per kind of pre-tokenizer.
struct PreTokenizerRow {
  const char* name;
  absl::Status (*add)(const JsonValue& object, HfPreTokenizer* out);
};
constexpr PreTokenizerRow kPreTokenizers[] = {
    {"BertPreTokenizer", &AddBert},
    {"ByteLevel", &AddByteLevel},
    {"CharDelimiterSplit", &AddDelimiter},
    {"Digits", &AddDigits},
    {"Metaspace", &AddMetaspace},
    {"Punctuation", &AddPunctuation},
    {"Split", &AddSplit},
    {"Whitespace", &AddWhitespace},
    {"WhitespaceSplit", &AddWhitespaceSplit},
};

}  // namespace

absl::StatusOr<HfPreTokenizer> ReadHfPreTokenizer(const std::optional<JsonValue>& pre_tokenizer) {
  HfPreTokenizer result;
  QUANTD_RETURN_IF_ERROR(
      ForEachPart(pre_tokenizer, "pretokenizers", [&](const JsonValue& object) -> absl::Status {
        QUANTD_ASSIGN_OR_RETURN(const PreTokenizerRow* row, FindKind(kPreTokenizers, object));
        // What follows works on the spelled words.
        if (result.spells_bytes) result.steps.push_back(SpellBytes());
        result.spells_bytes = false;
        absl::StrAppend(&result.name, result.name.empty() ? "" : "+", row->name);
        return row->add(object, &result);
      }));
  if (result.name.empty()) result.name = "none";
  return result;
}

absl::StatusOr<PrependScheme> ReadHfPrependScheme(const JsonValue& metaspace) {
  QUANTD_ASSIGN_OR_RETURN(const bool add_prefix_space, metaspace.Bool("add_prefix_space", true));
  if (!add_prefix_space) return PrependScheme::kNever;
  QUANTD_ASSIGN_OR_RETURN(const std::optional<JsonValue> value, metaspace.Find("prepend_scheme"));
  if (!value.has_value()) return PrependScheme::kAlways;
  QUANTD_ASSIGN_OR_RETURN(const absl::string_view name, value->String());
  if (name == "always") return PrependScheme::kAlways;
  if (name == "first") return PrependScheme::kFirst;
  if (name == "never") return PrependScheme::kNever;
  return value->Unsupported(
      absl::StrCat("'", Printable(name), "' is not known; known are always, first, never"));
}

}  // namespace quantd
