#ifndef QUANTD_RUNTIME_FORMATS_HF_PACKING_H_
#define QUANTD_RUNTIME_FORMATS_HF_PACKING_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "runtime/formats/hf_module.h"

namespace quantd {

/// Where code `index` of a little-endian stream of 32-bit words lies, codes of `bits` bits
/// following each other without a gap. For 2, 4 and 8 bits no code straddles words; of 32 codes of
/// 3 bits, two do.
struct CodePlace {
  CodePlace(int64_t index, int bits)
      : word(index * bits / 32), shift(static_cast<int>(index * bits % 32)), bits(bits) {}

  bool straddles() const { return shift + bits > 32; }
  /// The code, given its word and the next (which counts only if straddles()).
  uint8_t Extract(uint32_t low, uint32_t high) const {
    const uint64_t both = low | static_cast<uint64_t>(high) << 32;
    return static_cast<uint8_t>(both >> shift & ((1u << bits) - 1));
  }

  int64_t word;
  int shift;
  int bits;
};

/// Reads codes that are packed into the 32-bit words of a tensor of two dimensions, along either.
class PackedCodes {
 public:
  enum class Along { kRows, kColumns };
  /// Along kRows, the words of one stream are a column: consecutive codes differ in the first
  /// index.
  PackedCodes(const SafetensorsTensor& tensor, int bits, Along along)
      : tensor_(tensor), bits_(bits), along_(along), columns_(tensor.shape[1]) {}

  /// Code `index` of stream `stream`.
  uint8_t At(int64_t stream, int64_t index) const {
    const CodePlace place(index, bits_);
    const uint32_t low = Word(stream, place.word);
    return place.Extract(low, place.straddles() ? Word(stream, place.word + 1) : 0);
  }
  uint32_t Word(int64_t stream, int64_t word) const {
    return LoadElement<uint32_t>(
        tensor_, along_ == Along::kRows ? word * columns_ + stream : stream * columns_ + word);
  }
  int bits() const { return bits_; }

 private:
  const SafetensorsTensor& tensor_;
  const int bits_;
  const Along along_;
  const int64_t columns_;
};

/// Words that a stream of `codes` codes takes.
inline int64_t PackedWords(int64_t codes, int bits) { return (codes * bits + 31) / 32; }

/// Reads act-order: `groups[k]` (I32 [k_total]) is the group of input feature k. Returns the
/// features sorted by group, features of a group in their order (WeightSource::k_order); empty if
/// they are sorted already. Errors: DATA_LOSS when a group is not within [0, group_count) or the
/// groups are not of equal length.
absl::StatusOr<std::vector<int32_t>> ReadKOrder(const SafetensorsTensor& groups,
                                                int64_t group_count);

/// Column of each feature in the decoded matrix, the inverse of a k_order; of an empty one, columns
/// 0 .. k - 1.
std::vector<int32_t> ColumnsOf(absl::Span<const int32_t> k_order, int64_t k);

}  // namespace quantd

#endif  // QUANTD_RUNTIME_FORMATS_HF_PACKING_H_
