#ifndef QUANTD_RUNTIME_TOKENIZER_REGEX_H_
#define QUANTD_RUNTIME_TOKENIZER_REGEX_H_

#include <cstddef>
#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace quantd {

/// A compiled pattern. Immutable, thread-safe. Matching goes through RegexSearch.
class Regex {
 public:
  /// How a search is kept from taking too long.
  enum class Cost : uint8_t {
    /// The pattern is one of ours: a search for it takes time linear in the text, which tests hold.
    kLinear,
    /// The pattern comes from a file. Each place of the text is tried by itself, at first with a
    /// few steps and a short stretch of text in view, then with more; the sum is bounded by the
    /// length of the text. What is not found within the bound counts as not there.
    kBounded,
  };
  /// `pattern`: in the syntax of TranslateRegex. `compiled`: the pattern becomes machine code where
  /// the system allows it (a service without executable memory does not); else it is interpreted,
  /// several times slower. Errors: INVALID_ARGUMENT saying what is wrong where.
  static absl::StatusOr<Regex> Compile(absl::string_view pattern, Cost cost, bool compiled = true);

  Regex(Regex&&) noexcept;
  Regex& operator=(Regex&&) noexcept;
  ~Regex();

  Cost cost() const { return cost_; }

 private:
  friend class RegexSearch;
  struct Code;
  Regex();
  std::unique_ptr<const Code> code_;
  Cost cost_ = Cost::kBounded;
};

/// Finds the matches of patterns in texts, one after the other. Holds the buffers and, for patterns
/// with bounded cost, what is left of the bound. For one call that reads one text, which may be cut
/// up in several ways; not thread-safe.
class RegexSearch {
 public:
  /// `bytes` of the whole text: the bound on the cost of everything that this search does.
  explicit RegexSearch(size_t bytes);
  ~RegexSearch();

  /// Begins with a text, valid UTF-8. Pattern and text must outlive the calls of Next.
  void Start(const Regex& regex, absl::string_view text);
  /// The next match from left to right: bytes [*begin, *end) of the text. Matches do not overlap;
  /// an empty one does not touch the end of the one before. False when there is none.
  bool Next(size_t* begin, size_t* end);

 private:
  struct Buffers;
  bool Find(size_t from, size_t* begin, size_t* end);
  bool FindBounded(size_t from, size_t* begin, size_t* end);
  bool MatchAt(size_t at, size_t* begin, size_t* end);

  std::unique_ptr<Buffers> buffers_;
  const Regex* regex_ = nullptr;
  absl::string_view text_;
  size_t from_ = 0;
  size_t last_end_ = 0;
  size_t bytes_;
  uint64_t budget_;
};

}  // namespace quantd

#endif  // QUANTD_RUNTIME_TOKENIZER_REGEX_H_
