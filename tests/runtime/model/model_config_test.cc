#include "runtime/model/model_config.h"

#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/runtime/model/tiny_model.h"
#include "tests/support/test_data.h"

namespace quantd {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

// The error of a tiny model after `change`: it names the file and `field`, and says `what`.
void ExpectError(const std::function<void(TinyModel&)>& change, const std::string& field,
                 const std::string& what, absl::StatusCode code = absl::StatusCode::kDataLoss) {
  TinyModel tiny;
  change(tiny);
  const auto config = tiny.Read();
  EXPECT_EQ(config.status().code(), code) << field << ": " << config.status();
  EXPECT_THAT(std::string(config.status().message()),
              AllOf(HasSubstr("tiny-"), HasSubstr(field), HasSubstr(what)));
}

void ExpectKeyError(const std::string& key, uint32_t value, const std::string& what) {
  ExpectError([&](TinyModel& tiny) { tiny.keys.SetUint32(key, value); }, key, what);
}
void ExpectFloatError(const std::string& key, float value) {
  ExpectError([&](TinyModel& tiny) { tiny.keys.SetFloat32(key, value); }, key, "outside of");
}

// The tiny model with as many layers as asked for and the keys and tensors of a Gemma.
TinyModel MakeFamily(const std::string& architecture, int32_t layers) {
  TinyModel tiny;
  tiny.SetArchitecture(architecture);
  tiny.keys.SetUint32(architecture + ".block_count", static_cast<uint32_t>(layers));
  if (architecture == "gemma3") tiny.keys.SetUint32(architecture + ".attention.sliding_window", 8);
  for (int32_t i = 0; i < layers; ++i) {
    const std::string layer = "blk." + std::to_string(i) + ".";
    if (i >= 2) tiny.AddLayer(layer);
    tiny.Add(layer + "post_attention_norm.weight", {12});
    tiny.Add(layer + "post_ffw_norm.weight", {12});
    if (architecture != "gemma3") continue;
    tiny.Add(layer + "attn_q_norm.weight", {4});
    tiny.Add(layer + "attn_k_norm.weight", {4});
  }
  return tiny;
}

// The tiny model with three experts, of which a row takes two.
TinyModel MakeMixture() {
  TinyModel tiny;
  tiny.keys.SetUint32("llama.expert_count", 3);
  tiny.keys.SetUint32("llama.expert_used_count", 2);
  tiny.keys.SetUint32("llama.expert_feed_forward_length", 6);
  for (const std::string layer : {"blk.0.", "blk.1."}) {
    for (const char* part : {"ffn_gate.weight", "ffn_up.weight", "ffn_down.weight"}) {
      tiny.Remove(layer + part);
    }
    tiny.Add(layer + "ffn_gate_inp.weight", {12, 3});
    tiny.Add(layer + "ffn_gate_exps.weight", {12, 6, 3});
    tiny.Add(layer + "ffn_up_exps.weight", {12, 6, 3});
    tiny.Add(layer + "ffn_down_exps.weight", {6, 12, 3});
  }
  return tiny;
}

TEST(ModelConfigTest, ReadsATinyModel) {
  TinyModel tiny;
  const auto config = tiny.Read();
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->architecture, "llama");
  EXPECT_EQ(config->name, "tiny");
  EXPECT_EQ(config->vocab, 7);
  EXPECT_EQ(config->dim, 12);
  EXPECT_EQ(config->layers, 2);
  EXPECT_EQ(config->heads, 3);
  EXPECT_EQ(config->kv_heads, 1);
  EXPECT_EQ(config->head_dim, 4);
  EXPECT_EQ(config->ff, 20);
  EXPECT_EQ(config->context, 64);
  EXPECT_EQ(config->rms_eps, 1e-5f);
  EXPECT_EQ(config->rope_dim, 4);
  EXPECT_EQ(config->rope_base, 10000.0f);
  EXPECT_TRUE(config->rope_adjacent);
  EXPECT_EQ(config->rope_scaling, RopeScaling::kNone);
  EXPECT_FALSE(config->tied_output);
}

TEST(ModelConfigTest, ReadsTheBundledModel) {
  const auto file = Checkpoint::Open(SourcePath("config/models/shakespeare-6m-f16.gguf"));
  ASSERT_TRUE(file.ok());
  const auto config = ReadModelConfig(**file);
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->vocab, 2048);
  EXPECT_EQ(config->layers, 6);
  EXPECT_EQ(config->kv_dim(), 128);
}

