#include "kernels/gemm/outliers.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "kernels/gemm/rows32.h"

namespace quantd {
namespace {

// The columns of a row group that some outlier multiplies: decoded when first asked for, since the
// large features of a model are mostly the same in all rows.
class Columns {
 public:
  // Of another row group from now on.
  void Start(const GemmArgs& args, const uint8_t* group) {
    args_ = &args;
    group_ = group;
    if (++generation_ == 0) {  // all numbers were used: none may be met again
      known_.assign(known_.size(), {});
      generation_ = 1;
    }
    if (static_cast<int64_t>(known_.size()) < args.k) known_.resize(args.k);
    used_ = 0;
  }

  void Decode(int32_t k) {
    Known& known = known_[k];
    if (known.generation == generation_) return;
    known = {generation_, used_++};
    if (values_.size() < size_t{used_} * kGroupRows) values_.resize(2 * used_ * kGroupRows);
    DecodePackedColumn(PackedFormat::kInt8, args_->span, args_->k, group_, k,
                       &values_[known.place * kGroupRows]);
  }

  // Weights of the group's 32 rows, once decoded; valid until another column is.
  const float* Get(int32_t k) const { return &values_[known_[k].place * kGroupRows]; }

 private:
  struct Known {
    uint32_t generation = 0;
    uint32_t place = 0;  // among values_
  };
  const GemmArgs* args_ = nullptr;
  const uint8_t* group_ = nullptr;
  uint32_t generation_ = 0;
  uint32_t used_ = 0;
  std::vector<Known> known_;  // by k
  std::vector<float> values_;
};

// Vectors that every processor has, of output rows.
using Lanes [[gnu::vector_size(4 * sizeof(float))]] = float;
constexpr int kVectors = kGroupRows / 4;

// Of all rows of a group. The sums stay in registers from the first outlier to the last.
void AddRow(const std::vector<Outlier>& outliers, Columns& columns, float* y) {
  for (const Outlier& outlier : outliers) columns.Decode(outlier.k);
  Lanes sums[kVectors];
  std::memcpy(sums, y, sizeof(sums));
  for (const Outlier& outlier : outliers) {
    const float* const column = columns.Get(outlier.k);
    for (int i = 0; i < kVectors; ++i) {
      Lanes weights;
      std::memcpy(&weights, column + 4 * i, sizeof(weights));
      sums[i] += outlier.x * weights;
    }
  }
  std::memcpy(y, sums, sizeof(sums));
}

}  // namespace

void FindOutliers(const float* x, int64_t k, float threshold, std::vector<Outlier>* outliers,
                  std::vector<float>* rest) {
  outliers->clear();
  int32_t large = 0;  // counted first: nearly always none, and a loop without branches is fast
  for (int64_t i = 0; i < k; ++i) large += std::fabs(x[i]) >= threshold ? 1 : 0;
  if (large == 0) return;
  rest->assign(x, x + k);
  for (int64_t i = 0; i < k; ++i) {
    // What is not finite stays, so that every output of the row shows it.
    if (!(std::fabs(x[i]) >= threshold) || !std::isfinite(x[i])) continue;
    outliers->push_back({static_cast<int32_t>(i), x[i]});
    (*rest)[i] = 0;
  }
}

void AddOutliers(const GemmArgs& args, absl::Span<const std::vector<Outlier>> rows) {
  thread_local Columns columns;
  const int64_t group_bytes = Rows32GroupBytes(PackedFormat::kInt8, args.k, args.span);
  for (int64_t group = 0; group < args.groups; ++group) {
    columns.Start(args, args.weights + group * group_bytes);
    const int64_t first = group * kGroupRows;
    const int64_t count = std::min<int64_t>(kGroupRows, args.rows - first);
    for (int64_t c = 0; c < args.m; ++c) {
      if (rows[c].empty()) continue;
      float* const y = args.y + c * args.y_stride + first;
      if (count == kGroupRows) {
        AddRow(rows[c], columns, y);
        continue;
      }
      float whole[kGroupRows] = {};
      std::copy(y, y + count, whole);
      AddRow(rows[c], columns, whole);
      std::copy(whole, whole + count, y);
    }
  }
}

}  // namespace quantd
