#ifndef QUANTD_RUNTIME_TOKENIZER_VOCABULARY_PARTS_H_
#define QUANTD_RUNTIME_TOKENIZER_VOCABULARY_PARTS_H_

#include <array>
#include <cstdint>
#include <functional>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "runtime/tokenizer/pipeline_tokenizer.h"
#include "runtime/tokenizer/vocabulary.h"

namespace quantd {

/// What every tokenizer takes over from a vocabulary of typed tokens (GGUF, SentencePiece): types,
/// bytes, special tokens and their ids. `decode` gives the bytes of a normal, unused or
/// user-defined token.
using DecodeText = std::function<std::string(TokenType, absl::string_view)>;
TokenizerParts PartsOfVocabulary(const Vocabulary& vocabulary, const DecodeText& decode);

/// Adds ids that end a generation, without those that are in the list or in no vocabulary (a model
/// may have more ids than its tokenizer).
void AddEndIds(absl::Span<const int32_t> ids, TokenizerParts* parts);

/// The token of each byte, "<0x00>" to "<0xFF>", or -1.
std::array<int32_t, 256> ByteTokens(const Vocabulary& vocabulary);

}  // namespace quantd

#endif  // QUANTD_RUNTIME_TOKENIZER_VOCABULARY_PARTS_H_