TEST(ModelConfigTest, OptionalKeysAndTensors) {
  TinyModel tiny;
  tiny.Remove("output.weight");
  tiny.keys.SetUint32("llama.attention.key_length", 4);
  tiny.keys.SetUint32("llama.rope.dimension_count", 2);
  tiny.keys.SetFloat32("llama.rope.freq_base", 500000.0f);
  tiny.keys.SetUint32("llama.attention.sliding_window", 16);
  tiny.keys.SetUint32("llama.expert_count", 0);
  tiny.Add("blk.1.attn_q.bias", {12});
  tiny.Add("blk.1.ffn_down.bias", {12});
  const auto config = tiny.Read();
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_TRUE(config->tied_output);
  EXPECT_EQ(config->rope_dim, 2);
  EXPECT_EQ(config->rope_base, 500000.0f);
  EXPECT_EQ(config->context, 64);
  EXPECT_EQ(config->window_of(0), 16);
  EXPECT_EQ(config->window_of(1), 16);
}

// What only a family has: the table's rows, and what their keys change.
TEST(ModelConfigTest, FamiliesDifferAsTheTableSays) {
  const auto config_of = [](const std::string& architecture, int32_t layers) {
    return MakeFamily(architecture, layers).Read();
  };
  const auto gemma2 = config_of("gemma2", 3);
  ASSERT_TRUE(gemma2.ok()) << gemma2.status();
  EXPECT_EQ(gemma2->activation, Activation::kGeluTanh);
  EXPECT_TRUE(gemma2->post_norms && !gemma2->qk_norm && !gemma2->rope_adjacent);
  EXPECT_EQ(gemma2->window_of(0), 4096);
  EXPECT_EQ(gemma2->window_of(1), 0);
  EXPECT_EQ(gemma2->window_of(2), 4096);
  EXPECT_EQ(gemma2->attention_soft_cap, 50);
  EXPECT_EQ(gemma2->logit_soft_cap, 30);
  EXPECT_EQ(gemma2->embedding_scale, std::sqrt(12.0f));
  EXPECT_EQ(gemma2->attention_scale_dim, 0);

  const auto gemma3 = config_of("gemma3", 62);  // as many as the largest
  ASSERT_TRUE(gemma3.ok()) << gemma3.status();
  EXPECT_TRUE(gemma3->post_norms && gemma3->qk_norm);
  EXPECT_EQ(gemma3->window_of(4), 8);
  EXPECT_EQ(gemma3->window_of(5), 0);
  EXPECT_EQ(gemma3->window_of(6), 8);
  EXPECT_EQ(gemma3->local_rope_base, 10000);
  EXPECT_EQ(gemma3->attention_soft_cap + gemma3->logit_soft_cap, 0);
  EXPECT_EQ(gemma3->attention_scale_dim, 4);
}

TEST(ModelConfigTest, ReadsMixturesOfExperts) {
  TinyModel tiny = MakeMixture();
  const auto config = tiny.Read();
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->experts, 3);
  EXPECT_EQ(config->experts_used, 2);
  EXPECT_EQ(config->expert_ff, 6);

  const auto error = [](const char* key, uint32_t value) {
    TinyModel tiny = MakeMixture();
    tiny.keys.SetUint32(key, value);
    return tiny.Read().status().ToString();
  };
  EXPECT_THAT(error("llama.expert_used_count", 4), HasSubstr("llama.expert_used_count: 4 is more"));
  EXPECT_THAT(error("llama.expert_used_count", 0), HasSubstr("outside of"));
  EXPECT_THAT(error("llama.expert_count", 5000), HasSubstr("more than 4096"));
  EXPECT_THAT(error("llama.expert_count", 2), HasSubstr("tensor blk.0.ffn_gate_inp.weight"));
  EXPECT_THAT(error("llama.expert_gating_func", 2), HasSubstr("softmax is"));
  EXPECT_THAT(error("llama.expert_shared_count", 1), HasSubstr("1 is not supported"));
}

TEST(ModelConfigTest, KeyLengthNeedNotBeDimOverHeads) {
  TinyModel tiny;
  tiny.keys.SetUint32("llama.attention.head_count", 5);
  tiny.keys.SetUint32("llama.attention.key_length", 6);
  for (const std::string layer : {"blk.0.", "blk.1."}) {
    tiny.Tensor(layer + "attn_q.weight").shape = {12, 30};
    tiny.Tensor(layer + "attn_k.weight").shape = {12, 6};
    tiny.Tensor(layer + "attn_v.weight").shape = {12, 6};
    tiny.Tensor(layer + "attn_output.weight").shape = {30, 12};
  }
  const auto config = tiny.Read();
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->head_dim, 6);
  EXPECT_EQ(config->q_dim(), 30);
}

