// Folders of Hugging Face written as GGUF files, against what transformers computes with the
// folders.
#include "runtime/convert/gguf_plan.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "runtime/convert/quantize_model.h"
#include "tests/runtime/model/model_fixture.h"
#include "tests/support/temporary_folder.h"

namespace quantd {
namespace {

using nlohmann::json;
using testing::HasSubstr;

constexpr char kFamilies[] = "tests/golden/families/", kHfModels[] = "tests/golden/hf-models/";
constexpr float kTolerance = 1e-3f;  // of the largest logit

class GgufOfFolderTest : public testing::Test {
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

  std::unique_ptr<Checkpoint> Open(const std::string& path) {
    auto checkpoint = Checkpoint::Open(path);
    EXPECT_TRUE(checkpoint.ok()) << checkpoint.status();
    return *std::move(checkpoint);
  }
  absl::Status Convert(const std::string& folder, const char* type,
                       const QuantizeModelOptions& options = {}) {
    const auto checkpoint = Checkpoint::Open(folder);
    if (!checkpoint.ok()) return checkpoint.status();
    return QuantizeModel(**checkpoint, *FormatMix::Find(type), output_, pool_, options).status();
  }
  std::unique_ptr<Model> Load(const std::string& path, int32_t context = 0) {
    LoadOptions options;
    options.context = context;
    auto model = Model::Load(*Open(path), *kernels_, pool_, options);
    EXPECT_TRUE(model.ok()) << model.status();
    return *std::move(model);
  }

  /// The largest error of the logits after the prompt of a golden case, as a share of the largest
  /// logit.
  static float ErrorOf(Model& model, const json& golden) {
    Sequences sequences(model, KvType::kF32, 9);
    const auto logits = sequences.Step({{0, golden["prompt_ids"].get<std::vector<int32_t>>()}})[0];
    const auto want = golden["logits_after_prompt"].get<std::vector<float>>();
    float largest = 0, error = 0;
    for (size_t i = 0; i < want.size(); ++i) {
      largest = std::max(largest, std::fabs(want[i]));
      error = std::max(error, std::fabs(logits[i] - want[i]));
    }
    return error / largest;
  }
  void ExpectLogits(const std::string& golden) {
    const auto model = Load(output_);
    const json cases = json::parse(ReadFileOrDie(SourcePath(golden)));
    ASSERT_FALSE(cases.empty());
    for (const json& one : cases) EXPECT_LE(ErrorOf(*model, one), kTolerance);
  }

  /// A copy of a golden folder with members of its config.json replaced.
  std::string Changed(const std::string& folder, const json& changes) {
    const std::string source = SourcePath(folder);
    json config = json::parse(ReadFileOrDie(source + "/config.json"));
    config.update(changes);
    folder_.Write("config.json", config.dump());
    std::filesystem::copy_file(source + "/model.safetensors", folder_.Path("model.safetensors"),
                               std::filesystem::copy_options::overwrite_existing);
    return folder_.path();
  }

