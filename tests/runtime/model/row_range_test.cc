#include "runtime/model/row_range.h"

#include <vector>

#include "gtest/gtest.h"

namespace quantd {
namespace {

/// Row r holds r, r + 0.5.
class Counting : public WeightSource {
 public:
  const QuantFormat& format() const override { return kF32; }
  int64_t rows() const override { return 9; }
  int64_t cols() const override { return 2; }
  absl::Span<const int32_t> k_order() const override { return order_; }
  absl::Status Decode(int64_t begin, int64_t count, QuantTensor* out) const override {
    out->Resize(kF32, count, 2);
    for (int64_t r = 0; r < count; ++r) {
      out->values[2 * r] = static_cast<float>(begin + r);
      out->values[2 * r + 1] = static_cast<float>(begin + r) + 0.5f;
    }
    return absl::OkStatus();
  }

 private:
  std::vector<int32_t> order_ = {1, 0};
};

TEST(RowRangeTest, IsAMatrixOfItsOwn) {
  const Counting whole;
  const RowRange range(whole, 3, 4);
  EXPECT_EQ(range.rows(), 4);
  EXPECT_EQ(range.cols(), 2);
  EXPECT_EQ(range.format(), kF32);
  EXPECT_EQ(range.k_order().size(), 2u);
  QuantTensor slab;
  ASSERT_TRUE(range.Decode(1, 2, &slab).ok());
  EXPECT_EQ(slab.values, (std::vector<float>{4, 4.5f, 5, 5.5f}));
}

}  // namespace
}  // namespace quantd
