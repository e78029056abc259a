#ifndef QUANTD_KERNELS_GEMM_ROWS16_FORMAT_H_
#define QUANTD_KERNELS_GEMM_ROWS16_FORMAT_H_

#include <stdint.h>

// The byte order of WeightLayout::kRows16, as numbers. Plain constants only: files compiled for
// one instruction set include this. kernels/README.md draws the pictures.

namespace quantd {

/// The formats that have a kRows16 form; index into kRows16.
enum class PackedFormat : uint8_t {
  kF32,
  kF16,
  kBF16,
  kQ8_0,
  kQ4_0,
  kQ4_1,
  kQ5_0,
  kQ5_1,
  kQ6_K,
};
inline constexpr int kPackedFormats = 9;

inline constexpr int kGroupRows = 16;     ///< output rows that are interleaved
inline constexpr int kBlockWeights = 32;  ///< consecutive k in a block of an integer format

/// One block of 16 rows: kBlockWeights consecutive k of an integer format, one k of a float one.
/// A row group is its blocks one after the other; the matrix is its row groups.
///
/// Integer blocks hold 8 vectors of 64 bytes, vector j having byte 4 * row + i for k = 4 * j + i.
/// bits 6 and 8: the vectors as they are. bits 4 and 5: four vectors, low nibbles are vector j,
/// high nibbles vector j + 4. bits 5: then 64 bytes whose bit j is bit 4 of vector j.
struct Rows16Format {
  int bits;          ///< of a code; 0 for float formats
  int zero;          ///< subtracted from codes
  int scale_groups;  ///< scales per row and block: 1, or 2 for groups of 16
  int scale_bytes;   ///< 2 = f16, 4 = f32
  int high_offset;   ///< of the fifth bits; 0 = none
  int scale_offset;  ///< scale_groups times 16 scales
  int min_offset;    ///< 16 f16 mins; 0 = none
  int bytes;         ///< of a block
};

inline constexpr Rows16Format kRows16[kPackedFormats] = {
    /* F32  */ {0, 0, 0, 0, 0, 0, 0, 64},
    /* F16  */ {0, 0, 0, 0, 0, 0, 0, 32},
    /* BF16 */ {0, 0, 0, 0, 0, 0, 0, 32},
    /* Q8_0 */ {8, 128, 1, 2, 0, 512, 0, 544},
    /* Q4_0 */ {4, 8, 1, 2, 0, 256, 0, 288},
    /* Q4_1 */ {4, 0, 1, 2, 0, 256, 288, 320},
    /* Q5_0 */ {5, 16, 1, 2, 256, 320, 0, 352},
    /* Q5_1 */ {5, 0, 1, 2, 256, 320, 352, 384},
    /* Q6_K */ {6, 32, 2, 4, 0, 512, 0, 640},
};

/// Bytes of weights that a kernel goes through for all its column tiles before it moves on: small
/// enough to stay in a 512 KiB L2 beside the activations.
inline constexpr int64_t kSlabBytes = 256 * 1024;

}  // namespace quantd

#endif  // QUANTD_KERNELS_GEMM_ROWS16_FORMAT_H_
