// The scalar reference: as the formulas are written, in double precision within a segment, for any
// processor.

#include <algorithm>
#include <array>
#include <cmath>
#include <type_traits>
#include <vector>

#include "kernels/attention/attention_kernels.h"
#include "kernels/base/float16.h"

namespace quantd::isa_reference {
namespace {

double ToDouble(float v) { return v; }
double ToDouble(uint16_t half) { return HalfToFloat(half); }
double ToDouble(KvBfloat16 v) { return BFloat16ToFloat(v.bits); }
double ToDouble(int8_t code) { return code; }
void Convert(float v, float* out) { *out = v; }
void Convert(float v, uint16_t* out) { *out = FloatToHalf(v); }
void Convert(float v, KvBfloat16* out) { *out = {FloatToBFloat16(v)}; }

// The elements of one KV head in the block of a position, and their scale at that position.
template <typename T>
struct Plane {
  Plane(const AttentionTile& tile, const unsigned char* first, int64_t position)
      : elements(reinterpret_cast<const T*>(first + tile.blocks[position / kTileBlockTokens] *
                                                        tile.block_bytes)),
        slot(position % kTileBlockTokens) {
    if constexpr (std::is_same_v<T, int8_t>) {
      scale = reinterpret_cast<const float*>(elements + tile.head_dim * kTileBlockTokens)[slot];
    }
  }
  const T* const elements;
  const int64_t slot;
  double scale = 1;
};

template <typename T>
double Score(const AttentionTile& tile, const float* q, int64_t position) {
  const Plane<T> k(tile, tile.k, position);
  double dot = 0;
  for (int64_t i = 0; i < tile.head_dim; ++i) {
    dot += q[i] * ToDouble(k.elements[i * kTileBlockTokens + k.slot]);
  }
  const double score = dot * k.scale * tile.scale;
  return tile.soft_cap == 0 ? score : tile.soft_cap * std::tanh(score / tile.soft_cap);
}

// What positions [begin, end) give one query.
template <typename T>
void AttendQuery(const AttentionTile& tile, const float* q, int64_t begin, int64_t end, float* max,
                 float* sum, float* values) {
  std::array<double, kSegmentTokens> weights{};  // scores at first
  const int64_t count = end - begin;
  for (int64_t i = 0; i < count; ++i) weights[i] = Score<T>(tile, q, begin + i);
  *max = static_cast<float>(*std::max_element(weights.begin(), weights.begin() + count));
  double total = 0;
  for (int64_t i = 0; i < count; ++i) total += weights[i] = std::exp(weights[i] - *max);
  *sum = static_cast<float>(total);
  // Reused by every call of the thread: no allocation once it has seen the largest head.
  thread_local std::vector<double> sums;
  sums.assign(tile.head_dim, 0.0);
  for (int64_t j = 0; j < count; ++j) {
    const Plane<T> v(tile, tile.v, begin + j);
    const double weight = weights[j] * v.scale;
    for (int64_t i = 0; i < tile.head_dim; ++i) {
      sums[i] += weight * ToDouble(v.elements[v.slot * tile.head_dim + i]);
    }
  }
  std::copy(sums.begin(), sums.end(), values);
}

// The parts of a state, and which queries have one after a segment.
struct State {
  State(const AttentionTile& tile, int64_t segment, const float* floats)
      : padded(PaddedHeadDim(tile.head_dim)),
        queries(tile.rows * tile.group),
        first(FirstQuery(tile, segment * kSegmentTokens)),
        end(EndQuery(tile, (segment + 1) * kSegmentTokens)),
        max(const_cast<float*>(floats)),
        sum(max + queries),
        values(sum + queries) {}
  const int64_t padded, queries, first, end;
  float *const max, *const sum, *const values;
};

template <typename T>
void Attend(const AttentionTile& tile, int64_t segment, float* floats, float*) {
  const State state(tile, segment, floats);
  const int64_t begin = segment * kSegmentTokens;
  for (int64_t query = state.first; query < state.end; ++query) {
    const int64_t row = query / tile.group, head = query % tile.group;
    const int64_t position = tile.position + row;
    AttendQuery<T>(tile, tile.q + row * tile.q_stride + head * tile.head_dim,
                   std::max(begin, FirstToken(position, tile.window)),
                   std::min(position + 1, begin + kSegmentTokens), &state.max[query],
                   &state.sum[query], &state.values[query * state.padded]);
  }
}

void Merge(const AttentionTile& tile, int64_t segment, float* floats, const float* part) {
  const State to(tile, segment, floats), from(tile, segment, part);
  for (int64_t query = to.first; query < to.end; ++query) {
    if (FirstSegment(tile, query) == segment) {
      to.max[query] = from.max[query];
      to.sum[query] = from.sum[query];
      std::copy_n(&from.values[query * from.padded], tile.head_dim, &to.values[query * to.padded]);
      continue;
    }
    const float max = std::max(to.max[query], from.max[query]);
    const double keep = std::exp(static_cast<double>(to.max[query]) - max);
    const double take = std::exp(static_cast<double>(from.max[query]) - max);
    to.max[query] = max;
    to.sum[query] = static_cast<float>(to.sum[query] * keep + from.sum[query] * take);
    for (int64_t i = query * to.padded; i < query * to.padded + tile.head_dim; ++i) {
      to.values[i] = static_cast<float>(to.values[i] * keep + from.values[i] * take);
    }
  }
}

void Finish(const AttentionTile& tile, const float* floats) {
  const State state(tile, 0, floats);
  for (int64_t query = 0; query < state.queries; ++query) {
    float* const out =
        tile.out + query / tile.group * tile.out_stride + query % tile.group * tile.head_dim;
    for (int64_t i = 0; i < tile.head_dim; ++i) {
      out[i] = state.values[query * state.padded + i] / state.sum[query];
    }
  }
}

template <typename T>
void Store(const float* k, const float* v, int64_t head_dim, int64_t slot, unsigned char* k_plane,
           unsigned char* v_plane) {
  T* const k_out = reinterpret_cast<T*>(k_plane) + slot;
  T* const v_out = reinterpret_cast<T*>(v_plane) + slot * head_dim;
  for (int64_t i = 0; i < head_dim; ++i) {
    Convert(k[i], k_out + i * kTileBlockTokens);
    Convert(v[i], v_out + i);
  }
}

// Codes of x at codes[i * stride]; returns their scale.
float StoreCodes(const float* x, int64_t head_dim, int64_t stride, int8_t* codes) {
  float largest = 0;
  bool finite = true;
  for (int64_t i = 0; i < head_dim; ++i) {
    finite = finite && std::isfinite(x[i]);
    largest = std::max(largest, std::fabs(x[i]));
  }
  const KvInt8Scale scale = KvInt8ScaleOf(largest, finite);
  for (int64_t i = 0; i < head_dim; ++i) {
    codes[i * stride] =
        finite ? static_cast<int8_t>(std::nearbyintf(x[i] * scale.inverse)) : int8_t{0};
  }
  return scale.scale;
}

template <>
void Store<int8_t>(const float* k, const float* v, int64_t head_dim, int64_t slot,
                   unsigned char* k_plane, unsigned char* v_plane) {
  auto* const k_codes = reinterpret_cast<int8_t*>(k_plane);
  auto* const v_codes = reinterpret_cast<int8_t*>(v_plane);
  const int64_t codes = head_dim * kTileBlockTokens;
  reinterpret_cast<float*>(k_plane + codes)[slot] =
      StoreCodes(k, head_dim, kTileBlockTokens, k_codes + slot);
  reinterpret_cast<float*>(v_plane + codes)[slot] =
      StoreCodes(v, head_dim, 1, v_codes + slot * head_dim);
}

template <typename T>
constexpr AttentionFunctions kFunctions = {Attend<T>, Merge, Finish, Store<T>};

}  // namespace

const AttentionFunctions kAttention[kKvTypes] = {kFunctions<float>, kFunctions<uint16_t>,
                                                 kFunctions<KvBfloat16>, kFunctions<int8_t>};

}  // namespace quantd::isa_reference
