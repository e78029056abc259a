#ifndef QUANTD_TESTS_RUNTIME_FORMATS_HF_GOLDEN_H_
#define QUANTD_TESTS_RUNTIME_FORMATS_HF_GOLDEN_H_

#include <algorithm>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "kernels/base/status_macros.h"
#include "runtime/formats/hf_config.h"
#include "runtime/formats/hf_scheme_table.h"
#include "tests/support/test_data.h"

namespace quantd {

/// A checkpoint of tests/golden/hf: the weight of its module "layer", and what the library that
/// wrote it makes of that.
struct HfGolden {
  std::unique_ptr<HfConfig> config;
  std::unique_ptr<SafetensorsModel> model;
  HfWeight weight;
  std::vector<int64_t> shape;   ///< N, K
  std::vector<float> expected;  ///< [N, K]

  static absl::StatusOr<HfGolden> Load(const std::string& name) {
    HfGolden golden;
    const std::string folder = SourcePath("tests/golden/hf/" + name);
    QUANTD_ASSIGN_OR_RETURN(const ModelDirectory directory, ModelDirectory::Open(folder));
    QUANTD_ASSIGN_OR_RETURN(golden.config, HfConfig::Open(directory));
    QUANTD_ASSIGN_OR_RETURN(golden.model, SafetensorsModel::Open(directory));
    QUANTD_ASSIGN_OR_RETURN(
        golden.weight,
        OpenHfWeight(HfModule(*golden.model, golden.config->quantization(), "layer")));
    QUANTD_ASSIGN_OR_RETURN(const std::unique_ptr<SafetensorsFile> file,
                            SafetensorsFile::Open(folder + "/expected.safetensors"));
    const SafetensorsTensor* layer = file->FindTensor("layer");
    if (layer == nullptr) return file->Error("tensor layer", "is missing");
    golden.shape = layer->shape;
    QUANTD_ASSIGN_OR_RETURN(golden.expected, ReadFloats(*layer));
    return golden;
  }

  /// Every folder of tests/golden/hf, sorted.
  static std::vector<std::string> Names() {
    std::vector<std::string> names;
    std::error_code ignored;  // then there are none, which a test notices
    for (const auto& entry :
         std::filesystem::directory_iterator(SourcePath("tests/golden/hf"), ignored)) {
      names.push_back(entry.path().filename());
    }
    std::sort(names.begin(), names.end());
    return names;
  }

  static std::string TestName(const ::testing::TestParamInfo<std::string>& info) {
    std::string name = info.param;
    std::replace(name.begin(), name.end(), '-', '_');
    return name;
  }
};

}  // namespace quantd

#endif  // QUANTD_TESTS_RUNTIME_FORMATS_HF_GOLDEN_H_
