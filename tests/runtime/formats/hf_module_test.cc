#include "runtime/formats/hf_module.h"

#include <unistd.h>

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/runtime/formats/hf_model_builder.h"

namespace quantd {
namespace {

using ::testing::StartsWith;

constexpr Dtype kWords[] = {Dtype::kI32};
constexpr Dtype kFloats[] = {Dtype::kF32, Dtype::kF16};

TEST(HfModule, FindsItsTensorsByTypeAndShape) {
  const auto model = HfModelBuilder(R"({"quant_method": "gptq", "bits": 4})")
                         .Set("m.a", "I32", {2, 3}, std::vector<int32_t>{1, 2, 3, 4, 5, -6})
                         .Set("m.b", "F32", {}, std::vector<float>{1})
                         .Build();
  const HfModule module = model->Module("m");
  EXPECT_NE(module.config<GptqConfig>(), nullptr);
  EXPECT_EQ(module.config<AwqConfig>(), nullptr);
  EXPECT_EQ(module.method(), "gptq");
  EXPECT_TRUE(module.Has(".a", Dtype::kI32));
  EXPECT_FALSE(module.Has(".a", Dtype::kF32));
  EXPECT_FALSE(module.Has(".c", Dtype::kF32));
  ASSERT_TRUE(module.Get(".a", kWords, {2, 3}).ok());
  EXPECT_TRUE(module.Get(".a", kWords, {-1, 3}).ok());
  EXPECT_TRUE(module.Get(".b", kFloats, {}).ok());
  EXPECT_EQ(LoadElement<int32_t>(**module.Get(".a", kWords), 5), -6);
  const std::vector<std::pair<absl::Status, std::string>> cases = {
      {module.Get(".c", kWords, {1}).status(), "memory.safetensors: tensor m.c: is missing"},
      {module.Get(".a", kFloats, {2, 3}).status(),
       "memory.safetensors: tensor m.a: expected type F32 or F16, found I32"},
      {module.Get(".a", kWords, {-1, 4}).status(),
       "memory.safetensors: tensor m.a: expected shape [any, 4], found [2, 3]"},
      {module.Get(".a", kWords, {6}).status(),
       "memory.safetensors: tensor m.a: expected shape [6], found [2, 3]"},
      {module.Error("is odd"), "memory.safetensors: m: is odd"},
  };
  for (const auto& [status, message] : cases) {
    EXPECT_EQ(status, absl::DataLossError(message));
  }
  EXPECT_EQ(module.Unsupported("no"), absl::UnimplementedError("memory.safetensors: m: no"));
}

TEST(HfSource, SeesThatTheFileWasCutOff) {
  const TemporaryFolder folder;
  SafetensorsBuilder builder;
  builder.Add("m.weight", "F32", {2, 4}, std::string(32, '\0'));
  const std::string path = folder.Write("model.safetensors", builder.Bytes());
  const auto model = SafetensorsModel::OfFile(*SafetensorsFile::Open(path));
  const QuantizationConfig config;
  const auto weight = OpenHfWeight(HfModule(*model, config, "m"));
  ASSERT_TRUE(weight.ok()) << weight.status();
  QuantTensor rows;
  EXPECT_TRUE(weight->source->Decode(1, 1, &rows).ok());
  EXPECT_TRUE(weight->source->Decode(2, 0, &rows).ok());
  ASSERT_EQ(truncate(path.c_str(), 20), 0);
  const absl::Status status = weight->source->Decode(0, 2, &rows);
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(status.message()),
              StartsWith(path + ": tensor m.weight: the file became"));
}

}  // namespace
}  // namespace quantd
