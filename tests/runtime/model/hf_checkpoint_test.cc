#include "runtime/model/hf_checkpoint.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/runtime/model/model_fixture.h"
#include "tests/runtime/model/tiny_hf_model.h"

namespace quantd {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

void ExpectError(const std::function<void(TinyHfModel&)>& change, const std::string& field,
                 const std::string& what, absl::StatusCode code = absl::StatusCode::kDataLoss) {
  TinyHfModel tiny;
  change(tiny);
  const auto config = tiny.Read();
  EXPECT_EQ(config.status().code(), code) << field << ": " << config.status();
  EXPECT_THAT(std::string(config.status().message()),
              AllOf(HasSubstr("tiny"), HasSubstr(field), HasSubstr(what)));
}

std::vector<float> Logits(const Checkpoint& checkpoint, const KernelSet& kernels) {
  ThreadPool pool(1);
  auto model = Model::Load(checkpoint, kernels, pool, {});
  EXPECT_TRUE(model.ok()) << model.status();
  if (!model.ok()) return {};
  return Sequences(**model, KvType::kF32, 4).Step({{0, {1, 5, 2, 6, 0, 3}}}, /*all_rows=*/true)[0];
}

TEST(HfCheckpointTest, TensorsHaveOurNames) {
  TinyHfModel tiny;
  const auto checkpoint = tiny.Open();
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  const CheckpointTensor* down = (*checkpoint)->Find("blk.1.ffn_down.weight");
  ASSERT_NE(down, nullptr);
  EXPECT_EQ(down->stored, "model.layers.1.mlp.down_proj.weight");
  EXPECT_EQ(down->scheme, "F32");
  EXPECT_EQ(down->format, kF32);
  EXPECT_THAT(down->shape, ElementsAre(20, 12));
  EXPECT_EQ(down->bytes, 20u * 12 * 4);
  EXPECT_EQ((*checkpoint)->StoredName("blk.1.ffn_down.weight"), down->stored);
  EXPECT_EQ((*checkpoint)->StoredName("other"), "other");
  EXPECT_EQ((*checkpoint)->tensors().size(), tiny.tensors.size());
}

// GGUF has the rows of Q and K in another order, and rotates other pairs: the result is the same.
TEST(HfCheckpointTest, LogitsAreThoseOfTheSameModelInGguf) {
  const auto kernels = KernelSet::Create(ProbeHardware(), {});
  ASSERT_TRUE(kernels.ok()) << kernels.status();
  TinyModel gguf;
  TinyHfModel hf;
  const auto checkpoint = hf.Open();
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  const std::vector<float> expected = Logits(*gguf.Open(), **kernels);
  const std::vector<float> logits = Logits(**checkpoint, **kernels);
  ASSERT_EQ(logits.size(), expected.size());
  float largest = 0;
  for (const float value : expected) largest = std::max(largest, std::fabs(value));
  for (size_t i = 0; i < logits.size(); ++i) {
    EXPECT_NEAR(logits[i], expected[i], 1e-5 * largest) << i;
  }
}

TEST(HfCheckpointTest, BiasesAreOptional) {
  TinyHfModel tiny;
  tiny.AddFloats("model.layers.0.self_attn.q_proj.bias", {12});
  tiny.AddFloats("model.layers.1.mlp.down_proj.bias", {12});
  const auto config = tiny.Read();
  EXPECT_TRUE(config.ok()) << config.status();
  ExpectError([](TinyHfModel& t) { t.AddFloats("model.layers.0.self_attn.q_proj.bias", {11}); },
              "model.layers.0.self_attn.q_proj.bias", "imply [12]");
}

TEST(HfCheckpointTest, TiedOutput) {
  TinyHfModel tiny;
  EXPECT_FALSE(tiny.Read()->tied_output);
  tiny.keys["tie_word_embeddings"] =
      "true";  // then a copy that was stored all the same is not read
  EXPECT_TRUE(tiny.Read()->tied_output);
  tiny.Remove("lm_head.weight");
  EXPECT_TRUE(tiny.Read()->tied_output);
  tiny.keys.erase("tie_word_embeddings");
  EXPECT_TRUE(tiny.Read()->tied_output);
  ExpectError(
      [](TinyHfModel& t) {
        t.keys["tie_word_embeddings"] = "false";
        t.Remove("lm_head.weight");
      },
      "tensor lm_head.weight", "is missing");
  ExpectError([](TinyHfModel& t) { t.keys["tie_word_embeddings"] = "1"; }, "tie_word_embeddings",
              "expected");
}

TEST(HfCheckpointTest, SkipsTensorsThatSayNothingNew) {
  TinyHfModel tiny;
  tiny.AddFloats("model.layers.0.self_attn.rotary_emb.inv_freq", {2});
  tiny.AddFloats("model.layers.0.self_attn.k_proj.output_scale", {1});
  tiny.AddFloats("model.layers.0.self_attn.k_scale", {1});
  EXPECT_TRUE(tiny.Read().ok()) << tiny.Read().status();
}

TEST(HfCheckpointTest, RefusesTensorsItHasNoUseFor) {
  constexpr auto kUnimplemented = absl::StatusCode::kUnimplemented;
  for (const char* name : {"model.layers.0.self_attn.q_norm.weight", "visual.patch_embed.weight",
                           "model.layers.0.mlp.up_proj.lora_A", "x"}) {
    ExpectError([&](TinyHfModel& t) { t.AddFloats(name, {4}); }, absl::StrCat("tensor ", name),
                "not a part", kUnimplemented);
  }
}

TEST(HfCheckpointTest, NamesMayBeLongAndFullOfDots) {
  const std::string name = "model" + std::string(1 << 20, '.') + "weight";
  ExpectError([&](TinyHfModel& t) { t.AddFloats(name, {4}); }, "tensor model..", "not a part",
              absl::StatusCode::kUnimplemented);
}

TEST(HfCheckpointTest, RefusesLayersUnequalToTheTensors) {
  for (const char* layers : {"1", "3", "1000000000"}) {
    ExpectError([&](TinyHfModel& t) { t.keys["num_hidden_layers"] = layers; }, "num_hidden_layers",
                "tensors of 2 layers");
  }
}

TEST(HfCheckpointTest, RefusesTensorsThatAreMissingOrOfAnotherShape) {
  for (const TinyHfModel::Tensor& tensor : TinyHfModel().tensors) {
    if (tensor.name != "lm_head.weight") {
      ExpectError([&](TinyHfModel& t) { t.Remove(tensor.name); }, tensor.name, "missing");
    }
    ExpectError(
        [&](TinyHfModel& t) {
          t.Remove(tensor.name);
          std::vector<int64_t> shape = tensor.shape;
          shape[0] += 1;
          t.AddFloats(tensor.name, shape);
        },
        tensor.name, "hyper-parameters imply");
  }
}

TEST(HfCheckpointTest, RefusesWeightsThatNoSchemeReads) {
  ExpectError(
      [](TinyHfModel& t) {
        TinyHfModel::Tensor& weight = t.Find("model.layers.0.mlp.up_proj.weight");
        weight.dtype = "I32";
      },
      "model.layers.0.mlp.up_proj", "no scheme reads a weight of type I32",
      absl::StatusCode::kUnimplemented);
  ExpectError(
      [](TinyHfModel& t) { t.keys["quantization_config"] = R"({"quant_method": "quanto"})"; },
      "quanto", "is not supported", absl::StatusCode::kUnimplemented);
}

TEST(HfCheckpointTest, ExpertsAreOneTensorInTheirOrder) {
  constexpr int kExperts = 11;  // "10" comes before "2" in the file's order
  TinyHfModel tiny;
  tiny.MakeMixture(kExperts);
  for (int i = 0; i < kExperts; ++i) {
    std::string& bytes =
        tiny.Find(absl::StrCat("model.layers.1.block_sparse_moe.experts.", i, ".w2.weight")).bytes;
    bytes.replace(0, sizeof(float), Raw(static_cast<float>(i)));
  }
  std::sort(tiny.tensors.begin(), tiny.tensors.end(),
            [](const auto& a, const auto& b) { return a.name < b.name; });
  ASSERT_TRUE(tiny.Read().ok()) << tiny.Read().status();
  const auto checkpoint = tiny.Open();
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  const CheckpointTensor* down = (*checkpoint)->Find("blk.1.ffn_down_exps.weight");
  ASSERT_NE(down, nullptr);
  EXPECT_EQ(down->stored, "model.layers.1.block_sparse_moe.experts.0.w2.weight");
  EXPECT_EQ((*checkpoint)->StoredName(down->name), down->stored);
  EXPECT_THAT(down->shape, ElementsAre(20, 12, kExperts));
  EXPECT_EQ(down->bytes, 20u * 12 * 4 * kExperts);
  const auto weights = (*checkpoint)->OpenWeights(*down);
  ASSERT_TRUE(weights.ok()) << weights.status();
  ASSERT_EQ(weights->size(), static_cast<size_t>(kExperts));
  for (int i = 0; i < kExperts; ++i) {
    QuantTensor row;
    ASSERT_TRUE((*weights)[i]->Decode(0, 1, &row).ok());
    EXPECT_EQ(row.At(0, 0), static_cast<float>(i));
  }
}

TEST(HfCheckpointTest, RefusesExpertsThatAreNoWholeStack) {
  const std::string experts = "model.layers.1.block_sparse_moe.experts.";
  const auto with = [](const std::function<void(TinyHfModel&)>& change) {
    return [change](TinyHfModel& t) {
      t.MakeMixture(3);
      change(t);
    };
  };
  ExpectError(with([&](TinyHfModel& t) { t.Remove(experts + "1.w1.weight"); }),
              experts + "1.w1.weight", "is missing, but there is " + experts + "2.w1");
  ExpectError(with([&](TinyHfModel& t) { t.Remove(experts + "2.w1.weight"); }),
              experts + "0.w1.weight", "hyper-parameters imply [12, 20, 3]");
  ExpectError(with([&](TinyHfModel& t) {
                t.AddFloats(experts + "02.w1.weight", {20, 12});
              }),
              experts + "3.w1.weight", "is missing, but there is " + experts);
  ExpectError(with([&](TinyHfModel& t) {
                t.AddFloats(experts + "999999999.w1.weight", {20, 12});
              }),
              experts + "3.w1.weight", "is missing");
  ExpectError(with([&](TinyHfModel& t) {
                t.Remove(experts + "1.w1.weight");
                t.AddFloats(experts + "1.w1.weight", {19, 12});
              }),
              experts + "1.w1", "has shape [12, 19], but");
  ExpectError(with([&](TinyHfModel& t) { t.AddFloats(experts + "1.w1.bias", {20}); }),
              experts + "1.w1.bias", "not a part", absl::StatusCode::kUnimplemented);
  ExpectError(with([&](TinyHfModel& t) {
                for (int i = 0; i < 3; ++i) t.Remove(absl::StrCat(experts, i, ".w1.weight"));
              }),
              experts + "0.w1.weight", "is missing");
}

TEST(HfCheckpointTest, UnknownFamiliesOpenWithTheirOwnNames) {
  TinyHfModel tiny;
  tiny.keys["model_type"] = "\"mamba\"";
  const auto checkpoint = tiny.Open();
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  EXPECT_NE((*checkpoint)->Find("model.layers.1.mlp.down_proj.weight"), nullptr);
  EXPECT_EQ(ReadModelConfig(**checkpoint).status().code(), absl::StatusCode::kUnimplemented);
}

}  // namespace
}  // namespace quantd
