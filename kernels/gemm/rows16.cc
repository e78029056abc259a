#include "kernels/gemm/rows16.h"

#include <algorithm>
#include <cstring>

#include "kernels/base/float16.h"

namespace quantd {
namespace {

struct FormatId {
  QuantFormat format;
  PackedFormat packed;
};

constexpr FormatId kFormats[] = {
    {kF32, PackedFormat::kF32},   {kF16, PackedFormat::kF16},   {kBF16, PackedFormat::kBF16},
    {kQ8_0, PackedFormat::kQ8_0}, {kQ4_0, PackedFormat::kQ4_0}, {kQ4_1, PackedFormat::kQ4_1},
    {kQ5_0, PackedFormat::kQ5_0}, {kQ5_1, PackedFormat::kQ5_1}, {kQ6_K, PackedFormat::kQ6_K},
};
static_assert(std::size(kFormats) == kPackedFormats);

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

// Where code i of a row lies within the 64 bytes of vector i / 4.
int ByteOf(int row, int i) { return 4 * row + i % 4; }

void PackCodes(const Rows16Format& f, const uint8_t* codes, int count, int row, uint8_t* block) {
  for (int i = 0; i < count; ++i) {
    const int vector = i / 4, byte = ByteOf(row, i);
    if (f.bits > 5) {
      block[64 * vector + byte] = codes[i];
      continue;
    }
    block[64 * (vector % 4) + byte] |= (codes[i] & 15) << (vector < 4 ? 0 : 4);
    if (f.bits == 5) block[f.high_offset + byte] |= (codes[i] >> 4) << vector;
  }
}

void StoreScale(const Rows16Format& f, float scale, int row, int scale_group, uint8_t* block) {
  uint8_t* const scales = block + f.scale_offset;
  const int index = kGroupRows * scale_group + row;
  if (f.scale_bytes == 2) {
    Store(scales + 2 * index, FloatToHalf(scale));
  } else {
    Store(scales + 4 * index, scale);
  }
}

void PackIntRow(const Rows16Format& f, const QuantTensor& t, int64_t t_row, int row, uint8_t* out) {
  const int64_t groups = t.cols / t.format.group;
  const int64_t blocks = (t.cols + kBlockWeights - 1) / kBlockWeights;
  for (int64_t b = 0; b < blocks; ++b) {
    uint8_t* const block = out + b * f.bytes;
    const int64_t k = b * kBlockWeights;
    const int count = static_cast<int>(std::min<int64_t>(kBlockWeights, t.cols - k));
    PackCodes(f, &t.codes[t_row * t.cols + k], count, row, block);
    for (int g = 0; g < f.scale_groups && b * f.scale_groups + g < groups; ++g) {
      const int64_t index = t_row * groups + b * f.scale_groups + g;
      StoreScale(f, t.Scale(t_row, b * f.scale_groups + g), row, g, block);
      if (f.min_offset > 0) Store(block + f.min_offset + 2 * row, FloatToHalf(t.mins[index]));
    }
  }
}

void PackFloatRow(PackedFormat format, const QuantTensor& t, int64_t t_row, int row, uint8_t* out) {
  const float* const values = &t.values[t_row * t.cols];
  for (int64_t k = 0; k < t.cols; ++k) {
    uint8_t* const block = out + k * FormatOf(format).bytes;
    if (format == PackedFormat::kF32) {
      Store(block + 4 * row, values[k]);
    } else {
      Store(block + 2 * row,
            format == PackedFormat::kF16 ? FloatToHalf(values[k]) : FloatToBFloat16(values[k]));
    }
  }
}

}  // namespace

std::optional<PackedFormat> ToPackedFormat(const QuantFormat& format) {
  for (const FormatId& id : kFormats) {
    if (id.format == format) return id.packed;
  }
  return std::nullopt;
}

int64_t Rows16Blocks(PackedFormat format, int64_t k) {
  return FormatOf(format).bits == 0 ? k : (k + kBlockWeights - 1) / kBlockWeights;
}

int64_t Rows16GroupBytes(PackedFormat format, int64_t k) {
  return Rows16Blocks(format, k) * FormatOf(format).bytes;
}

int64_t Rows16Bytes(PackedFormat format, int64_t n, int64_t k) {
  return (n + kGroupRows - 1) / kGroupRows * Rows16GroupBytes(format, k);
}

void PackRows16(PackedFormat format, const QuantTensor& rows, int64_t first, uint8_t* out) {
  const int count = static_cast<int>(std::min<int64_t>(kGroupRows, rows.rows - first));
  for (int row = 0; row < count; ++row) {
    if (FormatOf(format).bits == 0) {
      PackFloatRow(format, rows, first + row, row, out);
    } else {
      PackIntRow(FormatOf(format), rows, first + row, row, out);
    }
  }
}

void UnpackCodes(PackedFormat format, const uint8_t* block, int row, uint8_t codes[kBlockWeights]) {
  const Rows16Format& f = FormatOf(format);
  for (int i = 0; i < kBlockWeights; ++i) {
    const int vector = i / 4, byte = ByteOf(row, i);
    if (f.bits > 5) {
      codes[i] = block[64 * vector + byte];
      continue;
    }
    codes[i] = (block[64 * (vector % 4) + byte] >> (vector < 4 ? 0 : 4)) & 15;
    if (f.bits == 5) codes[i] |= ((block[f.high_offset + byte] >> vector) & 1) << 4;
  }
}

float ScaleAt(PackedFormat format, const uint8_t* block, int row, int scale_group) {
  const Rows16Format& f = FormatOf(format);
  const uint8_t* const scales = block + f.scale_offset;
  const int index = kGroupRows * scale_group + row;
  return f.scale_bytes == 2 ? HalfToFloat(Load<uint16_t>(scales + 2 * index))
                            : Load<float>(scales + 4 * index);
}

float MinAt(PackedFormat format, const uint8_t* block, int row) {
  const Rows16Format& f = FormatOf(format);
  return f.min_offset == 0 ? 0.0f : HalfToFloat(Load<uint16_t>(block + f.min_offset + 2 * row));
}

float FloatAt(PackedFormat format, const uint8_t* block, int row) {
  if (format == PackedFormat::kF32) return Load<float>(block + 4 * row);
  const uint16_t half = Load<uint16_t>(block + 2 * row);
  return format == PackedFormat::kF16 ? HalfToFloat(half) : BFloat16ToFloat(half);
}

}  // namespace quantd
