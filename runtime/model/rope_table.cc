#include "runtime/model/rope_table.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace quantd {
namespace {

// The pair that turns `rotations` times within the context that the model was trained for; between
// pairs, as a real number (YaRN, section 3.2).
double PairOfRotations(const ModelConfig& config, double rotations) {
  return config.rope_dim *
         std::log(config.rope_original_context / (rotations * 2 * std::numbers::pi)) /
         (2 * std::log(static_cast<double>(config.rope_base)));
}

// 1 for pairs that turn fast, whose frequency stays; 0 for slow ones, which are interpolated.
double ExtrapolatedShare(const ModelConfig& config, int64_t pair) {
  const double low = std::max(0.0, std::floor(PairOfRotations(config, config.yarn_beta_fast)));
  const double high =
      std::min(config.rope_dim - 1.0, std::ceil(PairOfRotations(config, config.yarn_beta_slow)));
  const double ramp = (static_cast<double>(pair) - low) / std::max(0.001, high - low);
  return (1 - std::clamp(ramp, 0.0, 1.0)) * config.yarn_ext_factor;
}

double Frequency(const ModelConfig& config, int64_t pair) {
  double frequency = std::pow(static_cast<double>(config.rope_base),
                              -2.0 * static_cast<double>(pair) / config.rope_dim);
  if (!config.rope_factors.empty()) frequency /= config.rope_factors[pair];
  const double interpolated = frequency / config.rope_factor;
  switch (config.rope_scaling) {
    case RopeScaling::kLinear:
      return interpolated;
    case RopeScaling::kYarn: {
      const double share = ExtrapolatedShare(config, pair);
      return interpolated * (1 - share) + frequency * share;
    }
    case RopeScaling::kNone:
    case RopeScaling::kLlama3:
      return frequency;
  }
  return frequency;
}

// YaRN sharpens attention to make up for the longer context (its section 3.4).
double Magnitude(const ModelConfig& config) {
  const bool sharpen = config.rope_scaling == RopeScaling::kYarn && config.yarn_ext_factor != 0;
  const double factor = static_cast<double>(config.rope_factor);
  return config.yarn_attn_factor * (sharpen ? 1 + 0.1 * std::log(factor) : 1.0);
}

}  // namespace

RopeTable::RopeTable(const ModelConfig& config) : magnitude_(Magnitude(config)) {
  for (int64_t pair = 0; pair < config.rope_dim / 2; ++pair) {
    frequencies_.push_back(Frequency(config, pair));
  }
  Reserve(std::min<int64_t>(config.context, kPartPositions));
}

void RopeTable::Reserve(int64_t positions) {
  while (static_cast<int64_t>(parts_.size()) * kPartPositions < positions) {
    const int64_t first = static_cast<int64_t>(parts_.size()) * kPartPositions;
    std::vector<float>& part = parts_.emplace_back(2 * kPartPositions * pairs());
    for (int64_t i = 0; i < kPartPositions; ++i) {
      float* const cosines = &part[2 * i * pairs()];
      for (int64_t pair = 0; pair < pairs(); ++pair) {
        const double angle = static_cast<double>(first + i) * frequencies_[pair];
        cosines[pair] = static_cast<float>(std::cos(angle) * magnitude_);
        cosines[pairs() + pair] = static_cast<float>(std::sin(angle) * magnitude_);
      }
    }
  }
}

}  // namespace quantd
