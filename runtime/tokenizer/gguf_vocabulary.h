#ifndef QUANTD_RUNTIME_TOKENIZER_GGUF_VOCABULARY_H_
#define QUANTD_RUNTIME_TOKENIZER_GGUF_VOCABULARY_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "runtime/formats/gguf_writer.h"
#include "runtime/tokenizer/tokenizer.h"

namespace quantd {

/// A tokenizer as a GGUF file describes it: what Tokenizer::FromGguf reads.
struct GgufVocabulary {
  std::string model, pre;           ///< values of tokenizer.ggml.model and .pre
  std::vector<std::string> texts;   ///< by id; "" of one that no token has
  std::vector<TokenType> types;     ///< [texts.size()]
  std::vector<float> scores;        ///< [texts.size()], or empty
  std::vector<std::string> merges;  ///< "LEFT RIGHT" by rank; of model "gpt2"
  std::optional<int32_t> bos, eos, unknown, padding;
  std::vector<int32_t> more_ends;  ///< end a text besides EOS, and are not known by their names
  bool add_bos = false, add_eos = false;
  std::optional<bool> add_space_prefix, remove_extra_whitespaces;
  std::string charsmap;  ///< how SentencePiece normalizes; empty: not at all
  /// What the tokenizer does with some texts that no key can say, each "FILE: FIELD: what": these
  /// get other tokens from who reads the file.
  std::vector<std::string> notes;
};

/// The same tokenizer as Tokenizer::Open gives, from a folder or a file of one (not from a GGUF
/// file). Where a tokenizer.json does what no key can say, a tokenizer.model beside it serves.
/// Errors: those of Tokenizer::Open; UNIMPLEMENTED naming what GGUF does not have and what is
/// there.
absl::StatusOr<GgufVocabulary> ReadGgufVocabulary(const std::string& path);

/// Sets the keys of a tokenizer. `size`: ids of the model, at least those of the vocabulary; what
/// lies between becomes unused tokens.
void WriteGgufVocabulary(const GgufVocabulary& vocabulary, int32_t size, GgufWriter* writer);

/// Sets the key of a token's id, if there is one.
void SetTokenId(const char* key, std::optional<int32_t> id, GgufWriter* writer);

}  // namespace quantd

#endif  // QUANTD_RUNTIME_TOKENIZER_GGUF_VOCABULARY_H_
