#include "runtime/lifecycle/open_tokenizer.h"

#include <limits>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "kernels/base/status_macros.h"
#include "runtime/formats/hf_config.h"
#include "runtime/tokenizer/gguf_tokenizer_keys.h"
#include "runtime/tokenizer/ids_only_tokenizer.h"
#include "runtime/tokenizer/vocabulary.h"

namespace quantd {
namespace {

absl::StatusOr<std::unique_ptr<Tokenizer>> OfFolder(const Checkpoint& checkpoint,
                                                    const CheckpointTensor* embedding) {
  if (embedding == nullptr || embedding->rows() > std::numeric_limits<int32_t>::max()) {
    return checkpoint.Error("tensor token_embd.weight", "is missing or too large");
  }
  const int32_t vocab = static_cast<int32_t>(embedding->rows());
  absl::StatusOr<std::unique_ptr<Tokenizer>> own = Tokenizer::FromDirectory(checkpoint.path());
  if (absl::IsNotFound(own.status()) || absl::IsUnimplemented(own.status())) {
    const GenerationDefaults& generation = checkpoint.hf_config()->generation();
    return std::make_unique<IdsOnlyTokenizer>(
        vocab, generation.bos_token, generation.eos_tokens,
        absl::Status(own.status().code(),
                     absl::StrCat(own.status().message(), "; give token ids instead of text")));
  }
  // Models are often padded: their last ids then stand for nothing.
  if (!own.ok() || (*own)->vocab_size() <= vocab) return own;
  return checkpoint.Error("tokenizer",
                          absl::StrCat("the vocabulary has ", (*own)->vocab_size(),
                                       " tokens but the model computes logits for ", vocab));
}

/// Of a GGUF file that says that it has none.
absl::StatusOr<std::unique_ptr<Tokenizer>> OfNone(const Checkpoint& checkpoint,
                                                  const CheckpointTensor& embedding) {
  const size_t vocab = static_cast<size_t>(embedding.rows());
  QUANTD_ASSIGN_OR_RETURN(const std::optional<int32_t> bos,
                          ReadTokenId(*checkpoint.gguf(), gguf_tokenizer::kBosId, vocab));
  QUANTD_ASSIGN_OR_RETURN(const std::optional<int32_t> eos,
                          ReadTokenId(*checkpoint.gguf(), gguf_tokenizer::kEosId, vocab));
  std::vector<int32_t> ends;
  if (eos) ends.push_back(*eos);
  return std::make_unique<IdsOnlyTokenizer>(
      static_cast<int32_t>(vocab), bos, std::move(ends),
      checkpoint.Unsupported(
          gguf_tokenizer::kModel,
          "\"none\": the file holds no tokenizer; give token ids instead of text"));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Tokenizer>> OpenTokenizer(const Checkpoint& checkpoint) {
  const CheckpointTensor* embedding = checkpoint.Find("token_embd.weight");
  if (checkpoint.gguf() == nullptr) return OfFolder(checkpoint, embedding);
  QUANTD_ASSIGN_OR_RETURN(const absl::string_view kind,
                          checkpoint.gguf()->String(gguf_tokenizer::kModel));
  if (kind == gguf_tokenizer::kModelNone && embedding != nullptr)
    return OfNone(checkpoint, *embedding);
  QUANTD_ASSIGN_OR_RETURN(std::unique_ptr<Tokenizer> tokenizer,
                          Tokenizer::FromGguf(*checkpoint.gguf()));
  if (embedding == nullptr || tokenizer->vocab_size() == embedding->rows()) return tokenizer;
  return checkpoint.Error(
      "tokenizer.ggml.tokens",
      absl::StrCat("the vocabulary has ", tokenizer->vocab_size(),
                   " tokens but the model computes logits for ", embedding->rows()));
}

}  // namespace quantd
