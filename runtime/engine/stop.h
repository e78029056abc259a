#ifndef QUANTD_RUNTIME_ENGINE_STOP_H_
#define QUANTD_RUNTIME_ENGINE_STOP_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace quantd {

/// Finds stop strings in text that arrives in pieces, and lets through all text that cannot be
/// part of one. The match is the one that ends first; of several ending together, the longest.
/// Where the pieces are cut makes no difference. One per sequence; not thread-safe.
class StopStrings {
 public:
  /// `strings` must not be empty strings.
  explicit StopStrings(std::vector<std::string> strings);

  struct Result {
    std::string text;  ///< ready for the client, all of it before the match
    int matched = -1;  ///< index of the stop string found, or -1
  };

  /// Takes the next piece. While not `armed`, strings that complete are passed over as plain
  /// text; one that begins then and completes later counts. After a match nothing may follow.
  Result Push(absl::string_view piece, bool armed);
  /// The text still held back, when generation ends for another reason.
  std::string Flush();
  const std::string& string(int index) const { return matchers_[index].string; }

 private:
  /// Knuth-Morris-Pratt: how much of one string the end of the text matches.
  struct Matcher {
    std::string string;
    std::vector<int32_t> fallback;  ///< [size + 1]; longest proper border of each prefix
    int32_t matched = 0;
  };
  static void Advance(Matcher& matcher, char byte);

  std::vector<Matcher> matchers_;
  std::string held_;  // may be the start of a stop string
};

}  // namespace quantd

#endif  // QUANTD_RUNTIME_ENGINE_STOP_H_
