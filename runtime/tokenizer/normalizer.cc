#include "runtime/tokenizer/normalizer.h"

#include <cstdint>
#include <utility>

#include "absl/strings/str_replace.h"
#include "runtime/tokenizer/unicode_classes.h"
#include "runtime/tokenizer/unicode_normalization.h"
#include "runtime/tokenizer/utf8.h"

namespace quantd {
namespace {

// Rewrites a text character by character: `append(code, out)` writes what becomes of each.
template <typename Append>
void Rewrite(std::string* text, const Append& append) {
  std::string out;
  out.reserve(text->size());
  for (absl::string_view rest = *text; !rest.empty();) append(TakeCharacter(&rest), &out);
  *text = std::move(out);
}

bool DroppedByNmt(char32_t code) {
  return (code >= 0x1 && code <= 0x8) || code == 0xB || (code >= 0xE && code <= 0x1F) ||
         code == 0x7F || code == 0x8F || code == 0x9F;
}

bool SpaceForNmt(char32_t code) {
  switch (code) {
    case 0x9:
    case 0xA:
    case 0xC:
    case 0xD:
    case 0x1680:
    case 0x2028:
    case 0x2029:
    case 0x2581:
    case 0xFEFF:
    case 0xFFFD:
      return true;
    default:
      return code >= 0x200B && code <= 0x200F;
  }
}

}  // namespace

void LowerCase(std::string* text) { Rewrite(text, AppendLowerCase); }

void DropMarks(bool nonspacing_only, std::string* text) {
  Rewrite(text, [nonspacing_only](char32_t code, std::string* out) {
    if (!(nonspacing_only ? IsNonspacingMark(code) : IsMark(code))) AppendCharacter(code, out);
  });
}

void StripWhiteSpace(bool left, bool right, std::string* text) {
  size_t begin = 0, end = 0;  // of what is no white space
  bool found = false;
  for (absl::string_view rest = *text; !rest.empty();) {
    const size_t at = text->size() - rest.size();
    if (IsWhiteSpace(TakeCharacter(&rest))) continue;
    if (!found) begin = at;
    found = true;
    end = text->size() - rest.size();
  }
  if (!found) {
    if (left || right) text->clear();
    return;
  }
  if (right) text->resize(end);
  if (left) text->erase(0, begin);
}

void ReplacePattern(const Pattern& pattern, absl::string_view replacement, std::string* text) {
  if (const auto* literal = std::get_if<std::string>(&pattern)) {
    if (!literal->empty()) absl::StrReplaceAll({{*literal, replacement}}, text);
    return;
  }
  std::string out;
  size_t copied = 0, begin = 0, end = 0;
  RegexSearch search(text->size());
  search.Start(**std::get_if<std::shared_ptr<const Regex>>(&pattern), *text);
  while (search.Next(&begin, &end)) {
    out.append(*text, copied, begin - copied);
    out.append(replacement.data(), replacement.size());
    copied = end;
  }
  out.append(*text, copied);
  *text = std::move(out);
}

void CleanForBert(std::string* text) {
  Rewrite(text, [](char32_t code, std::string* out) {
    if (code == 0 || code == 0xFFFD || IsControl(code)) return;
    AppendCharacter(IsWhiteSpace(code) ? U' ' : code, out);
  });
}

void SpaceOutChinese(std::string* text) {
  Rewrite(text, [](char32_t code, std::string* out) {
    const bool chinese = IsBertChinese(code);
    if (chinese) out->push_back(' ');
    AppendCharacter(code, out);
    if (chinese) out->push_back(' ');
  });
}

void CleanForNmt(std::string* text) {
  Rewrite(text, [](char32_t code, std::string* out) {
    if (!DroppedByNmt(code)) AppendCharacter(SpaceForNmt(code) ? U' ' : code, out);
  });
}

void ReplaceByCharsmap(const Charsmap& charsmap, std::string* text) {
  constexpr size_t kLongestCluster = 5;
  std::string out;
  out.reserve(text->size());
  const auto replace = [&](absl::string_view part) {
    const auto rule = charsmap.Shortest(part);
    if (rule.has_value()) out.append(rule->replacement.data(), rule->replacement.size());
    return rule.has_value();
  };
  for (absl::string_view rest = *text; !rest.empty();) {
    absl::string_view cluster = rest.substr(0, GraphemeLength(rest));
    rest.remove_prefix(cluster.size());
    if (cluster.size() <= kLongestCluster && replace(cluster)) continue;
    while (!cluster.empty()) {
      const absl::string_view character = cluster.substr(0, NextUtf8(cluster).length);
      cluster.remove_prefix(character.size());
      if (!replace(character)) out.append(character.data(), character.size());
    }
  }
  *text = std::move(out);
}

Normalizer MakeBertNormalizer(const BertNormalization& rules) {
  return [rules](bool, std::string* text) {
    if (rules.clean_text) CleanForBert(text);
    if (rules.handle_chinese_chars) SpaceOutChinese(text);
    if (rules.strip_accents) {
      NormalizeUnicode(NormalForm::kNfd, text);
      DropMarks(/*nonspacing_only=*/true, text);
    }
    if (rules.lowercase) LowerCase(text);
  };
}

}  // namespace quantd