TEST(ModelConfigTest, RopeScalingVariants) {
  const auto read = [](const std::function<void(TinyModel&)>& change) {
    TinyModel tiny;
    change(tiny);
    auto config = tiny.Read();
    EXPECT_TRUE(config.ok()) << config.status();
    return config.ok() ? *config : ModelConfig();
  };
  const ModelConfig old =
      read([](TinyModel& tiny) { tiny.keys.SetFloat32("llama.rope.scale_linear", 2.0f); });
  EXPECT_EQ(old.rope_scaling, RopeScaling::kLinear);
  EXPECT_EQ(old.rope_factor, 2.0f);

  const ModelConfig linear = read([](TinyModel& tiny) {
    tiny.keys.SetString("llama.rope.scaling.type", "linear");
    tiny.keys.SetFloat32("llama.rope.scaling.factor", 8.0f);
  });
  EXPECT_EQ(linear.rope_scaling, RopeScaling::kLinear);
  EXPECT_EQ(linear.rope_factor, 8.0f);

  const ModelConfig yarn = read([](TinyModel& tiny) {
    tiny.keys.SetString("llama.rope.scaling.type", "yarn");
    tiny.keys.SetFloat32("llama.rope.scaling.factor", 4.0f);
    tiny.keys.SetUint32("llama.rope.scaling.original_context_length", 16);
    tiny.keys.SetFloat32("llama.rope.scaling.yarn_beta_fast", 24.0f);
  });
  EXPECT_EQ(yarn.rope_scaling, RopeScaling::kYarn);
  EXPECT_EQ(yarn.rope_original_context, 16);
  EXPECT_EQ(yarn.yarn_ext_factor, 1.0f);
  EXPECT_EQ(yarn.yarn_beta_fast, 24.0f);

  const ModelConfig llama3 = read([](TinyModel& tiny) {
    tiny.Add("rope_freqs.weight", {2});
    tiny.Tensor("rope_freqs.weight").value = [](int64_t i) { return i == 0 ? 1.0f : 8.0f; };
  });
  EXPECT_EQ(llama3.rope_scaling, RopeScaling::kLlama3);
  EXPECT_THAT(llama3.rope_factors, ElementsAre(1.0f, 8.0f));
}

TEST(ModelConfigTest, RefusesOtherArchitecturesByName) {
  ExpectError([](TinyModel& t) { t.keys.SetString("general.architecture", "mamba"); },
              "general.architecture", "supported are: llama", absl::StatusCode::kUnimplemented);
  ExpectError([](TinyModel& t) { t.Add("blk.0.attn_q_norm.weight", {4}); },
              "blk.0.attn_q_norm.weight", "not a part", absl::StatusCode::kUnimplemented);
}

TEST(ModelConfigTest, RefusesSizesThatCannotBe) {
  ExpectKeyError("llama.embedding_length", 0, "outside of");
  ExpectKeyError("llama.embedding_length", 4000000000u, "outside of");
  ExpectKeyError("llama.feed_forward_length", 0, "outside of");
  ExpectKeyError("llama.context_length", 0, "outside of");
  ExpectKeyError("llama.block_count", 0, "outside of");
  ExpectError([](TinyModel& t) { t.keys.SetString("llama.block_count", "2"); }, "llama.block_count",
              "expected an unsigned integer");
}

TEST(ModelConfigTest, RefusesAMissingKey) {
  TinyModel tiny;
  GgufWriter keys;  // all but one
  const auto file = tiny.Write();
  for (const GgufKeyValue& entry : file->metadata()) {
    if (entry.key != "llama.block_count") keys.Copy(entry);
  }
  ExpectError([&](TinyModel& t) { t.keys = keys; }, "llama.block_count", "missing");
}

TEST(ModelConfigTest, RefusesLayerCountsUnequalToTheTensors) {
  ExpectKeyError("llama.block_count", 1000000000, "tensors of 2 layers");
  ExpectKeyError("llama.block_count", 1, "tensors of 2 layers");
  ExpectKeyError("llama.block_count", 3, "tensors of 2 layers");
  ExpectError(
      [](TinyModel& t) {
        t.Add("blk.x.attn_q.weight", {12, 12});
      },
      "blk.x.attn_q.weight", "no layer number");
}

