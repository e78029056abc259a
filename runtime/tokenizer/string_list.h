#ifndef QUANTD_RUNTIME_TOKENIZER_STRING_LIST_H_
#define QUANTD_RUNTIME_TOKENIZER_STRING_LIST_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace quantd {

/// Strings by number, one behind the other in one buffer: a vocabulary of short tokens takes a
/// quarter of what a vector of std::string does. Views into it last until the next Add or move.
class StringList {
 public:
  void Add(absl::string_view string) {
    bytes_.append(string.data(), string.size());
    ends_.push_back(bytes_.size());
  }
  /// Gives back what Add took in advance.
  void ShrinkToFit() {
    bytes_.shrink_to_fit();
    ends_.shrink_to_fit();
  }
  size_t size() const { return ends_.size(); }
  absl::string_view operator[](size_t index) const {
    const size_t begin = index == 0 ? 0 : ends_[index - 1];
    return {bytes_.data() + begin, ends_[index] - begin};
  }

 private:
  std::string bytes_;
  std::vector<size_t> ends_;
};

}  // namespace quantd

#endif  // QUANTD_RUNTIME_TOKENIZER_STRING_LIST_H_
