#ifndef QUANTD_RUNTIME_QUANTIZE_SUPER_GROUP_H_
#define QUANTD_RUNTIME_QUANTIZE_SUPER_GROUP_H_

#include <cstdint>

#include "absl/types/span.h"
#include "kernels/base/quant_format.h"
#include "kernels/base/weight_source.h"

namespace quantd {

/// weight = scale * value(code) + min
struct GroupFit {
  float scale = 0;
  float min = 0;  ///< 0 for formats without mins
};

/// The two-level scales of kSuperGroup weights. A value type.
struct SuperGroup {
  static constexpr int kMaxGroups = kSuperGroup / 16;

  float scale = 0, min = 0;  ///< upper level, exact in the format
  int sub_scales[kMaxGroups] = {};
  int sub_mins[kMaxGroups] = {};

  GroupFit Group(int group) const {
    return {scale * static_cast<float>(sub_scales[group]),
            min * static_cast<float>(sub_mins[group])};
  }
  /// Writes the scales as those of super-group `index` (of the whole tensor) with `groups` groups.
  void Store(int64_t index, int groups, QuantTensor* out) const;
};

/// The integers that the lower level of a two-level format holds.
struct SubScaleRange {
  int low;   ///< 0 for formats with mins, else negative and as far as `high` or further
  int high;  ///< also the largest sub-min, where there are mins
};
SubScaleRange SubScales(const QuantFormat& format);

/// Rounds wanted scales and mins to two levels: the widest group gets the outermost sub-scale, the
/// others the nearest. `fits` has a group's each, mins at most 0.
SuperGroup RoundSuperGroup(const QuantFormat& format, absl::Span<const GroupFit> fits);

}  // namespace quantd

#endif  // QUANTD_RUNTIME_QUANTIZE_SUPER_GROUP_H_
