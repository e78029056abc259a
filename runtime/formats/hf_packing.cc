#include "runtime/formats/hf_packing.h"

#include <algorithm>
#include <numeric>

#include "absl/strings/str_cat.h"

namespace quantd {

absl::StatusOr<std::vector<int32_t>> ReadKOrder(const SafetensorsTensor& groups,
                                                int64_t group_count) {
  const int64_t k = groups.elements(), length = k / group_count;
  std::vector<int32_t> group_of(k);
  std::vector<int64_t> members(group_count);
  for (int64_t feature = 0; feature < k; ++feature) {
    const int32_t group = LoadElement<int32_t>(groups, feature);
    if (group < 0 || group >= group_count) {
      return groups.Error(
          absl::StrCat("feature ", feature, " is in group ", group, " of ", group_count));
    }
    group_of[feature] = group;
    if (++members[group] > length) {
      return groups.Error(absl::StrCat("group ", group, " has more than the ", length,
                                       " features of an equal share"));
    }
  }
  std::vector<int32_t> order(k);
  std::iota(order.begin(), order.end(), 0);
  if (std::is_sorted(group_of.begin(), group_of.end())) return std::vector<int32_t>();
  std::stable_sort(order.begin(), order.end(),
                   [&](int32_t a, int32_t b) { return group_of[a] < group_of[b]; });
  return order;
}

std::vector<int32_t> ColumnsOf(absl::Span<const int32_t> k_order, int64_t k) {
  std::vector<int32_t> columns(k);
  std::iota(columns.begin(), columns.end(), 0);
  for (size_t c = 0; c < k_order.size(); ++c) columns[k_order[c]] = static_cast<int32_t>(c);
  return columns;
}

}  // namespace quantd
