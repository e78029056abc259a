#ifndef QUANTD_TESTS_RUNTIME_TOKENIZER_SAME_TOKENS_H_
#define QUANTD_TESTS_RUNTIME_TOKENIZER_SAME_TOKENS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "runtime/tokenizer/tokenizer.h"

namespace quantd {

/// Expects the ids of `original` for a text from `written` too, framed as is its default, with
/// control tokens parsed or not; and, if `decodes`, their texts.
inline void ExpectSameTokensOf(const std::string& text, const Tokenizer& written,
                               const Tokenizer& original, bool decodes) {
  SCOPED_TRACE(absl::StrCat("\"", absl::CHexEscape(text.substr(0, 100)), "\""));
  for (const bool control : {false, true}) {
    const EncodeOptions options{.add_bos = original.default_add_bos(),
                                .add_eos = original.default_add_eos(),
                                .parse_control = control};
    const std::vector<int32_t> ids = original.Encode(text, options);
    EXPECT_EQ(written.Encode(text, options), ids);
    if (decodes) {
      EXPECT_EQ(written.Decode(ids), original.Decode(ids));
    }
  }
}

}  // namespace quantd

#endif  // QUANTD_TESTS_RUNTIME_TOKENIZER_SAME_TOKENS_H_
