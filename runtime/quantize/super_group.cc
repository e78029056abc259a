#include "runtime/quantize/super_group.h"

#include <algorithm>
#include <cmath>

#include "runtime/quantize/scale_rounding.h"

namespace quantd {
namespace {

int NearestSub(float wanted, int low, int high) {
  return static_cast<int>(
      std::nearbyint(std::clamp(wanted, static_cast<float>(low), static_cast<float>(high))));
}

}  // namespace

void SuperGroup::Store(int64_t index, int groups, QuantTensor* out) const {
  const bool has_min = out->format.zero == ZeroType::kMin;
  out->scales[index] = scale;
  if (has_min) out->mins[index] = min;
  for (int g = 0; g < groups; ++g) {
    out->sub_scales[index * groups + g] = static_cast<int8_t>(sub_scales[g]);
    if (has_min) out->sub_mins[index * groups + g] = static_cast<uint8_t>(sub_mins[g]);
  }
}

SubScaleRange SubScales(const QuantFormat& format) {
  if (format.zero == ZeroType::kMin) return {0, format.bits == 2 ? 15 : 63};
  if (format.bits == 6) return {-128, 127};
  return {-32, 31};
}

SuperGroup RoundSuperGroup(const QuantFormat& format, absl::Span<const GroupFit> fits) {
  GroupFit widest;
  for (const GroupFit& fit : fits) {
    if (std::fabs(fit.scale) > std::fabs(widest.scale)) widest.scale = fit.scale;
    widest.min = std::min(widest.min, fit.min);
  }
  const SubScaleRange range = SubScales(format);
  const float last = static_cast<float>(range.low < 0 ? range.low : range.high);
  SuperGroup rounded;
  rounded.scale = RoundScale(format.scale, widest.scale / last);
  rounded.min = RoundScale(format.scale, widest.min / static_cast<float>(range.high));
  const float inverse = InverseScale(rounded.scale), inverse_min = InverseScale(rounded.min);
  for (size_t g = 0; g < fits.size(); ++g) {
    rounded.sub_scales[g] = NearestSub(fits[g].scale * inverse, range.low, range.high);
    rounded.sub_mins[g] = NearestSub(fits[g].min * inverse_min, 0, range.high);
  }
  return rounded;
}

}  // namespace quantd
