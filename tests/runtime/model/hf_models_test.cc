// Whole models in the folders of Hugging Face, quantized by the libraries that write them (see
// tests/golden/make_hf_models.py), against what transformers computes with the weights that those
// libraries dequantize.

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tests/runtime/model/golden.h"

namespace quantd {
namespace {

constexpr char kFolder[] = "tests/golden/hf-models/";
/// Of the largest logit. Activations are rounded to 8 bits, the references' are not.
constexpr float kTolerance = 2e-2f;

std::vector<std::string> Names() {
  std::vector<std::string> names;
  std::error_code ignored;  // then there are none, which a test notices
  for (const auto& entry : std::filesystem::directory_iterator(SourcePath(kFolder), ignored)) {
    names.push_back(entry.path().filename());
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::string TestName(const testing::TestParamInfo<std::string>& info) {
  std::string name = info.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

class HfModelsTest : public testing::TestWithParam<std::string> {
 protected:
  static void SetUpTestSuite() {
    auto kernels = KernelSet::Create(ProbeHardware(), {});
    ASSERT_TRUE(kernels.ok()) << kernels.status();
    kernels_ = kernels->release();
  }
  static void TearDownTestSuite() {
    delete kernels_;
    kernels_ = nullptr;
  }
  static KernelSet* kernels_;  // one for all cases: its self-check takes longer than they
};
KernelSet* HfModelsTest::kernels_ = nullptr;

TEST_P(HfModelsTest, ComputesWhatItsLibraryWould) {
  ThreadPool pool(1);
  const auto checkpoint = Checkpoint::Open(SourcePath(kFolder + GetParam()));
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  const auto model = Model::Load(**checkpoint, *kernels_, pool, {});
  ASSERT_TRUE(model.ok()) << model.status();
  const std::string expected = kFolder + GetParam() + "/expected.json";
  ExpectGolden(**model, expected, KvType::kF32, kTolerance);
}

INSTANTIATE_TEST_SUITE_P(All, HfModelsTest, testing::ValuesIn(Names()), TestName);

TEST(HfModels, EveryCheckpointIsThere) { EXPECT_GE(Names().size(), 20u); }

}  // namespace
}  // namespace quantd
