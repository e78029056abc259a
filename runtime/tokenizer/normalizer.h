#ifndef QUANTD_RUNTIME_TOKENIZER_NORMALIZER_H_
#define QUANTD_RUNTIME_TOKENIZER_NORMALIZER_H_

#include <functional>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "absl/strings/string_view.h"
#include "runtime/tokenizer/charsmap.h"
#include "runtime/tokenizer/regex.h"

namespace quantd {

/// A step that rewrites a stretch of text before it is cut into words. The text is valid UTF-8 and
/// stays so. `first`: the stretch starts a text, or follows a control token. Thread-safe.
using Normalizer = std::function<void(bool first, std::string* text)>;

/// What a step looks for: a string, or the matches of a pattern (shared, since steps are copied).
using Pattern = std::variant<std::string, std::shared_ptr<const Regex>>;

// Steps without state; hf_normalizers.cc gives them their names in tokenizer.json.

/// Each code point by its own lower case.
void LowerCase(std::string* text);
/// Drops combining marks: those of category M, or Mn alone.
void DropMarks(bool nonspacing_only, std::string* text);
void StripWhiteSpace(bool left, bool right, std::string* text);
/// Replaces every occurrence, from left to right.
void ReplacePattern(const Pattern& pattern, absl::string_view replacement, std::string* text);
/// BERT's cleaning: drops NUL, U+FFFD and controls, makes white space a space.
void CleanForBert(std::string* text);
/// Puts spaces around Chinese characters, as BERT does.
void SpaceOutChinese(std::string* text);
/// The cleaning of SentencePiece's "nmt" rules: drops some controls, makes others a space.
void CleanForNmt(std::string* text);

/// SentencePiece's compiled rules as tokenizer.json applies them: each grapheme cluster of less
/// than six bytes is replaced as a whole by the shortest rule it begins with; else each of its
/// characters is.
void ReplaceByCharsmap(const Charsmap& charsmap, std::string* text);

/// BERT's whole normalization.
struct BertNormalization {
  bool clean_text = true;
  bool handle_chinese_chars = true;
  bool strip_accents = true;
  bool lowercase = true;
};
Normalizer MakeBertNormalizer(const BertNormalization& rules);

}  // namespace quantd

#endif  // QUANTD_RUNTIME_TOKENIZER_NORMALIZER_H_
