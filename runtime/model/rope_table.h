#ifndef QUANTD_RUNTIME_MODEL_ROPE_TABLE_H_
#define QUANTD_RUNTIME_MODEL_ROPE_TABLE_H_

#include <cstdint>
#include <vector>

#include "runtime/model/model_config.h"

namespace quantd {

/// Cosines and sines of the rotary embedding (Su et al. 2021) for positions from 0 on, with the
/// model's position scaling: none, linear interpolation, YaRN (Peng et al. 2023), or per-pair
/// divisors (Llama 3). Computed in double precision, once per position. Not thread-safe while it
/// grows.
class RopeTable {
 public:
  explicit RopeTable(const ModelConfig& config);

  /// Makes positions [0, positions) available. The first thousand are from the start; growing takes
  /// some milliseconds for each thousand.
  void Reserve(int64_t positions);

  /// [rope_dim / 2] values of a reserved position.
  const float* cos(int64_t position) const {
    return &parts_[position / kPartPositions][2 * (position % kPartPositions) * pairs()];
  }
  const float* sin(int64_t position) const { return cos(position) + pairs(); }

 private:
  static constexpr int64_t kPartPositions = 1024;

  int64_t pairs() const { return static_cast<int64_t>(frequencies_.size()); }

  std::vector<double> frequencies_;        // radians per position, for each pair
  double magnitude_;                       // both cos and sin are multiplied by it
  std::vector<std::vector<float>> parts_;  // each [kPartPositions, cos then sin, pairs]
};

}  // namespace quantd

#endif  // QUANTD_RUNTIME_MODEL_ROPE_TABLE_H_