TEST(ModelConfigTest, RefusesHeadsThatDoNotFit) {
  ExpectKeyError("llama.attention.head_count", 0, "outside of");
  ExpectKeyError("llama.attention.head_count", 5, "does not divide the 12");
  ExpectKeyError("llama.attention.head_count_kv", 0, "outside of");
  ExpectKeyError("llama.attention.head_count_kv", 2, "does not divide the 3");
  ExpectKeyError("llama.attention.head_count_kv", 6, "does not divide the 3");
  ExpectKeyError("llama.attention.key_length", 0, "outside of");
  ExpectKeyError("llama.attention.value_length", 8, "differs from the key length of 4");
}

TEST(ModelConfigTest, RefusesEpsilonsThatCannotBe) {
  const std::string key = "llama.attention.layer_norm_rms_epsilon";
  for (const float eps : {0.0f, -1e-5f, std::numeric_limits<float>::quiet_NaN(),
                          std::numeric_limits<float>::infinity(), 2.0f}) {
    ExpectFloatError(key, eps);
  }
}

TEST(ModelConfigTest, RefusesRopeParametersThatCannotBe) {
  ExpectKeyError("llama.rope.dimension_count", 3, "must be even");
  ExpectKeyError("llama.rope.dimension_count", 6, "at most the head length");
  ExpectKeyError("llama.rope.dimension_count", 0, "outside of");
  for (const float bad : {0.0f, -1.0f, std::numeric_limits<float>::quiet_NaN(),
                          std::numeric_limits<float>::infinity()}) {
    ExpectFloatError("llama.rope.freq_base", bad);
    ExpectFloatError("llama.rope.scaling.factor", bad);
    ExpectFloatError("llama.rope.scale_linear", bad);
    ExpectFloatError("llama.rope.scaling.yarn_beta_fast", bad);
  }
  ExpectError([](TinyModel& t) { t.keys.SetString("llama.rope.scaling.type", "dynamic"); },
              "llama.rope.scaling.type", "\"dynamic\" is not one of");
  ExpectError([](TinyModel& t) { t.keys.SetString("llama.rope.scaling.type", "longrope"); },
              "tensor rope_freqs.weight", "is missing");
  ExpectError([](TinyModel& t) { t.keys.SetString("llama.rope.scaling.type", "llama3"); },
              "rope_freqs.weight", "missing");
  ExpectError([](TinyModel& t) { t.Add("rope_freqs.weight", {4}); }, "rope_freqs.weight",
              "rotated pairs are 2");
  ExpectError(
      [](TinyModel& t) {
        t.Add("rope_freqs.weight", {2});
        t.Tensor("rope_freqs.weight").value = [](int64_t) { return 0.0f; };
      },
      "rope_freqs.weight", "above 0");
}

TEST(ModelConfigTest, RefusesVocabulariesThatDisagree) {
  ExpectKeyError("llama.vocab_size", 8, "token_embd.weight has 7 rows");
  ExpectError(
      [](TinyModel& t) {
        t.keys.SetStrings("tokenizer.ggml.tokens", {"a", "b"});
      },
      "tokenizer.ggml.tokens", "lists 2 tokens");
  ExpectError(
      [](TinyModel& t) {
        t.Tensor("output.weight").shape = {12, 6};
      },
      "output.weight", "has shape [12, 6], but the hyper-parameters imply [12, 7]");
  ExpectError([](TinyModel& t) { t.Remove("token_embd.weight"); }, "token_embd.weight", "missing");
}

TEST(ModelConfigTest, RefusesTensorsThatAreMissingOrOfAnotherShape) {
  for (const TinyTensor& tensor : TinyModel().tensors) {
    if (tensor.name != "output.weight") {
      ExpectError([&](TinyModel& t) { t.Remove(tensor.name); }, tensor.name, "missing");
    }
    if (tensor.name == "token_embd.weight") continue;  // its rows are the vocabulary
    ExpectError([&](TinyModel& t) { t.Tensor(tensor.name).shape.back() += 1; }, tensor.name,
                "hyper-parameters imply");
    ExpectError([&](TinyModel& t) { t.Tensor(tensor.name).shape.push_back(2); }, tensor.name,
                "hyper-parameters imply");
  }
  ExpectError(
      [](TinyModel& t) {
        t.Tensor("token_embd.weight").shape = {13, 7};
      },
      "token_embd.weight", "hyper-parameters imply [12, 7]");
  ExpectError([](TinyModel& t) { t.Add("blk.0.attn_q.bias", {11}); }, "blk.0.attn_q.bias",
              "hyper-parameters imply [12]");
}

}  // namespace
}  // namespace quantd
