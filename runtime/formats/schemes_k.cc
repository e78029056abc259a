// The formats of 256 weights per block whose groups of 16 or 32 have a small scale each, times one
// half for all: Q2_K, Q3_K, Q4_K, Q5_K, Q6_K, IQ4_XS.

#include "runtime/formats/schemes.h"

namespace quantd::gguf {
namespace {

constexpr int kBlock = kSuperGroup;

// How the bits of a block's 256 codes lie in the bytes. Each way has Unpack, which or's its bits
// into codes (those of the lowest bits assign them), and Pack, which or's them into zeroed bytes.

/// Low four bits: of each 2 * kRun codes the first kRun are the low nibbles of kRun bytes, the
/// others the high ones.
template <int kRun>
struct Nibbles {
  static void Unpack(const uint8_t* bytes, uint8_t* codes) {
    for (int at = 0; at < kBlock; at += 2 * kRun, bytes += kRun, codes += 2 * kRun) {
      for (int j = 0; j < kRun; ++j) {
        codes[j] = bytes[j] & 15;
        codes[j + kRun] = bytes[j] >> 4;
      }
    }
  }
  static void Pack(const uint8_t* codes, uint8_t* bytes) {
    for (int at = 0; at < kBlock; at += 2 * kRun, bytes += kRun, codes += 2 * kRun) {
      for (int j = 0; j < kRun; ++j) bytes[j] = (codes[j] & 15) | (codes[j + kRun] & 15) << 4;
    }
  }
};

/// Bits kBit and kBit + 1: of each 128 codes, number 32 * p + j has bits 2p, 2p + 1 of byte j
/// of 32.
template <int kBit>
struct Pairs {
  static void Unpack(const uint8_t* bytes, uint8_t* codes) {
    for (int half = 0; half < 2; ++half, bytes += 32) {
      for (int p = 0; p < 4; ++p, codes += 32) {
        for (int j = 0; j < 32; ++j) {
          const uint8_t pair = (bytes[j] >> 2 * p & 3) << kBit;
          codes[j] = kBit == 0 ? pair : codes[j] | pair;
        }
      }
    }
  }
  static void Pack(const uint8_t* codes, uint8_t* bytes) {
    for (int i = 0; i < kBlock; ++i) {
      bytes[i / 128 * 32 + i % 32] |= (codes[i] >> kBit & 3) << (i / 32 % 4 * 2);
    }
  }
};

/// Bit kBit: code 32 * p + j has bit p of byte j.
template <int kBit>
struct SingleBits {
  static void Unpack(const uint8_t* bytes, uint8_t* codes) {
    for (int p = 0; p < 8; ++p, codes += 32) {
      for (int j = 0; j < 32; ++j) codes[j] |= (bytes[j] >> p & 1) << kBit;
    }
  }
  static void Pack(const uint8_t* codes, uint8_t* bytes) {
    for (int i = 0; i < kBlock; ++i) bytes[i % 32] |= (codes[i] >> kBit & 1) << (i / 32);
  }
};

/// The small scales of one block, in canonical form. Formats without mins leave `mins` null.
template <typename Scale, typename Min>
struct SubScalesOf {
  Scale* scales;
  Min* mins;
};
using SubScalesOut = SubScalesOf<int8_t, uint8_t>;
using SubScalesIn = SubScalesOf<const int8_t, const uint8_t>;

// The formats. Each is a layout: where the halves are, UnpackScales and PackScales, UnpackCodes and
// PackCodes. Pack functions find zeroed bytes.

/// u8 scale[16] (low nibble scale, high nibble min), u8 pairs[64], h d, h dmin.
struct Q2K {
  static constexpr int kBytes = 84, kGroups = 16, kDAt = 80, kDMinAt = 82, kCodesAt = 16;

  static void UnpackScales(const uint8_t* block, SubScalesOut out) {
    for (int g = 0; g < kGroups; ++g) {
      out.scales[g] = static_cast<int8_t>(block[g] & 15);
      out.mins[g] = block[g] >> 4;
    }
  }
  static void PackScales(SubScalesIn in, uint8_t* block) {
    for (int g = 0; g < kGroups; ++g)
      block[g] = static_cast<uint8_t>(in.scales[g] | in.mins[g] << 4);
  }
  static void UnpackCodes(const uint8_t* block, uint8_t* codes) {
    Pairs<0>::Unpack(block + kCodesAt, codes);
  }
  static void PackCodes(const uint8_t* codes, uint8_t* block) {
    Pairs<0>::Pack(codes, block + kCodesAt);
  }
};

/// u8 high[32] (top bit of each code), u8 pairs[64], u8 scale[12], h d. Scales have six bits, 32
/// standing for 0: the low four of scale g are a nibble of byte g % 8 (low for g < 8), the others
/// bits 2(g / 4), 2(g / 4) + 1 of byte 8 + g % 4.
struct Q3K {
  static constexpr int kBytes = 110, kGroups = 16, kDAt = 108, kDMinAt = -1;
  static constexpr int kPairsAt = 32, kScalesAt = 96;

