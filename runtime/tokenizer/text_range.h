#ifndef QUANTD_RUNTIME_TOKENIZER_TEXT_RANGE_H_
#define QUANTD_RUNTIME_TOKENIZER_TEXT_RANGE_H_

#include <cstddef>

namespace quantd {

/// Bytes [begin, end) of a text.
struct TextRange {
  size_t begin = 0, end = 0;
  bool operator==(const TextRange&) const = default;
};

}  // namespace quantd

#endif  // QUANTD_RUNTIME_TOKENIZER_TEXT_RANGE_H_
