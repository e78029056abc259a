#ifndef QUANTD_RUNTIME_TOKENIZER_HF_POST_PROCESSOR_H_
#define QUANTD_RUNTIME_TOKENIZER_HF_POST_PROCESSOR_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "runtime/formats/json_document.h"

namespace quantd {

/// What "post_processor" of a tokenizer.json puts around a single text.
struct HfFrame {
  std::vector<int32_t> prefix, suffix;
};

/// Ids are below `vocab_size`. Errors: DATA_LOSS naming the field; UNIMPLEMENTED naming the kind,
/// and for a template that does not hold the text just once.
absl::StatusOr<HfFrame> ReadHfPostProcessor(const std::optional<JsonValue>& post_processor,
                                            size_t vocab_size);

}  // namespace quantd

#endif  // QUANTD_RUNTIME_TOKENIZER_HF_POST_PROCESSOR_H_
