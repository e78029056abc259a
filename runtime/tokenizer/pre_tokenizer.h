#ifndef QUANTD_RUNTIME_TOKENIZER_PRE_TOKENIZER_H_
#define QUANTD_RUNTIME_TOKENIZER_PRE_TOKENIZER_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace quantd {

/// How the texts of a byte-level vocabulary are cut into words before merging. ONE row per kind:
/// adding a pre-tokenizer is a row in pre_tokenizer.cc.
struct PreTokenizerRule {
  std::vector<const char*> names;  ///< values of tokenizer.ggml.pre
  /// Applied one after the other, each to the pieces the one before left. Syntax of PCRE2 with
  /// Unicode properties; \s is Unicode's White_Space. Searching must take linear time.
  std::vector<const char*> patterns;
  bool whole_words;  ///< a word that is a token needs no merges (HuggingFace: ignore_merges)
  bool add_bos;      ///< default when the file does not say
};

const std::vector<PreTokenizerRule>& PreTokenizerRules();
/// Null if unknown.
const PreTokenizerRule* FindPreTokenizerRule(absl::string_view name);
/// Every known name, comma-separated.
std::string KnownPreTokenizers();

/// A compiled rule. Immutable, thread-safe.
class PreTokenizer {
 public:
  /// `compiled`: patterns become machine code where the system allows it (a service without
  /// executable memory does not); else they are interpreted, several times slower.
  static absl::StatusOr<std::unique_ptr<PreTokenizer>> Create(const PreTokenizerRule& rule,
                                                              bool compiled = true);
  ~PreTokenizer();
  PreTokenizer(const PreTokenizer&) = delete;
  PreTokenizer& operator=(const PreTokenizer&) = delete;

  /// Cuts `text` into words that make it up without a gap, views into it. Never fails: bytes that
  /// are no UTF-8 become words of one byte each, and the text around them is cut on its own.
  std::vector<absl::string_view> Split(absl::string_view text) const;

 private:
  struct Regex;
  struct Search;
  PreTokenizer();
  void SplitValid(absl::string_view text, Search* search,
                  std::vector<absl::string_view>* words) const;

  std::vector<Regex> regexes_;
};

}  // namespace quantd

#endif  // QUANTD_RUNTIME_TOKENIZER_PRE_TOKENIZER_H_
