#ifndef QUANTD_RUNTIME_TOKENIZER_HF_VOCAB_AND_MERGES_H_
#define QUANTD_RUNTIME_TOKENIZER_HF_VOCAB_AND_MERGES_H_

#include <memory>

#include "absl/status/statusor.h"
#include "runtime/formats/model_directory.h"
#include "runtime/tokenizer/hf_tokenizer_config.h"
#include "runtime/tokenizer/hf_vocabulary.h"
#include "runtime/tokenizer/tokenizer.h"

namespace quantd {

/// Whether a folder holds a byte-level BPE in the older form, vocab.json and merges.txt.
bool HasVocabAndMerges(const ModelDirectory& directory);

/// The tokenizer of such a folder: of vocab.json (text -> id), merges.txt (two parts and a space in
/// each line, after a line that begins with "#version") and added_tokens.json (text -> id,
/// optional). How it splits texts the files do not say; `tokenizer_class` of `config` does, and
/// without one it is GPT-2's way. Errors: DATA_LOSS naming file and field; UNIMPLEMENTED for a
/// class that has its own way, naming those that are known.
absl::StatusOr<std::unique_ptr<Tokenizer>> OpenVocabAndMerges(const ModelDirectory& directory,
                                                              const HfTokenizerConfig& config);

/// The same as a tokenizer.json would have it; *config is completed by what is usual in the class.
absl::StatusOr<HfTokenizerFile> ReadVocabAndMerges(const ModelDirectory& directory,
                                                   HfTokenizerConfig* config);

}  // namespace quantd

#endif  // QUANTD_RUNTIME_TOKENIZER_HF_VOCAB_AND_MERGES_H_
