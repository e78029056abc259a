#ifndef QUANTD_RUNTIME_TOKENIZER_PIPELINE_TOKENIZER_H_
#define QUANTD_RUNTIME_TOKENIZER_PIPELINE_TOKENIZER_H_

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runtime/tokenizer/normalizer.h"
#include "runtime/tokenizer/pre_tokenizer.h"
#include "runtime/tokenizer/special_tokens.h"
#include "runtime/tokenizer/string_list.h"
#include "runtime/tokenizer/tokenizer.h"
#include "runtime/tokenizer/word_model.h"

namespace quantd {

/// What a tokenizer is made of. Each reader of a file format fills one.
struct TokenizerParts {
  std::string model_name, pre_name;
  std::vector<TokenType> types;  ///< by id; its size is that of the vocabulary
  StringList token_bytes;        ///< by id: what Tokenizer::TokenBytes gives

  std::optional<int32_t> bos, eos;
  std::vector<int32_t> prefix_ids, suffix_ids;  ///< around a prompt; default: BOS, EOS
  std::vector<int32_t> end_ids;
  bool add_bos = false, add_eos = false;  ///< defaults

  std::vector<SpecialToken> special;  ///< cut out of the text as it comes
  /// Cut out after the normalizers. Normalized, a text no longer shows where it is plain (see
  /// EncodeOptions), so that where some of it is, the control tokens among these are cut out
  /// before, as they are written (`normalized_control`).
  std::vector<SpecialToken> normalized_special, normalized_control;
  std::vector<Normalizer> normalizers;
  PreTokenizer pre_tokenizer;
  std::unique_ptr<const WordModel> model;
  /// What Tokenizer::StartBytes gives; null: as TokenBytes.
  std::function<std::string(const Tokenizer& tokenizer, int32_t id)> start_bytes;
};

/// The tokenizer of these parts: stretches of text go through the normalizers, the pre-tokenizer
/// and the model.
std::unique_ptr<Tokenizer> MakeTokenizer(TokenizerParts parts);

}  // namespace quantd

#endif  // QUANTD_RUNTIME_TOKENIZER_PIPELINE_TOKENIZER_H_
