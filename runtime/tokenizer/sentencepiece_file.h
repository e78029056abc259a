#ifndef QUANTD_RUNTIME_TOKENIZER_SENTENCEPIECE_FILE_H_
#define QUANTD_RUNTIME_TOKENIZER_SENTENCEPIECE_FILE_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "runtime/tokenizer/gguf_vocabulary.h"
#include "runtime/tokenizer/hf_tokenizer_config.h"
#include "runtime/tokenizer/tokenizer.h"

namespace quantd {

/// The tokenizer of a SentencePiece model file ("tokenizer.model"), a protobuf message ModelProto
/// of github.com/google/sentencepiece; added tokens come from `config`. Models of type BPE and
/// unigram are read. The few fields of the message are read here, since SentencePiece's own library
/// makes no promise about time on hostile texts, and the runtime does not depend on protobuf.
/// Errors: DATA_LOSS naming file and field; UNIMPLEMENTED naming the type of model.
absl::StatusOr<std::unique_ptr<Tokenizer>> MakeSentencePieceTokenizer(
    absl::string_view bytes, const std::string& path, const HfTokenizerConfig& config);

/// The same as GGUF describes tokenizers: "llama" of a BPE model, "t5" of a unigram one. Further
/// errors: UNIMPLEMENTED for a BPE model that normalizes texts.
absl::StatusOr<GgufVocabulary> SentencePieceToGguf(absl::string_view bytes, const std::string& path,
                                                   const HfTokenizerConfig& config);

/// The tokenizer of the file at `path`. Further errors: those of MappedFile::Open.
absl::StatusOr<std::unique_ptr<Tokenizer>> OpenSentencePieceTokenizer(
    const std::string& path, const HfTokenizerConfig& config);

}  // namespace quantd

#endif  // QUANTD_RUNTIME_TOKENIZER_SENTENCEPIECE_FILE_H_
