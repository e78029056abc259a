// The scalar reference: in double precision, over all positions at once, for any processor.

#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/attention/attention_kernels.h"
#include "kernels/base/float16.h"

namespace quantd::isa_reference {
namespace {

double ToDouble(float v) { return v; }
double ToDouble(uint16_t half) { return HalfToFloat(half); }
void Convert(float v, float* out) { *out = v; }
void Convert(float v, uint16_t* out) { *out = FloatToHalf(v); }

// One query head at one position: out = softmax(scale * q K^T) V over positions 0 .. position.
template <typename T>
void AttendOne(const AttentionTile& tile, int64_t position, const float* q, float* out) {
  const int64_t dim = tile.head_dim;
  // Reused by every call of the thread: no allocation once it has seen the longest context.
  thread_local std::vector<double> weights, sums;
  weights.resize(position + 1);
  sums.assign(dim, 0.0);
  const auto block_of = [&](const unsigned char* plane, int64_t p) {
    return reinterpret_cast<const T*>(plane + tile.blocks[p / kTileBlockTokens] * tile.block_bytes);
  };
  for (int64_t p = 0; p <= position; ++p) {
    const T* k = block_of(tile.k, p) + p % kTileBlockTokens;
    double dot = 0;
    for (int64_t i = 0; i < dim; ++i) dot += q[i] * ToDouble(k[i * kTileBlockTokens]);
    weights[p] = dot * tile.scale;
  }
  const double max = *std::max_element(weights.begin(), weights.end());
  double total = 0;
  for (int64_t p = 0; p <= position; ++p) {
    const double weight = std::exp(weights[p] - max);
    total += weight;
    const T* v = block_of(tile.v, p) + p % kTileBlockTokens * dim;
    for (int64_t i = 0; i < dim; ++i) sums[i] += weight * ToDouble(v[i]);
  }
  for (int64_t i = 0; i < dim; ++i) out[i] = static_cast<float>(sums[i] / total);
}

template <typename T>
void Tile(const AttentionTile& tile) {
  for (int64_t row = 0; row < tile.rows; ++row) {
    for (int64_t head = 0; head < tile.group; ++head) {
      AttendOne<T>(tile, tile.position + row, tile.q + row * tile.q_stride + head * tile.head_dim,
                   tile.out + row * tile.out_stride + head * tile.head_dim);
    }
  }
}

template <typename T>
void StoreToken(const float* k, const float* v, int64_t head_dim, int64_t slot,
                unsigned char* k_plane, unsigned char* v_plane) {
  T* const k_out = reinterpret_cast<T*>(k_plane) + slot;
  T* const v_out = reinterpret_cast<T*>(v_plane) + slot * head_dim;
  for (int64_t i = 0; i < head_dim; ++i) {
    Convert(k[i], k_out + i * kTileBlockTokens);
    Convert(v[i], v_out + i);
  }
}

}  // namespace

void AttentionTileF32(const AttentionTile& tile, float*) { Tile<float>(tile); }
void AttentionTileF16(const AttentionTile& tile, float*) { Tile<uint16_t>(tile); }

void KvStoreF32(const float* k, const float* v, int64_t head_dim, int64_t slot,
                unsigned char* k_plane, unsigned char* v_plane) {
  StoreToken<float>(k, v, head_dim, slot, k_plane, v_plane);
}
void KvStoreF16(const float* k, const float* v, int64_t head_dim, int64_t slot,
                unsigned char* k_plane, unsigned char* v_plane) {
  StoreToken<uint16_t>(k, v, head_dim, slot, k_plane, v_plane);
}

}  // namespace quantd::isa_reference
