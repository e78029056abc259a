#ifndef QUANTD_RUNTIME_TOKENIZER_MERGE_MODEL_H_
#define QUANTD_RUNTIME_TOKENIZER_MERGE_MODEL_H_

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runtime/tokenizer/merges.h"
#include "runtime/tokenizer/string_ids.h"
#include "runtime/tokenizer/symbol_table.h"
#include "runtime/tokenizer/word_model.h"

namespace quantd {

/// What a byte-pair vocabulary consists of.
struct MergeRules {
  enum class Unit : uint8_t { kByte, kCharacter };

  MergeRules() { byte_tokens.fill(-1); }

  Unit unit = Unit::kCharacter;
  /// Symbols of the units by their place in the word: [0] anywhere, unless `by_place`: then
  /// [0] its first unit, [1] one within, [2] its last, [3] its first and last.
  std::array<SymbolTable, 4> symbols;
  bool by_place = false;
  MergeTable merges;
  int32_t vocab_size = 0;  ///< symbols from here on are no tokens

  // What becomes of a symbol that is no token: its bytes, if all have a token; else the unknown
  // token; else the ids of `last_resort`.
  std::array<int32_t, 256> byte_tokens;  ///< or -1
  std::optional<int32_t> unknown;
  bool fuse_unknown = true;  ///< a run of them within a word is one token
  std::string last_resort;   ///< of known symbols; empty: nothing

  /// Not empty: no token holds this after anything else, so that no merge reaches across such a
  /// place and the stretches between can be merged by themselves, which is faster.
  std::string word_start;
};

/// Byte-pair encoding: the units of a word are joined in the order of the merges.
class MergeModel final : public WordModel {
 public:
  /// Indexes the words that are a token as a whole, which then need no merging: every one of
  /// `candidates` that merging would arrive at, or simply every one (`unconditionally`).
  struct WholeWord {
    absl::string_view word;
    int32_t id;
  };
  MergeModel(MergeRules rules, const std::vector<WholeWord>& candidates, bool unconditionally);

  std::unique_ptr<Encoder> NewEncoder() const override;

 private:
  class MergeEncoder;
  void Symbolize(absl::string_view word, std::vector<Symbol>* symbols) const;
  int32_t FindSymbol(uint32_t unit, bool first, bool last) const;
  void AppendFallback(absl::string_view bytes, size_t word_begin, std::vector<int32_t>* ids) const;

  MergeRules rules_;
  std::vector<int32_t> last_resort_;
  StringIds whole_words_;
  size_t longest_whole_word_ = 0;
};

/// Whether `text` holds `start` anywhere but at its beginning, or right after another one: whether
/// a token with this text rules out MergeRules::word_start.
bool HasInnerWordStart(absl::string_view text, absl::string_view start);

}  // namespace quantd

#endif  // QUANTD_RUNTIME_TOKENIZER_MERGE_MODEL_H_
