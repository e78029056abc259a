#ifndef QUANTD_RUNTIME_TOKENIZER_GGUF_TOKENIZER_KEYS_H_
#define QUANTD_RUNTIME_TOKENIZER_GGUF_TOKENIZER_KEYS_H_

namespace quantd::gguf_tokenizer {

// How a GGUF file describes its tokenizer.
inline constexpr char kModel[] = "tokenizer.ggml.model";
inline constexpr char kPre[] = "tokenizer.ggml.pre";
inline constexpr char kTokens[] = "tokenizer.ggml.tokens";
inline constexpr char kTypes[] = "tokenizer.ggml.token_type";
inline constexpr char kScores[] = "tokenizer.ggml.scores";
inline constexpr char kMerges[] = "tokenizer.ggml.merges";
inline constexpr char kAddBos[] = "tokenizer.ggml.add_bos_token";
inline constexpr char kAddEos[] = "tokenizer.ggml.add_eos_token";
inline constexpr char kAddSpacePrefix[] = "tokenizer.ggml.add_space_prefix";
inline constexpr char kRemoveExtraWhitespaces[] = "tokenizer.ggml.remove_extra_whitespaces";
inline constexpr char kCharsmap[] = "tokenizer.ggml.precompiled_charsmap";
inline constexpr char kBosId[] = "tokenizer.ggml.bos_token_id";
inline constexpr char kEosId[] = "tokenizer.ggml.eos_token_id";
inline constexpr char kEotId[] = "tokenizer.ggml.eot_token_id";
inline constexpr char kEomId[] = "tokenizer.ggml.eom_token_id";
inline constexpr char kUnknownId[] = "tokenizer.ggml.unknown_token_id";
inline constexpr char kPaddingId[] = "tokenizer.ggml.padding_token_id";
inline constexpr char kSeparatorId[] = "tokenizer.ggml.seperator_token_id";  // so spelled there
inline constexpr char kClsId[] = "tokenizer.ggml.cls_token_id";

// Values of kModel.
inline constexpr char kModelMerges[] = "gpt2";   ///< byte-level BPE
inline constexpr char kModelScores[] = "llama";  ///< SentencePiece's BPE
inline constexpr char kModelUnigram[] = "t5";    ///< SentencePiece's unigram model
inline constexpr char kModelWordPiece[] = "bert";
inline constexpr char kModelNone[] = "none";  ///< no text, token ids only

}  // namespace quantd::gguf_tokenizer

#endif  // QUANTD_RUNTIME_TOKENIZER_GGUF_TOKENIZER_KEYS_H_
