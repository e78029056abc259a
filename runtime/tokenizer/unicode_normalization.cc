#include "runtime/tokenizer/unicode_normalization.h"

#include <utf8proc.h>

#include <algorithm>
#include <vector>

#include "absl/strings/string_view.h"
#include "kernels/base/check.h"
#include "runtime/tokenizer/utf8.h"

namespace quantd {
namespace {

// More than any code point decomposes into.
constexpr int kLongestDecomposition = 32;

int CombiningClass(utf8proc_int32_t code) {
  return code < 0x300 ? 0 : static_cast<int>(utf8proc_get_property(code)->combining_class);
}

std::vector<utf8proc_int32_t> Decompose(absl::string_view text, bool compatibility) {
  const auto options = static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_DECOMPOSE |
                                                      (compatibility ? UTF8PROC_COMPAT : 0));
  std::vector<utf8proc_int32_t> codes;
  codes.reserve(text.size());
  while (!text.empty()) {
    const auto code = static_cast<utf8proc_int32_t>(TakeCharacter(&text));
    if (code < 0x80) {
      codes.push_back(code);
      continue;
    }
    utf8proc_int32_t parts[kLongestDecomposition];
    const utf8proc_ssize_t count =
        utf8proc_decompose_char(code, parts, kLongestDecomposition, options, nullptr);
    QUANTD_CHECK(count >= 0 && count <= kLongestDecomposition, "UTF-8 holds code points only");
    codes.insert(codes.end(), parts, parts + count);
  }
  return codes;
}

// Sorts each run of marks by combining class, marks of one class staying in order. (The library's
// own sorting takes quadratic time.)
void OrderMarks(std::vector<utf8proc_int32_t>* codes) {
  for (auto at = codes->begin(); at != codes->end();) {
    if (CombiningClass(*at) == 0) {
      ++at;
      continue;
    }
    const auto end =
        std::find_if(at, codes->end(), [](utf8proc_int32_t c) { return CombiningClass(c) == 0; });
    std::stable_sort(at, end, [](utf8proc_int32_t a, utf8proc_int32_t b) {
      return CombiningClass(a) < CombiningClass(b);
    });
    at = end;
  }
}

// Joins decomposed, ordered code points.
void Compose(std::vector<utf8proc_int32_t>* codes) {
  const utf8proc_ssize_t count =
      utf8proc_normalize_utf32(codes->data(), static_cast<utf8proc_ssize_t>(codes->size()),
                               static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
  QUANTD_CHECK(count >= 0, "composing never fails");
  codes->resize(static_cast<size_t>(count));
}

}  // namespace

void NormalizeUnicode(NormalForm form, std::string* text) {
  const bool ascii = std::all_of(text->begin(), text->end(),
                                 [](char c) { return static_cast<uint8_t>(c) < 0x80; });
  if (ascii) return;
  std::vector<utf8proc_int32_t> codes =
      Decompose(*text, form == NormalForm::kNfkc || form == NormalForm::kNfkd);
  OrderMarks(&codes);
  if (form == NormalForm::kNfc || form == NormalForm::kNfkc) Compose(&codes);
  text->clear();
  for (const utf8proc_int32_t code : codes) AppendCharacter(static_cast<char32_t>(code), text);
}

}  // namespace quantd
