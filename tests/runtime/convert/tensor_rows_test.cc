#include "runtime/convert/tensor_rows.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tests/support/test_data.h"

namespace quantd {
namespace {

/// Every row of every matrix of a folder, against what its sources say weight by weight. Gives the
/// number of sources whose columns are in another order than the features.
int ExpectRowsOfSources(const std::string& folder) {
  const auto checkpoint = Checkpoint::Open(SourcePath("tests/golden/hf-models/" + folder));
  EXPECT_TRUE(checkpoint.ok()) << checkpoint.status();
  int reordered = 0;
  for (const CheckpointTensor& tensor : (*checkpoint)->tensors()) {
    if (tensor.shape.size() < 2) continue;
    const auto rows = TensorRows::Open(**checkpoint, tensor);
    EXPECT_TRUE(rows.ok()) << rows.status();
    EXPECT_EQ(rows->rows(), tensor.rows());
    EXPECT_EQ(rows->cols(), tensor.cols());
    const auto sources = (*checkpoint)->OpenWeights(tensor);
    QuantTensor decoded, buffer;
    std::vector<float> row(static_cast<size_t>(tensor.cols()));
    int64_t at = 0;
    for (const auto& source : *sources) {
      const absl::Span<const int32_t> order = source->k_order();
      if (!order.empty()) ++reordered;
      EXPECT_TRUE(source->Decode(0, source->rows(), &decoded).ok());
      for (int64_t r = 0; r < source->rows(); ++r, ++at) {
        EXPECT_TRUE(rows->Read(at, &buffer, row.data()).ok());
        for (int64_t c = 0; c < source->cols(); ++c) {
          const size_t feature = static_cast<size_t>(order.empty() ? c : order[c]);
          EXPECT_EQ(row[feature], decoded.At(r, c)) << tensor.name << " " << at << "," << c;
        }
      }
    }
  }
  return reordered;
}

TEST(TensorRowsTest, ColumnsComeInTheOrderOfTheFeatures) {
  EXPECT_GT(ExpectRowsOfSources("gptq-4-v1-asym-act-order"), 0);
}

TEST(TensorRowsTest, StackedMatricesFollowOneAnother) {
  EXPECT_EQ(ExpectRowsOfSources("mixtral-awq-g32"), 0);
}

}  // namespace
}  // namespace quantd