  static void UnpackScales(const uint8_t* block, SubScalesOut out) {
    const uint8_t* bytes = block + kScalesAt;
    for (int g = 0; g < kGroups; ++g) {
      const int low = bytes[g % 8] >> g / 8 * 4 & 15, high = bytes[8 + g % 4] >> g / 4 * 2 & 3;
      out.scales[g] = static_cast<int8_t>((low | high << 4) - 32);
    }
  }
  static void PackScales(SubScalesIn in, uint8_t* block) {
    uint8_t* bytes = block + kScalesAt;
    for (int g = 0; g < kGroups; ++g) {
      const int stored = in.scales[g] + 32;
      bytes[g % 8] |= (stored & 15) << g / 8 * 4;
      bytes[8 + g % 4] |= stored >> 4 << g / 4 * 2;
    }
  }
  static void UnpackCodes(const uint8_t* block, uint8_t* codes) {
    Pairs<0>::Unpack(block + kPairsAt, codes);
    SingleBits<2>::Unpack(block, codes);
  }
  static void PackCodes(const uint8_t* codes, uint8_t* block) {
    Pairs<0>::Pack(codes, block + kPairsAt);
    SingleBits<2>::Pack(codes, block);
  }
};

/// What Q4_K and Q5_K share: h d, h dmin, u8 scale[12]. Six bits per scale and per min: those of
/// groups 0..3 are the low bits of bytes g and g + 4; those of groups 4..7 have their low four bits
/// in the nibbles of byte g + 4 (scale low, min high), their top two above the six of group g - 4.
struct K45Scales {
  static constexpr int kGroups = 8, kDAt = 0, kDMinAt = 2, kScalesAt = 4, kAfterScales = 16;

  static void UnpackScales(const uint8_t* block, SubScalesOut out) {
    const uint8_t* bytes = block + kScalesAt;
    for (int g = 0; g < 4; ++g) {
      out.scales[g] = static_cast<int8_t>(bytes[g] & 63);
      out.mins[g] = bytes[g + 4] & 63;
      out.scales[g + 4] = static_cast<int8_t>((bytes[g + 8] & 15) | bytes[g] >> 6 << 4);
      out.mins[g + 4] = bytes[g + 8] >> 4 | bytes[g + 4] >> 6 << 4;
    }
  }
  static void PackScales(SubScalesIn in, uint8_t* block) {
    uint8_t* bytes = block + kScalesAt;
    for (int g = 0; g < 4; ++g) {
      bytes[g] = static_cast<uint8_t>(in.scales[g] | in.scales[g + 4] >> 4 << 6);
      bytes[g + 4] = static_cast<uint8_t>(in.mins[g] | in.mins[g + 4] >> 4 << 6);
      bytes[g + 8] = static_cast<uint8_t>((in.scales[g + 4] & 15) | (in.mins[g + 4] & 15) << 4);
    }
  }
};

/// Then u8 nibbles[128].
struct Q4K : K45Scales {
  static constexpr int kBytes = 144;

  static void UnpackCodes(const uint8_t* block, uint8_t* codes) {
    Nibbles<32>::Unpack(block + kAfterScales, codes);
  }
  static void PackCodes(const uint8_t* codes, uint8_t* block) {
    Nibbles<32>::Pack(codes, block + kAfterScales);
  }
};

/// Then u8 high[32] (top bit of each code), u8 nibbles[128].
struct Q5K : K45Scales {
  static constexpr int kBytes = 176, kNibblesAt = kAfterScales + 32;

  static void UnpackCodes(const uint8_t* block, uint8_t* codes) {
    Nibbles<32>::Unpack(block + kNibblesAt, codes);
    SingleBits<4>::Unpack(block + kAfterScales, codes);
  }
  static void PackCodes(const uint8_t* codes, uint8_t* block) {
    Nibbles<32>::Pack(codes, block + kNibblesAt);
    SingleBits<4>::Pack(codes, block + kAfterScales);
  }
};

/// u8 nibbles[128], u8 pairs[64], i8 scale[16], h d.
struct Q6K {
  static constexpr int kBytes = 210, kGroups = 16, kDAt = 208, kDMinAt = -1;
  static constexpr int kPairsAt = 128, kScalesAt = 192;

