#include "kernels/attention/cpu/attention_simd.h"
#include "kernels/ops/cpu/simd_avx512.h"

namespace quantd::isa_avx512vnni {

void AttentionTileF32(const AttentionTile& tile, float* scratch) {
  simd::Tile<Simd, float>(tile, scratch);
}
void AttentionTileF16(const AttentionTile& tile, float* scratch) {
  simd::Tile<Simd, uint16_t>(tile, scratch);
}

void KvStoreF32(const float* k, const float* v, int64_t head_dim, int64_t slot,
                unsigned char* k_plane, unsigned char* v_plane) {
  simd::StoreToken<Simd, float>(k, v, head_dim, slot, k_plane, v_plane);
}
void KvStoreF16(const float* k, const float* v, int64_t head_dim, int64_t slot,
                unsigned char* k_plane, unsigned char* v_plane) {
  simd::StoreToken<Simd, uint16_t>(k, v, head_dim, slot, k_plane, v_plane);
}

}  // namespace quantd::isa_avx512vnni
