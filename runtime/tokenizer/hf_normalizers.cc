#include "runtime/tokenizer/hf_normalizers.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "kernels/base/status_macros.h"
#include "runtime/tokenizer/byte_alphabet.h"
#include "runtime/tokenizer/charsmap.h"
#include "runtime/tokenizer/hf_kinds.h"
#include "runtime/tokenizer/pre_tokenizer_rules.h"
#include "runtime/tokenizer/unicode_normalization.h"

namespace quantd {
namespace {

// How much longer a text may become: far more than real files can make it, and little enough that a
// text of some megabytes still has room.
constexpr double kMostGrowth = 4096;
constexpr size_t kLongestContent = 1024;

/// A step, and how many bytes it makes of one at most.
struct Step {
  Normalizer run;
  double growth = 1;
};

// Bytes that a byte of UTF-8 may become: U+0390 has three times as many when decomposed, U+FDFA
// eleven times with compatibility; some characters have half as many more in lower case.
constexpr double kCanonicalGrowth = 3, kCompatibilityGrowth = 11, kLowerCaseGrowth = 1.5;

template <NormalForm form>
absl::StatusOr<Step> MakeForm(const JsonValue&) {
  const bool compatibility = form == NormalForm::kNfkc || form == NormalForm::kNfkd;
  return Step{[](bool, std::string* text) { NormalizeUnicode(form, text); },
              compatibility ? kCompatibilityGrowth : kCanonicalGrowth};
}

absl::StatusOr<Step> MakeLowercase(const JsonValue&) {
  return Step{[](bool, std::string* text) { LowerCase(text); }, kLowerCaseGrowth};
}

absl::StatusOr<Step> MakeStripAccents(const JsonValue&) {
  return Step{[](bool, std::string* text) { DropMarks(/*nonspacing_only=*/false, text); }};
}

absl::StatusOr<Step> MakeNmt(const JsonValue&) {
  return Step{[](bool, std::string* text) { CleanForNmt(text); }};
}

absl::StatusOr<Step> MakeByteLevel(const JsonValue&) {
  return Step{[](bool, std::string* text) {
                std::string spelled;
                AppendSpelledBytes(*text, &spelled);
                *text = std::move(spelled);
              },
              2};
}

absl::StatusOr<Step> MakeStrip(const JsonValue& object) {
  QUANTD_ASSIGN_OR_RETURN(const bool left, object.Bool("strip_left", true));
  QUANTD_ASSIGN_OR_RETURN(const bool right, object.Bool("strip_right", true));
  return Step{[left, right](bool, std::string* text) { StripWhiteSpace(left, right, text); }};
}

absl::StatusOr<Step> MakeBert(const JsonValue& object) {
  BertNormalization rules;
  QUANTD_ASSIGN_OR_RETURN(rules.clean_text, object.Bool("clean_text", true));
  QUANTD_ASSIGN_OR_RETURN(rules.handle_chinese_chars, object.Bool("handle_chinese_chars", true));
  QUANTD_ASSIGN_OR_RETURN(rules.lowercase, object.Bool("lowercase", true));
  QUANTD_ASSIGN_OR_RETURN(rules.strip_accents, object.Bool("strip_accents", rules.lowercase));
  // A Chinese character of three bytes gets two spaces.
  constexpr double kSpaces = 2;
  return Step{MakeBertNormalizer(rules), kSpaces * kCanonicalGrowth * kLowerCaseGrowth};
}

absl::StatusOr<Step> MakePrepend(const JsonValue& object) {
  QUANTD_ASSIGN_OR_RETURN(std::string content, ReadHfContent(object, "prepend"));
  const double growth = 1 + static_cast<double>(content.size());
  return Step{[content = std::move(content)](bool, std::string* text) {
                if (!text->empty()) text->insert(0, content);
              },
              growth};
}

absl::StatusOr<Step> MakeReplace(const JsonValue& object) {
  QUANTD_ASSIGN_OR_RETURN(const JsonValue pattern_value, object.At("pattern"));
  QUANTD_ASSIGN_OR_RETURN(Pattern pattern, ReadHfPattern(pattern_value));
  QUANTD_ASSIGN_OR_RETURN(std::string content, ReadHfContent(object, "content"));
  // A pattern may match the empty string before each byte.
  double growth = 1 + static_cast<double>(content.size());
  if (const auto* literal = std::get_if<std::string>(&pattern)) {
    growth = static_cast<double>(content.size()) /
             static_cast<double>(std::max<size_t>(literal->size(), 1));
  }
  return Step{[pattern = std::move(pattern), content = std::move(content)](
                  bool, std::string* text) { ReplacePattern(pattern, content, text); },
              growth};
}

absl::StatusOr<Step> MakePrecompiled(const JsonValue& object) {
  QUANTD_ASSIGN_OR_RETURN(const std::optional<JsonValue> value,
                          object.Find("precompiled_charsmap"));
  if (!value.has_value()) return Step{[](bool, std::string*) {}};
  QUANTD_ASSIGN_OR_RETURN(const absl::string_view base64, value->String());
  std::string blob;
  if (!absl::Base64Unescape(base64, &blob)) return value->Error("is no base64");
  if (blob.empty()) return Step{[](bool, std::string*) {}};
  auto parsed = Charsmap::Parse(blob);
  if (!parsed.ok()) return value->Error(parsed.status().message());
  const auto charsmap = std::make_shared<const Charsmap>(*std::move(parsed));
  return Step{[charsmap](bool, std::string* text) { ReplaceByCharsmap(*charsmap, text); },
              static_cast<double>(charsmap->longest_replacement())};
}

/// ONE row per kind of normalizer.
struct NormalizerRow {
  const char* name;
  absl::StatusOr<Step> (*make)(const JsonValue& object);
};
constexpr NormalizerRow kNormalizers[] = {
    {"BertNormalizer", &MakeBert},
    {"ByteLevel", &MakeByteLevel},
    {"Lowercase", &MakeLowercase},
    {"NFC", &MakeForm<NormalForm::kNfc>},
    {"NFD", &MakeForm<NormalForm::kNfd>},
    {"NFKC", &MakeForm<NormalForm::kNfkc>},
    {"NFKD", &MakeForm<NormalForm::kNfkd>},
    {"Nmt", &MakeNmt},
    {"Precompiled", &MakePrecompiled},
    {"Prepend", &MakePrepend},
    {"Replace", &MakeReplace},
    {"Strip", &MakeStrip},
    {"StripAccents", &MakeStripAccents},
};

}  // namespace

absl::StatusOr<std::vector<Normalizer>> ReadHfNormalizers(
    const std::optional<JsonValue>& normalizer) {
  std::vector<Normalizer> steps;
  double growth = 1;
  QUANTD_RETURN_IF_ERROR(
      ForEachPart(normalizer, "normalizers", [&](const JsonValue& object) -> absl::Status {
        QUANTD_ASSIGN_OR_RETURN(const NormalizerRow* row, FindKind(kNormalizers, object));
        QUANTD_ASSIGN_OR_RETURN(Step step, row->make(object));
        growth *= std::max(step.growth, 1.0);
        if (growth > kMostGrowth) {
          return object.Error("with the steps before it, could make a text " +
                              absl::StrCat(static_cast<int64_t>(growth), " times longer"));
        }
        steps.push_back(std::move(step.run));
        return absl::OkStatus();
      }));
  return steps;
}

absl::StatusOr<Pattern> ReadHfPattern(const JsonValue& pattern) {
  QUANTD_ASSIGN_OR_RETURN(const std::optional<JsonValue> literal, pattern.Find("String"));
  if (literal.has_value()) {
    QUANTD_ASSIGN_OR_RETURN(const absl::string_view text, literal->String());
    return Pattern(std::string(text));
  }
  QUANTD_ASSIGN_OR_RETURN(const JsonValue value, pattern.At("Regex"));
  QUANTD_ASSIGN_OR_RETURN(const absl::string_view text, value.String());
  absl::StatusOr<Regex> regex = CompilePattern(text);
  if (!regex.ok()) return value.Error(regex.status().message());
  return Pattern(std::make_shared<const Regex>(*std::move(regex)));
}

absl::StatusOr<std::string> ReadHfContent(const JsonValue& object, absl::string_view key) {
  QUANTD_ASSIGN_OR_RETURN(const JsonValue value, object.At(key));
  QUANTD_ASSIGN_OR_RETURN(const absl::string_view text, value.String());
  if (text.size() > kLongestContent) {
    return value.Error(
        absl::StrCat("has ", text.size(), " bytes; at most ", kLongestContent, " are read"));
  }
  return std::string(text);
}

}  // namespace quantd