  static void UnpackScales(const uint8_t* block, SubScalesOut out) {
    std::memcpy(out.scales, block + kScalesAt, kGroups);
  }
  static void PackScales(SubScalesIn in, uint8_t* block) {
    std::memcpy(block + kScalesAt, in.scales, kGroups);
  }
  static void UnpackCodes(const uint8_t* block, uint8_t* codes) {
    Nibbles<64>::Unpack(block, codes);
    Pairs<4>::Unpack(block + kPairsAt, codes);
  }
  static void PackCodes(const uint8_t* codes, uint8_t* block) {
    Nibbles<64>::Pack(codes, block);
    Pairs<4>::Pack(codes, block + kPairsAt);
  }
};

/// h d, u16 high, u8 low[4], u8 nibbles[128]. Scales have six bits, 32 standing for 0: the low four
/// of scale g are nibble g of `low`, the others bits 2g, 2g + 1 of `high`.
struct Iq4Xs {
  static constexpr int kBytes = 136, kGroups = 8, kDAt = 0, kDMinAt = -1;
  static constexpr int kHighAt = 2, kLowAt = 4, kCodesAt = 8;

  static void UnpackScales(const uint8_t* block, SubScalesOut out) {
    const int high = LoadU16(block + kHighAt);
    for (int g = 0; g < kGroups; ++g) {
      const int low = block[kLowAt + g / 2] >> g % 2 * 4 & 15;
      out.scales[g] = static_cast<int8_t>((low | (high >> 2 * g & 3) << 4) - 32);
    }
  }
  static void PackScales(SubScalesIn in, uint8_t* block) {
    for (int g = 0; g < kGroups; ++g) {
      const int stored = in.scales[g] + 32;
      block[kLowAt + g / 2] |= (stored & 15) << g % 2 * 4;
      block[kHighAt + g / 4] |= stored >> 4 << g % 4 * 2;
    }
  }
  static void UnpackCodes(const uint8_t* block, uint8_t* codes) {
    Nibbles<16>::Unpack(block + kCodesAt, codes);
  }
  static void PackCodes(const uint8_t* codes, uint8_t* block) {
    Nibbles<16>::Pack(codes, block + kCodesAt);
  }
};

template <typename Layout>
constexpr bool kHasMin = Layout::kDMinAt >= 0;

template <typename Layout>
bool DecodeRow(const uint8_t* bytes, int64_t k, int64_t row, QuantTensor* out) {
  const int64_t blocks = k / kBlock;
  bool finite = true;
  for (int64_t b = row * blocks; b < (row + 1) * blocks; ++b, bytes += Layout::kBytes) {
    const uint16_t d = LoadU16(bytes + Layout::kDAt);
    finite &= IsFiniteHalf(d);
    out->scales[b] = FiniteHalfToFloat(d);
    SubScalesOut sub{out->sub_scales.data() + b * Layout::kGroups, nullptr};
    if constexpr (kHasMin<Layout>) {
      const uint16_t dmin = LoadU16(bytes + Layout::kDMinAt);
      finite &= IsFiniteHalf(dmin);
      out->mins[b] = -FiniteHalfToFloat(dmin);  // the file's is subtracted
      sub.mins = out->sub_mins.data() + b * Layout::kGroups;
    }
    Layout::UnpackScales(bytes, sub);
    Layout::UnpackCodes(bytes, out->codes.data() + b * kBlock);
  }
  return finite;
}

template <typename Layout>
void PackRow(const QuantTensor& rows, int64_t row, uint8_t* bytes) {
  const int64_t blocks = rows.cols / kBlock;
  std::memset(bytes, 0, static_cast<size_t>(blocks) * Layout::kBytes);
  for (int64_t b = row * blocks; b < (row + 1) * blocks; ++b, bytes += Layout::kBytes) {
    StoreHalf(rows.scales[b], bytes + Layout::kDAt);
    SubScalesIn sub{rows.sub_scales.data() + b * Layout::kGroups, nullptr};
    if constexpr (kHasMin<Layout>) {
      StoreHalf(-rows.mins[b], bytes + Layout::kDMinAt);
      sub.mins = rows.sub_mins.data() + b * Layout::kGroups;
    }
    Layout::PackScales(sub, bytes);
    Layout::PackCodes(rows.codes.data() + b * kBlock, bytes);
  }
}

template <typename Layout>
constexpr GgufScheme Scheme(uint32_t type_id, const char* name, QuantFormat format,
                            uint32_t file_type) {
  return {type_id,           name,           format, kBlock, Layout::kBytes, file_type,
          DecodeRow<Layout>, PackRow<Layout>};
}

}  // namespace

constinit const GgufScheme kQ2_KScheme = Scheme<Q2K>(10, "Q2_K", kQ2_K, 10);
constinit const GgufScheme kQ3_KScheme = Scheme<Q3K>(11, "Q3_K", kQ3_K, 11);
constinit const GgufScheme kQ4_KScheme = Scheme<Q4K>(12, "Q4_K", kQ4_K, 14);
constinit const GgufScheme kQ5_KScheme = Scheme<Q5K>(13, "Q5_K", kQ5_K, 16);
constinit const GgufScheme kQ6_KScheme = Scheme<Q6K>(14, "Q6_K", kQ6_K, 18);
constinit const GgufScheme kIq4XsScheme = Scheme<Iq4Xs>(23, "IQ4_XS", kIq4Xs, 30);

}  // namespace quantd::gguf
