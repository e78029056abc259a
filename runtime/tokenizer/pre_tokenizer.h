#ifndef QUANTD_RUNTIME_TOKENIZER_PRE_TOKENIZER_H_
#define QUANTD_RUNTIME_TOKENIZER_PRE_TOKENIZER_H_

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "runtime/tokenizer/normalizer.h"
#include "runtime/tokenizer/piece_splitter.h"
#include "runtime/tokenizer/regex.h"

namespace quantd {

/// The pieces of a text, views into it or into texts that steps made of it. One per call.
struct Pieces {
  std::vector<absl::string_view> list;
  std::deque<std::string> made;
  /// Where the piece begins that starts the whole text; null if none does.
  const char* text_start = nullptr;
};

/// A step that cuts pieces further, and may rewrite them. Immutable, thread-safe.
class PreTokenizerStep {
 public:
  virtual ~PreTokenizerStep() = default;
  virtual void Apply(RegexSearch* search, Pieces* pieces) const = 0;
};
using PreTokenizerSteps = std::vector<std::unique_ptr<const PreTokenizerStep>>;

/// Cuts at what `pattern` finds.
std::unique_ptr<const PreTokenizerStep> SplitAt(Pattern pattern, SplitBehavior behavior,
                                                bool invert = false);
/// Cuts at the characters of a class of unicode_classes.h.
std::unique_ptr<const PreTokenizerStep> SplitAt(bool (*is_member)(char32_t),
                                                SplitBehavior behavior);
/// "Metaspace": spaces become `replacement`, which is also put in front of a piece that does not
/// begin with it (`prepend`: of each, of the one that starts the text, of none); with `split`, each
/// piece is cut before every replacement.
enum class PrependScheme : uint8_t { kAlways, kFirst, kNever };
std::unique_ptr<const PreTokenizerStep> Metaspace(std::string replacement, PrependScheme prepend,
                                                  bool split);
/// The cutting of "ByteLevel": optionally a space in front of each piece that does not begin with
/// one, optionally GPT-2's pattern. The bytes stay as they are.
std::unique_ptr<const PreTokenizerStep> ByteLevelSplit(bool add_prefix_space, bool use_regex);
/// Spells the bytes of each piece in the byte alphabet (byte_alphabet.h).
std::unique_ptr<const PreTokenizerStep> SpellBytes();

/// A list of steps. Immutable, thread-safe.
class PreTokenizer {
 public:
  /// Without steps, the text is one word.
  explicit PreTokenizer(PreTokenizerSteps steps = {}) : steps_(std::move(steps)) {}

  /// The words of `text`, which is valid UTF-8 and must outlive them. Never fails; linear time.
  /// `text_start`: the text is not preceded by anything.
  Pieces Split(absl::string_view text, bool text_start) const;

 private:
  PreTokenizerSteps steps_;
};

}  // namespace quantd

#endif  // QUANTD_RUNTIME_TOKENIZER_PRE_TOKENIZER_H_
