#ifndef QUANTD_RUNTIME_TOKENIZER_SYMBOL_TABLE_H_
#define QUANTD_RUNTIME_TOKENIZER_SYMBOL_TABLE_H_

#include <array>
#include <cstdint>

#include "absl/container/flat_hash_map.h"

namespace quantd {

/// The symbol of each unit that merging starts from: of each byte, or of each character. Immutable
/// after the last Set; then thread-safe.
class SymbolTable {
 public:
  SymbolTable() { small_.fill(-1); }

  /// `unit`: a byte or a code point. The first symbol set for it stays.
  void Set(uint32_t unit, int32_t symbol) {
    if (unit >= small_.size()) {
      others_.try_emplace(unit, symbol);
    } else if (small_[unit] < 0) {
      small_[unit] = symbol;
    }
  }
  /// -1 when there is none.
  int32_t Find(uint32_t unit) const {
    if (unit < small_.size()) return small_[unit];
    const auto found = others_.find(unit);
    return found == others_.end() ? -1 : found->second;
  }

 private:
  std::array<int32_t, 256> small_;  // every byte
  absl::flat_hash_map<uint32_t, int32_t> others_;
};

}  // namespace quantd

#endif  // QUANTD_RUNTIME_TOKENIZER_SYMBOL_TABLE_H_
