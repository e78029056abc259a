#ifndef QUANTD_RUNTIME_TOKENIZER_PRE_TOKENIZER_RULES_H_
#define QUANTD_RUNTIME_TOKENIZER_PRE_TOKENIZER_RULES_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "runtime/tokenizer/pre_tokenizer.h"

namespace quantd {

/// The pattern that GPT-2 introduced and many vocabularies share.
inline constexpr char kGpt2Pattern[] =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

/// How the texts of a byte-level vocabulary are cut into words before merging. ONE row per kind:
/// adding a pre-tokenizer is a row in pre_tokenizer_rules.cc.
struct PreTokenizerRule {
  std::vector<const char*> names;  ///< values of tokenizer.ggml.pre
  /// Applied one after the other, each to the pieces the one before left, in the syntax of
  /// TranslateRegex and as published. Searching must take linear time, or the pattern must stand in
  /// the table of linear forms beside the rules.
  std::vector<const char*> patterns;
  bool whole_words;  ///< a word that is a token needs no merges (HuggingFace: ignore_merges)
  bool add_bos;      ///< default when the file does not say
};

const std::vector<PreTokenizerRule>& PreTokenizerRules();
/// Null if unknown.
const PreTokenizerRule* FindPreTokenizerRule(absl::string_view name);
/// The rule that cuts by these patterns, which may be spelled in another way; null if there is
/// none.
const PreTokenizerRule* FindPreTokenizerRule(absl::Span<const std::string> patterns,
                                             bool whole_words);
/// Every known name, comma-separated.
std::string KnownPreTokenizers();

/// Compiles a pattern from a file: at linear cost if the rules have it, else at bounded cost.
/// Errors: those of Regex::Compile.
absl::StatusOr<Regex> CompilePattern(absl::string_view pattern, bool compiled = true);

/// `compiled`: see Regex::Compile.
absl::StatusOr<PreTokenizer> MakePreTokenizer(const PreTokenizerRule& rule, bool compiled = true);

}  // namespace quantd

#endif  // QUANTD_RUNTIME_TOKENIZER_PRE_TOKENIZER_RULES_H_
