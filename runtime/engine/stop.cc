#include "runtime/engine/stop.h"

#include <algorithm>
#include <utility>

namespace quantd {

StopStrings::StopStrings(std::vector<std::string> strings) {
  for (std::string& string : strings) {
    Matcher matcher{std::move(string), {}, 0};
    const std::string& s = matcher.string;
    matcher.fallback.assign(s.size() + 1, 0);
    for (size_t i = 1; i < s.size(); ++i) {
      int32_t border = matcher.fallback[i];
      while (border > 0 && s[border] != s[i]) border = matcher.fallback[border];
      matcher.fallback[i + 1] = s[border] == s[i] ? border + 1 : 0;
    }
    matchers_.push_back(std::move(matcher));
  }
}

void StopStrings::Advance(Matcher& matcher, char byte) {
  const auto size = static_cast<int32_t>(matcher.string.size());
  int32_t matched = matcher.matched == size ? matcher.fallback[size] : matcher.matched;
  while (matched > 0 && matcher.string[matched] != byte) matched = matcher.fallback[matched];
  matcher.matched = matcher.string[matched] == byte ? matched + 1 : 0;
}

StopStrings::Result StopStrings::Push(absl::string_view piece, bool armed) {
  Result result;
  if (matchers_.empty()) {
    result.text = std::string(piece);
    return result;
  }
  for (char byte : piece) {
    held_.push_back(byte);
    size_t longest = 0;
    for (size_t i = 0; i < matchers_.size(); ++i) {
      Advance(matchers_[i], byte);
      const size_t size = matchers_[i].string.size();
      if (armed && static_cast<size_t>(matchers_[i].matched) == size && size > longest) {
        longest = size;
        result.matched = static_cast<int>(i);
      }
    }
    if (result.matched >= 0) {
      result.text = held_.substr(0, held_.size() - longest);
      held_.clear();
      return result;
    }
  }
  size_t keep = 0;
  for (const Matcher& matcher : matchers_) {
    // A string passed over while not armed may still overlap the start of its next occurrence.
    const auto size = static_cast<int32_t>(matcher.string.size());
    const int32_t open = matcher.matched == size ? matcher.fallback[size] : matcher.matched;
    keep = std::max(keep, static_cast<size_t>(open));
  }
  result.text = held_.substr(0, held_.size() - keep);
  held_.erase(0, held_.size() - keep);
  return result;
}

std::string StopStrings::Flush() { return std::exchange(held_, {}); }

}  // namespace quantd
