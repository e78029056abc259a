// What AWQ scales must leave the model as it was: here a model whose weights are scaled but not
// rounded, against the model itself.

#include "runtime/convert/awq_layer.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "runtime/formats/hf_packers.h"
#include "runtime/formats/safetensors_writer.h"
#include "tests/runtime/model/model_fixture.h"
#include "tests/support/temporary_folder.h"

namespace quantd {
namespace {

constexpr int kVocab = 96;

std::vector<int32_t> SomeTokens(int count) {
  std::vector<int32_t> tokens;
  for (int i = 0; i < count; ++i) tokens.push_back(3 + (i * i * 5 + i * 17) % (kVocab - 3));
  return tokens;
}

std::vector<float> Logits(Model& model) {
  Sequences sequences(model, KvType::kF32, 8);
  return sequences.Step({{0, SomeTokens(20)}}, /*all_rows=*/true)[0];
}

class AwqLayerTest : public testing::TestWithParam<std::string> {
 protected:
  /// Writes the model with every weight scaled, all layers' modules in F32.
  absl::Status WriteScaled(const FolderSource& source, const std::vector<AwqLayer>& layers) {
    std::vector<SafetensorsEntry> entries;
    std::vector<std::vector<uint8_t>> data;
    for (const FolderTensor& tensor : source.tensors()) {
      entries.push_back({tensor.name, tensor.dtype, tensor.shape});
      std::vector<uint8_t> buffer;
      QuantizedTensor result;
      const auto bytes = source.ReadBytes(tensor, &buffer, &result);
      if (!bytes.ok()) return bytes.status();
      data.emplace_back(bytes->begin(), bytes->end());
      for (const AwqLayer& layer : layers) {
        const auto found = layer.rewritten().find(tensor.name);
        if (found == layer.rewritten().end()) continue;
        data.back() = hf::FloatBytes(found->second, tensor.dtype);
      }
      for (const FolderModule& module : source.modules()) {
        if (module.weight != &tensor) continue;
        auto weights = source.ReadWeights(module, *model_.pool);
        if (!weights.ok()) return weights.status();
        for (int64_t i = 0; i < module.n * module.k; ++i) {
          (*weights)[i] *= layers[module.layer].Of(module).Of(i / module.k, i % module.k);
        }
        entries.back().dtype = Dtype::kF32;
        data.back() = hf::FloatBytes(*weights, Dtype::kF32);
      }
    }
    auto writer = SafetensorsModelWriter::Create(folder_.path(), entries, UINT64_MAX);
    if (!writer.ok()) return writer.status();
    for (size_t i = 0; i < entries.size(); ++i) {
      const absl::Status status = (*writer)->Write(entries[i].name, data[i]);
      if (!status.ok()) return status;
    }
    return (*writer)->Finish();
  }

  const std::string path_ = SourcePath("tests/golden/families/" + GetParam());
  LoadedModel model_ = LoadModelOrDie(path_, "reference");
  TemporaryFolder folder_;
};

TEST_P(AwqLayerTest, ScalesLeaveTheModelAsItWas) {
  const auto source = FolderSource::Open(path_);
  ASSERT_TRUE(source.ok()) << source.status();
  const std::vector<FolderModule>& modules = (*source)->modules();
  std::vector<InputName> wanted;
  for (const FolderModule& module : modules) wanted.push_back(module.input);
  ChunkOptions reading;
  reading.chunk = 64;
  const auto inputs =
      MeasureInputs(*model_.model, KvType::kF32, SomeTokens(192), reading, *model_.pool, wanted);
  ASSERT_TRUE(inputs.ok()) << inputs.status();
  const AwqRounding rounding = {{.bits = 3, .symmetric = false}, 16};
  std::vector<AwqLayer> layers;
  for (size_t begin = 0; begin < modules.size();) {
    size_t end = begin;
    while (end < modules.size() && modules[end].layer == modules[begin].layer) ++end;
    auto layer = AwqLayer::Search(**source, {&modules[begin], end - begin}, *inputs,
                                  model_.model->config(), rounding, *model_.pool);
    ASSERT_TRUE(layer.ok()) << layer.status();
    layers.push_back(*std::move(layer));
    begin = end;
  }
  // Something must have been scaled, of columns and of rows.
  double columns = 0, rows = 0;
  for (const FolderModule& module : modules) {
    const WeightScaling& scaling = layers[module.layer].Of(module);
    EXPECT_FALSE(scaling.in.empty()) << module.name;
    for (const float scale : scaling.in)
      columns = std::max(columns, std::fabs(std::log(double{scale})));
    for (const float scale : scaling.out) rows = std::max(rows, std::fabs(std::log(double{scale})));
  }
  EXPECT_GT(columns, 0.1);
  EXPECT_GT(rows, 0.1);
  ASSERT_TRUE(WriteScaled(**source, layers).ok());
  std::filesystem::copy(path_ + "/config.json", folder_.Path("config.json"));
  const LoadedModel scaled = LoadModelOrDie(folder_.path(), "reference");
  const std::vector<float> before = Logits(*model_.model), after = Logits(*scaled.model);
  float largest = 0;
  for (const float logit : before) largest = std::max(largest, std::fabs(logit));
  // Biases are rounded to their type, BF16.
  const float tolerance = GetParam() == "qwen2" ? 1e-2f : 1e-4f;
  for (size_t i = 0; i < before.size(); ++i) {
    ASSERT_NEAR(after[i], before[i], tolerance * largest) << i;
  }
}

INSTANTIATE_TEST_SUITE_P(All, AwqLayerTest,
                         testing::Values("llama", "mistral", "qwen2", "qwen3", "gemma2", "gemma3",
                                         "phi3"));

}  // namespace
}  // namespace quantd
