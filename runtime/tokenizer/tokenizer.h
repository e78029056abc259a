#ifndef QUANTD_RUNTIME_TOKENIZER_TOKENIZER_H_
#define QUANTD_RUNTIME_TOKENIZER_TOKENIZER_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "runtime/formats/gguf.h"
#include "runtime/tokenizer/string_list.h"
#include "runtime/tokenizer/text_range.h"

namespace quantd {

class SpecialTokens;

/// Token class, numbered as tokenizer.ggml.token_type.
enum class TokenType : uint8_t {
  kNormal = 1,
  kUnknown = 2,
  kControl = 3,
  kUserDefined = 4,
  kUnused = 5,
  kByte = 6,
};

struct EncodeOptions {
  /// Put first / last what the vocabulary puts there, BOS and EOS as a rule, whatever it says
  /// about defaults.
  bool add_bos = false;
  bool add_eos = false;
  /// Recognize control tokens ("<s>", "<|im_end|>") written in the text. Off: they are plain
  /// text, which is what untrusted input must be. User-defined tokens are always recognized.
  bool parse_control = false;
  /// With parse_control: stretches in which it is off, as in a chat prompt the words of the user.
  /// A control token that shares a byte with one is plain text. All else is as if they were not
  /// there: text is merged across their ends. Not empty, ascending, without overlap; borrowed.
  absl::Span<const TextRange> plain = {};
};

/// Text <-> token ids of one vocabulary. Immutable and thread-safe.
class Tokenizer {
 public:
  /// Builds the tokenizer of tokenizer.ggml.model ("llama", "gpt2", "bert", "t5"). Errors:
  /// DATA_LOSS naming the key; UNIMPLEMENTED naming the model or pre-tokenizer and those that are
  /// known.
  static absl::StatusOr<std::unique_ptr<Tokenizer>> FromGguf(const GgufFile& file);
  /// The tokenizer of a model's folder: tokenizer.json, or else tokenizer.model, or else vocab.json
  /// with merges.txt, and what tokenizer_config.json, special_tokens_map.json and
  /// generation_config.json beside it say. Errors: NOT_FOUND without any; DATA_LOSS naming file and
  /// field; UNIMPLEMENTED naming the kind of a part.
  static absl::StatusOr<std::unique_ptr<Tokenizer>> FromDirectory(const std::string& path);
  /// By what `path` is: a folder; a file .json (as tokenizer.json) or .model (as
  /// tokenizer.model), by itself; else a GGUF file.
  static absl::StatusOr<std::unique_ptr<Tokenizer>> Open(const std::string& path);
  virtual ~Tokenizer();
  Tokenizer(const Tokenizer&) = delete;
  Tokenizer& operator=(const Tokenizer&) = delete;

  /// OK; or UNIMPLEMENTED, NOT_FOUND and the like naming the file, when the model takes and gives
  /// token ids only: texts then have no tokens, and tokens no text. To be asked where a text comes
  /// in.
  virtual absl::Status CheckText() const { return absl::OkStatus(); }

  /// Never fails: what is no UTF-8 counts as U+FFFD, one for each maximal ill-formed part. Takes
  /// O(n log n) at most, however hostile the text. Of special tokens the leftmost is taken, and
  /// the longest there.
  std::vector<int32_t> Encode(absl::string_view text, const EncodeOptions& options) const;

  /// Bytes of a token as they appear in running text; "" for control tokens and for ids outside
  /// the vocabulary, U+FFFD for the unknown token. May be part of a code point.
  virtual std::string TokenBytes(int32_t id) const;
  /// The same for the token that starts a text: it may lack the space that stands between words.
  virtual std::string StartBytes(int32_t id) const;

  /// Text of a whole sequence; invalid UTF-8 is replaced by U+FFFD.
  std::string Decode(absl::Span<const int32_t> ids) const;

  int32_t vocab_size() const { return static_cast<int32_t>(types_.size()); }
  TokenType type(int32_t id) const { return types_[id]; }
  std::optional<int32_t> bos() const { return bos_; }
  std::optional<int32_t> eos() const { return eos_; }
  /// Ids that end a generation: EOS, EOT, EOM as far as the vocabulary has them.
  const std::vector<int32_t>& end_ids() const { return end_ids_; }
  /// The vocabulary's own default for BOS / EOS around a prompt.
  bool default_add_bos() const { return default_add_bos_; }
  bool default_add_eos() const { return default_add_eos_; }
  /// The kind of model and pre-tokenizer as the file names them, for reports: "gpt2", "qwen2".
  const std::string& model_name() const { return model_name_; }
  const std::string& pre_name() const { return pre_name_; }

 protected:
  Tokenizer();
  /// Text between special tokens.
  struct Stretch {
    absl::string_view text;  ///< valid UTF-8, not empty
    bool text_start;         ///< nothing stands before it
    bool first;              ///< the same, or it follows a control token, which starts a new text
    bool parse_control;      ///< control tokens may be recognized in it
  };
  virtual void EncodeStretch(const Stretch& stretch, std::vector<int32_t>* ids) const = 0;

  std::unique_ptr<const SpecialTokens> special_;  ///< null: the vocabulary has none
  /// What takes its place in a text with plain stretches; null: nothing.
  std::unique_ptr<const SpecialTokens> special_beside_plain_;
  std::vector<TokenType> types_;
  StringList token_bytes_;  ///< what TokenBytes gives, by id; none: "" for all
  std::optional<int32_t> bos_, eos_;
  std::vector<int32_t> prefix_ids_, suffix_ids_;  ///< what add_bos, add_eos put; default: BOS, EOS
  std::vector<int32_t> end_ids_;
  bool default_add_bos_ = false, default_add_eos_ = false;
  std::string model_name_, pre_name_;
};

/// Turns a stream of ids into a stream of text that never splits a code point: bytes wait until
/// the character is complete. One per sequence; not thread-safe. The tokenizer must outlive it.
class IncrementalDetokenizer {
 public:
  /// `at_text_start`: the first token is the first of a text (its dummy space is dropped);
  /// generation that continues a prompt passes false.
  IncrementalDetokenizer(const Tokenizer* tokenizer, bool at_text_start);

  /// Text that became complete with this token; often one token's, sometimes "" or two's.
  std::string Push(int32_t id);
  /// What is left at the end; an unfinished character becomes U+FFFD.
  std::string Flush();

 private:
  const Tokenizer* tokenizer_;
  bool at_start_;
  std::string pending_;
};

}  // namespace quantd

#endif  // QUANTD_RUNTIME_TOKENIZER_TOKENIZER_H_
