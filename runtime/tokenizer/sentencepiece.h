#ifndef QUANTD_RUNTIME_TOKENIZER_SENTENCEPIECE_H_
#define QUANTD_RUNTIME_TOKENIZER_SENTENCEPIECE_H_

#include <memory>

#include "runtime/tokenizer/charsmap.h"
#include "runtime/tokenizer/normalizer.h"
#include "runtime/tokenizer/pipeline_tokenizer.h"
#include "runtime/tokenizer/vocabulary.h"

namespace quantd {

// SentencePiece vocabularies (Kudo and Richardson 2018), from a GGUF file or from tokenizer.model.
// A file spells the space U+2581; here tokens are kept as the bytes they stand for, so that U+2581
// in a text is a space.

/// How SentencePiece prepares a text.
struct SentencePieceRules {
  std::shared_ptr<const Charsmap> charsmap;  ///< null: characters stay as they are
  bool add_dummy_prefix = true;              ///< a space in front of a text
  bool remove_extra_whitespaces = false;     ///< at both ends, and all but one between words
};

/// The preparation as a step.
Normalizer MakeSentencePieceNormalizer(const SentencePieceRules& rules);

/// A "BPE" model: characters are joined while their concatenation is a token, the best score first.
/// Characters without a token become byte tokens or the unknown token. `vocabulary` must have
/// scores. Unused tokens are decoded but never produced.
TokenizerParts MakeScoreMergeParts(const Vocabulary& vocabulary, const SentencePieceRules& rules);

/// A "unigram" model; the same otherwise.
TokenizerParts MakeUnigramParts(const Vocabulary& vocabulary, const SentencePieceRules& rules);

}  // namespace quantd

#endif  // QUANTD_RUNTIME_TOKENIZER_SENTENCEPIECE_H_
