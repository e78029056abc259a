#include "kernels/gemm/rows32.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "kernels/base/check.h"
#include "kernels/base/code_tables.h"
#include "kernels/base/float16.h"

namespace quantd {
namespace {

struct FormatId {
  QuantFormat format;
  PackedFormat packed;
};

// The formats whose group is fixed.
constexpr FormatId kFixed[] = {
    {kF32, PackedFormat::kF32},     {kF16, PackedFormat::kF16},   {kBF16, PackedFormat::kBF16},
    {kQ8_0, PackedFormat::kQ8_0},   {kQ4_0, PackedFormat::kQ4_0}, {kQ4_1, PackedFormat::kQ4_1},
    {kQ5_0, PackedFormat::kQ5_0},   {kQ5_1, PackedFormat::kQ5_1}, {kIq4Nl, PackedFormat::kIq4Nl},
    {kMxFp4, PackedFormat::kMxFp4}, {kQ2_K, PackedFormat::kQ2_K}, {kQ3_K, PackedFormat::kQ3_K},
    {kQ4_K, PackedFormat::kQ4_K},   {kQ5_K, PackedFormat::kQ5_K}, {kQ6_K, PackedFormat::kQ6_K},
    {kIq4Xs, PackedFormat::kIq4Xs},
};

template <typename T>
T Load(const uint8_t* at) {
  T value;
  std::memcpy(&value, at, sizeof(T));
  return value;
}

template <typename T>
void Store(uint8_t* at, T value) {
  std::memcpy(at, &value, sizeof(T));
}

// The affine integers; a symmetric format has the midpoint as its zero point.
std::optional<PackedFormat> AffinePacked(const QuantFormat& format) {
  if (format.scale != ScaleType::kF32) return std::nullopt;
  const bool symmetric = format.zero == ZeroType::kMidpoint;
  if (!symmetric && format.zero != ZeroType::kCode) return std::nullopt;
  const bool fine = PackedSpan(format) < kBlockWeights;
  switch (format.bits) {
    case 2:
      return fine ? PackedFormat::kAffine2Fine : PackedFormat::kAffine2;
    case 3:
      return fine ? PackedFormat::kAffine3Fine : PackedFormat::kAffine3;
    case 4:
      return fine ? PackedFormat::kAffine4Fine : PackedFormat::kAffine4;
    case 8:
      if (fine) return PackedFormat::kAffine8Fine;
      return symmetric ? PackedFormat::kInt8 : PackedFormat::kAffine8;
    default:
      return std::nullopt;
  }
}

// Where vector (j, h) lies in a plane of `bits` bits: its 64 bytes, and the bits within each.
struct PlanePlace {
  int offset;
  int shift;
};
constexpr PlanePlace PlaceOf(int bits, int j, int h) {
  return {64 * (2 * (j % bits) + h), j / bits * bits};
}

void PackCodes(const Rows32Format& f, const uint8_t* codes, int count, int row, uint8_t* block) {
  uint8_t* const high_plane = block + f.low_bits() * kGroupRows * kBlockWeights / 8;
  for (int i = 0; i < count; ++i) {
    const int byte = 4 * (row % kHalfRows) + i % 4;
    const PlanePlace low = PlaceOf(f.low_bits(), i / 4, row / kHalfRows);
    block[low.offset + byte] |= (codes[i] & ((1 << f.low_bits()) - 1)) << low.shift;
    if (f.high_bits() == 0) continue;
    const PlanePlace high = PlaceOf(f.high_bits(), i / 4, row / kHalfRows);
    high_plane[high.offset + byte] |= codes[i] >> f.low_bits() << high.shift;
  }
}

void StoreSet(SetType type, float value, int row, uint8_t* set) {
  switch (type) {
    case SetType::kF32:
      return Store(set + 4 * row, value);
    case SetType::kF16:
      return Store(set + 2 * row, FloatToHalf(value));
    case SetType::kE8M0:
      set[row] = static_cast<uint8_t>(value == 0 ? 0 : std::ilogb(value) + 128);
      return;
    case SetType::kHigh4:
      set[row] |= static_cast<uint8_t>(static_cast<int>(value) << 4);
      return;
    default:
      set[row] = static_cast<uint8_t>(static_cast<int>(value));
      return;
  }
}

// Value i of one row in the 6-bit sets at `sets`.
void StoreSixBits(const Rows32Format& f, int value, int i, int row, uint8_t* sets) {
  const SixBitPlace place(f.six_bit_sets(), i);
  sets[place.low + row] |= static_cast<uint8_t>((value & 15) << place.low_shift);
  sets[place.high + row] |= static_cast<uint8_t>(value >> 4 << place.high_shift);
}

float PackedMin(SetType type, const QuantTensor& t, int64_t index) {
  if (type == SetType::kU6 || type == SetType::kHigh4) return t.sub_mins[index];
  if (type != SetType::kZero) return t.mins[index];
  if (t.format.zero == ZeroType::kCode) return t.zeros[index];
  return static_cast<float>(1 << (t.format.bits - 1));
}

// The scales and mins of one row in the header of a superblock.
void PackSets(const SuperView& view, const QuantTensor& t, int64_t t_row, int64_t k, int row,
              uint8_t* out) {
  const Rows32Format& f = FormatOf(view.format);
  if (f.two_level()) {
    const int64_t super = t_row * (t.cols / kSuperGroup) + k / kSuperGroup;
    Store(out + 2 * row, FloatToHalf(t.scales[super]));
    if (f.has_min()) Store(out + 2 * (kGroupRows + row), FloatToHalf(t.mins[super]));
  }
  uint8_t* const scales = out + f.super_scale_bytes();
  uint8_t* const mins = out + f.min_offset(view.blocks, view.span);
  const int weights = f.set_weights == 0 ? view.span : f.set_weights;
  for (int set = 0; set < view.sets(); ++set) {
    const int64_t at = k + int64_t{set} * weights;
    if (at >= t.cols) break;
    const int64_t group = t.format.group == 0 ? 0 : at / t.format.group;
    const int64_t index = t_row * t.format.groups(t.cols) + group;
    if (f.six_bit()) {
      StoreSixBits(f, t.sub_scales[index] + f.six_bit_offset(), set, row, scales);
      if (f.has_min()) StoreSixBits(f, t.sub_mins[index], view.sets() + set, row, scales);
      continue;
    }
    const float scale = f.two_level() ? t.sub_scales[index] : t.scales[index];
    StoreSet(f.scale, scale, row, scales + set * kGroupRows * SetBytes(f.scale));
    if (!f.has_min()) continue;
    StoreSet(f.min, PackedMin(f.min, t, index), row, mins + set * kGroupRows * f.min_stride());
  }
}

void PackCodedRow(PackedFormat format, const QuantTensor& t, int64_t t_row, int row, uint8_t* out) {
  const Rows32Format& f = FormatOf(format);
  const int span = PackedSpan(t.format);
  for (int64_t k = 0; k < t.cols; k += kSuperWeights) {
    const int64_t rest = std::min<int64_t>(kSuperWeights, t.cols - k);
    const int blocks = static_cast<int>((rest + kBlockWeights - 1) / kBlockWeights);
    PackSets({format, out, blocks, span}, t, t_row, k, row, out);
    uint8_t* block = out + f.header_bytes(blocks, span);
    for (int b = 0; b < blocks; ++b, block += f.block_bytes()) {
      const int count =
          static_cast<int>(std::min<int64_t>(kBlockWeights, rest - b * kBlockWeights));
      PackCodes(f, &t.codes[t_row * t.cols + k + b * kBlockWeights], count, row, block);
    }
    out = block;
  }
}

void PackFloatRow(PackedFormat format, const QuantTensor& t, int64_t t_row, int row, uint8_t* out) {
  const float* const values = &t.values[t_row * t.cols];
  for (int64_t k = 0; k < t.cols; ++k) {
    const int64_t index = kGroupRows * k + row;
    switch (format) {
      case PackedFormat::kF16:
        Store(out + 2 * index, FloatToHalf(values[k]));
        break;
      case PackedFormat::kBF16:
        Store(out + 2 * index, FloatToBFloat16(values[k]));
        break;
      default:
        Store(out + 4 * index, values[k]);
    }
  }
}

float LoadSet(SetType type, const uint8_t* set, int row) {
  switch (type) {
    case SetType::kNone:
      return 0;
    case SetType::kF32:
      return Load<float>(set + 4 * row);
    case SetType::kF16:
      return HalfToFloat(Load<uint16_t>(set + 2 * row));
    case SetType::kE8M0:
      return std::ldexp(1.0f, set[row] - 128);
    case SetType::kI8:
      return static_cast<int8_t>(set[row]);
    case SetType::kLow4:
      return static_cast<float>(set[row] & 15);
    case SetType::kHigh4:
      return static_cast<float>(set[row] >> 4);
    default:
      return set[row];
  }
}

}  // namespace

const std::vector<PackedEntry>& PackedEntries() {
  static const auto* const entries = [] {
    auto* const list = new std::vector<PackedEntry>;
    for (const NamedFormat& named : NamedFormats()) {
      list->push_back({*ToPackedFormat(named.format), named.name, named.format});
    }
    for (const int group : {128, 16}) {
      for (const int bits : {2, 3, 4, 8}) {
        const QuantFormat format = AffineFormat(bits, group, ZeroType::kCode);
        list->push_back({*ToPackedFormat(format),
                         absl::StrCat("INT", bits, group == 16 ? "-affine-g16" : "-affine"),
                         format});
      }
    }
    return list;
  }();
  return *entries;
}

const PackedEntry& EntryOf(PackedFormat packed) {
  const auto& entries = PackedEntries();
  return *std::find_if(entries.begin(), entries.end(),
                       [&](const PackedEntry& entry) { return entry.packed == packed; });
}

std::optional<PackedFormat> ToPackedFormat(const QuantFormat& format) {
  for (const FormatId& id : kFixed) {
    if (id.format == format) return id.packed;
  }
  if (format.code == CodeType::kInt) return AffinePacked(format);
  if (format.scale != ScaleType::kF32 || PackedSpan(format) < kBlockWeights) return std::nullopt;
  if (format.code == CodeType::kF8E4M3) return PackedFormat::kFp8;
  if (format.table == CodeTable::kNf4) return PackedFormat::kNf4;
  if (format.table == CodeTable::kFp4) return PackedFormat::kFp4;
  return std::nullopt;
}

int PackedSpan(const QuantFormat& format) {
  const int group = format.group;
  return group == 0 ? kSuperWeights : std::min(kSuperWeights, group & -group);
}

int64_t Rows32Bytes(PackedFormat format, int64_t n, int64_t k, int span) {
  return (n + kGroupRows - 1) / kGroupRows * Rows32GroupBytes(format, k, span);
}

void PackRows32(PackedFormat format, const QuantTensor& rows, int64_t first, uint8_t* out) {
  const int64_t count = std::min<int64_t>(kGroupRows, rows.rows - first);
  for (int row = 0; row < count; ++row) {
    if (FormatOf(format).is_float()) {
      PackFloatRow(format, rows, first + row, row, out);
    } else {
      PackCodedRow(format, rows, first + row, row, out);
    }
  }
}

float SuperView::Scale(int row, int set) const {
  const Rows32Format& f = FormatOf(format);
  if (f.six_bit()) {
    const SixBitPlace place(f.six_bit_sets(), set);
    const int scale = place.Value(data + f.super_scale_bytes(), row) - f.six_bit_offset();
    return LoadSet(SetType::kF16, data, row) * static_cast<float>(scale);
  }
  const uint8_t* const scales = data + f.super_scale_bytes() + set * kGroupRows * SetBytes(f.scale);
  const float scale = LoadSet(f.scale, scales, row);
  return f.two_level() ? LoadSet(SetType::kF16, data, row) * scale : scale;
}

float SuperView::StoredMin(int row, int set) const {
  const Rows32Format& f = FormatOf(format);
  if (f.six_bit() && f.has_min()) {
    const SixBitPlace place(f.six_bit_sets(), sets() + set);
    return static_cast<float>(place.Value(data + f.super_scale_bytes(), row));
  }
  const uint8_t* const mins = data + f.min_offset(blocks, span) + set * kGroupRows * f.min_stride();
  return LoadSet(f.min, mins, row);
}

float SuperView::Min(int row, int set) const {
  const Rows32Format& f = FormatOf(format);
  const float min = StoredMin(row, set);
  if (f.min == SetType::kZero) return Scale(row, set) * -min;
  return f.two_level() ? LoadSet(SetType::kF16, data + 2 * kGroupRows, row) * min : min;
}

void SuperView::Unpack(int row, int block, uint8_t codes[kBlockWeights]) const {
  const Rows32Format& f = FormatOf(format);
  const uint8_t* const low_plane = data + f.header_bytes(blocks, span) + block * f.block_bytes();
  const uint8_t* const high_plane = low_plane + f.low_bits() * kGroupRows * kBlockWeights / 8;
  for (int i = 0; i < kBlockWeights; ++i) {
    const int byte = 4 * (row % kHalfRows) + i % 4;
    const PlanePlace low = PlaceOf(f.low_bits(), i / 4, row / kHalfRows);
    int code = low_plane[low.offset + byte] >> low.shift & ((1 << f.low_bits()) - 1);
    if (f.high_bits() > 0) {
      const PlanePlace high = PlaceOf(f.high_bits(), i / 4, row / kHalfRows);
      code |= (high_plane[high.offset + byte] >> high.shift & ((1 << f.high_bits()) - 1))
              << f.low_bits();
    }
    if (f.codes == Codes::kIntTable) {
      const auto& table = format == PackedFormat::kMxFp4 ? kE2M1Table : kIq4NlTable;
      code = table[code] + kTableOffset;
    }
    codes[i] = static_cast<uint8_t>(code);
  }
}

void DecodePackedRow(PackedFormat format, int span, int64_t k, const uint8_t* group, int row,
                     float* out) {
  const Rows32Format& f = FormatOf(format);
  if (f.is_float()) {
    for (int64_t i = 0; i < k; ++i) {
      out[i] = FloatAt(format, group + i * kGroupRows * f.bits / 8, row);
    }
    return;
  }
  const int set_weights = f.set_weights == 0 ? span : f.set_weights;
  SuperView view{format, group, kBlocksPerSuper, span};
  for (int64_t at = 0; at < k; at += kBlockWeights) {
    const int block = static_cast<int>(at % kSuperWeights) / kBlockWeights;
    if (block == 0 && at > 0) view.data += view.bytes();
    if (block == 0) {
      const int64_t blocks = (k - at + kBlockWeights - 1) / kBlockWeights;
      view.blocks = static_cast<int>(std::min<int64_t>(kBlocksPerSuper, blocks));
    }
    uint8_t codes[kBlockWeights];
    view.Unpack(row, block, codes);
    const int count = static_cast<int>(std::min<int64_t>(kBlockWeights, k - at));
    for (int i = 0; i < count; ++i) {
      const int set = (block * kBlockWeights + i) / set_weights;
      const float value =
          f.is_int() ? static_cast<float>(codes[i] - f.zero) : CodeValue(format, codes[i]);
      const float product = view.Scale(row, set) * value;
      out[at + i] = f.min == SetType::kZero
                        ? view.Scale(row, set) * (value - view.StoredMin(row, set))
                    : f.has_min() ? product + view.Min(row, set)
                                  : product;
    }
  }
}

void DecodePackedColumn(PackedFormat format, int span, int64_t k, const uint8_t* group, int64_t at,
                        float* out) {
  const Rows32Format& f = FormatOf(format);
  QUANTD_CHECK(f.codes == Codes::kInt && f.bits == 8 && f.scale == SetType::kF32 && !f.has_min(),
               "bytes with one float scale each");
  const int64_t super = at / kSuperWeights;
  const int inside = static_cast<int>(at % kSuperWeights);
  const int64_t left = (k - super * kSuperWeights + kBlockWeights - 1) / kBlockWeights;
  const int blocks = static_cast<int>(std::min<int64_t>(kBlocksPerSuper, left));
  const uint8_t* const header = group + super * f.super_bytes(kBlocksPerSuper, span);
  const uint8_t* const block =
      header + f.header_bytes(blocks, span) + inside / kBlockWeights * f.block_bytes();
  const int set = inside / (f.set_weights == 0 ? span : f.set_weights), i = inside % kBlockWeights;
  float scales[kGroupRows];
  std::memcpy(scales, header + set * sizeof(scales), sizeof(scales));
  uint32_t quads[kGroupRows];  // codes of four k of each row
  for (int half = 0; half < 2; ++half) {
    std::memcpy(quads + half * kHalfRows, block + PlaceOf(8, i / 4, half).offset,
                sizeof(quads) / 2);
  }
  for (int row = 0; row < kGroupRows; ++row) {
    const int code = static_cast<int>(quads[row] >> (8 * (i % 4)) & 255);
    out[row] = static_cast<float>(code - f.zero) * scales[row];
  }
}

float FloatAt(PackedFormat format, const uint8_t* values, int row) {
  switch (format) {
    case PackedFormat::kF16:
      return HalfToFloat(Load<uint16_t>(values + 2 * row));
    case PackedFormat::kBF16:
      return BFloat16ToFloat(Load<uint16_t>(values + 2 * row));
    default:
      return Load<float>(values + 4 * row);
  }
}

float CodeValue(PackedFormat format, uint8_t code) {
  switch (format) {
    case PackedFormat::kNf4:
      return kNf4Table[code];
    case PackedFormat::kFp4:
      return kFp4Table[code];
    default:
      return E4M3ToFloat(code);
  }
}

}  // namespace quantd