  TemporaryFolder folder_, outputs_;
  const std::string output_ = outputs_.Path("out.gguf");
  ThreadPool pool_{2};
  static KernelSet* kernels_;  // one for all cases: its self-check takes longer than they
};
KernelSet* GgufOfFolderTest::kernels_ = nullptr;

/// The hyper-parameters, but for what the containers say in different ways.
ModelConfig Comparable(ModelConfig config) {
  if (config.attention_scale_dim == 0) {
    config.attention_scale_dim = static_cast<float>(config.head_dim);
  }
  config.rope_adjacent = false;
  config.name.clear();
  return config;
}

TEST_F(GgufOfFolderTest, EveryFamilyGivesTheLogitsOfTransformers) {
  int families = 0;
  for (const auto& entry : std::filesystem::directory_iterator(SourcePath(kFamilies))) {
    if (!entry.is_directory()) continue;
    const std::string name = entry.path().filename();
    SCOPED_TRACE(name);
    ++families;
    const absl::Status status = Convert(entry.path(), "F32");
    if (name == "qwen3moe-dense") {
      EXPECT_EQ(status.code(), absl::StatusCode::kUnimplemented);
      EXPECT_THAT(std::string(status.message()), HasSubstr("layer 0 has no experts"));
      continue;
    }
    ASSERT_TRUE(status.ok()) << status;
    const ModelConfig folder = *ReadModelConfig(*Open(entry.path()));
    const ModelConfig written = *ReadModelConfig(*Open(output_));
    EXPECT_EQ(Comparable(written), Comparable(folder));
    EXPECT_FALSE(written.name.empty());
    if (name == "phi3-longrope") continue;  // below
    ExpectLogits(kFamilies + name + ".expected.json");
  }
  EXPECT_EQ(families, 11);
}

TEST_F(GgufOfFolderTest, TypesAreThoseOfFilesOfOtherPrograms) {
  for (const char* name : {"llama", "qwen2", "gemma3", "phi3-longrope", "mixtral"}) {
    SCOPED_TRACE(name);
    ASSERT_TRUE(Convert(SourcePath(kFamilies + std::string(name)), "F32").ok());
    const auto written = Open(output_);
    const auto other = Open(SourcePath(kFamilies + std::string(name) + ".gguf"));
    ASSERT_EQ(written->tensors().size(), other->tensors().size());
    for (const CheckpointTensor& tensor : other->tensors()) {
      const CheckpointTensor* ours = written->Find(tensor.name);
      ASSERT_NE(ours, nullptr) << tensor.name;
      EXPECT_EQ(ours->shape, tensor.shape) << tensor.name;
      EXPECT_EQ(ours->scheme, "F32");
      EXPECT_EQ(*written->ReadFloats(*ours), *other->ReadFloats(tensor)) << tensor.name;
    }
  }
}

TEST_F(GgufOfFolderTest, LongRopeKeepsBothSetsOfFactors) {
  const std::string golden = std::string(kFamilies) + "phi3-longrope";
  ASSERT_TRUE(Convert(SourcePath(golden), "F32").ok());
  const json cases = json::parse(ReadFileOrDie(SourcePath(golden + ".expected.json")));
  for (const size_t number : {0, 1}) {
    const auto model = Load(output_, number == 0 ? 16 : 128);
    EXPECT_LE(ErrorOf(*model, cases[number]), kTolerance) << number;
  }
}

TEST_F(GgufOfFolderTest, OtherScalingsAndQuantizedFoldersToo) {
  for (const char* name : {"float-bf16-sharded", "float-f16-tied-llama3", "float-f16-yarn",
                           "gptq-4-v1-asym-act-order", "mixtral-awq-g32", "mxfp4"}) {
    SCOPED_TRACE(name);
    const std::string folder = kHfModels + std::string(name);
    const absl::Status status = Convert(SourcePath(folder), "F32");
    ASSERT_TRUE(status.ok()) << status;
    EXPECT_EQ(Comparable(*ReadModelConfig(*Open(output_))),
              Comparable(*ReadModelConfig(*Open(SourcePath(folder)))));
    ExpectLogits(folder + "/expected.json");
  }
}

TEST_F(GgufOfFolderTest, QuantizingAgainMustBeAskedFor) {
  const std::string folder = SourcePath(std::string(kHfModels) + "gptq-4-v1");
  const absl::Status status = Convert(folder, "Q4_0");
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("is GPTQ already"));
  EXPECT_EQ(outputs_.FileCount(), 0u);
  QuantizeModelOptions options;
  options.requantize = true;
  EXPECT_TRUE(Convert(folder, "Q4_0", options).ok());
}

TEST_F(GgufOfFolderTest, AFolderWithoutATokenizerIsNoted) {
  std::vector<std::string> notes;
  QuantizeModelOptions options;
  options.note = [&](const std::string& note) { notes.push_back(note); };
  ASSERT_TRUE(Convert(SourcePath(std::string(kFamilies) + "llama"), "F16", options).ok());
  ASSERT_EQ(notes.size(), 1u);
  EXPECT_THAT(notes[0], HasSubstr("the output takes token ids only"));
  const auto written = Open(output_);
  EXPECT_EQ(*written->gguf()->String("tokenizer.ggml.model"), "none");
  EXPECT_EQ(*written->gguf()->Uint("tokenizer.ggml.eos_token_id"), 2u);
  EXPECT_EQ(*written->gguf()->Uint("general.file_type"), 1u);
}

TEST_F(GgufOfFolderTest, WhatNoKeySaysIsRefusedByName) {
  const std::string llama = std::string(kFamilies) + "llama";
  const std::pair<std::string, json> cases[] = {
      {"partial_rotary_factor: leaves 4 rotated of 8 dimensions",
       {{"partial_rotary_factor", 0.5},
        {"rope_parameters", {{"rope_type", "default"}, {"rope_theta", 500.0}}}}},
  };
  for (const auto& [message, changes] : cases) {
    const absl::Status status = Convert(Changed(llama, changes), "F32");
    EXPECT_EQ(status.code(), absl::StatusCode::kUnimplemented) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(message));
  }
  absl::Status status =
      Convert(Changed(std::string(kFamilies) + "gemma2", {{"query_pre_attn_scalar", 24}}), "F32");
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("query_pre_attn_scalar: 24 has no key in GGUF, whose readers take 16"));
  status =
      Convert(Changed(std::string(kFamilies) + "qwen3moe", {{"norm_topk_prob", false}}), "F32");
  EXPECT_THAT(std::string(status.message()), HasSubstr("norm_topk_prob: false has no key"));
  EXPECT_EQ(outputs_.FileCount(), 0u);
}

}  // namespace
}  // namespace quantd
