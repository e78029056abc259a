#ifndef QUANTD_RUNTIME_LIFECYCLE_OPEN_TOKENIZER_H_
#define QUANTD_RUNTIME_LIFECYCLE_OPEN_TOKENIZER_H_

#include <memory>

#include "absl/status/statusor.h"
#include "runtime/model/checkpoint.h"
#include "runtime/tokenizer/tokenizer.h"

namespace quantd {

/// The tokenizer that lies with a model. Where a folder has none that can be read, its model is
/// served for token ids, see Tokenizer::CheckText. Errors: DATA_LOSS naming file and key, also when
/// the vocabulary does not fit the model's; UNIMPLEMENTED naming the kind that a GGUF file has.
absl::StatusOr<std::unique_ptr<Tokenizer>> OpenTokenizer(const Checkpoint& checkpoint);

}  // namespace quantd

#endif  // QUANTD_RUNTIME_LIFECYCLE_OPEN_TOKENIZER_H_
