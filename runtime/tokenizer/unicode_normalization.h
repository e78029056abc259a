#ifndef QUANTD_RUNTIME_TOKENIZER_UNICODE_NORMALIZATION_H_
#define QUANTD_RUNTIME_TOKENIZER_UNICODE_NORMALIZATION_H_

#include <cstdint>
#include <string>

namespace quantd {

/// The normalization forms of Unicode (UAX #15).
enum class NormalForm : uint8_t { kNfc, kNfd, kNfkc, kNfkd };

/// Brings *text, valid UTF-8, into a form. O(n log n) even for long runs of combining marks, which
/// are sorted; text of ASCII alone is left at once.
void NormalizeUnicode(NormalForm form, std::string* text);

}  // namespace quantd

#endif  // QUANTD_RUNTIME_TOKENIZER_UNICODE_NORMALIZATION_H_
