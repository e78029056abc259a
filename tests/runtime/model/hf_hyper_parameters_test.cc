#include "runtime/model/hf_hyper_parameters.h"

#include <cmath>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/runtime/model/tiny_hf_model.h"

namespace quantd {
namespace {

using testing::AllOf;
using testing::HasSubstr;

absl::StatusOr<ModelConfig> Read(const TinyHfModel& tiny) {
  const auto config = HfConfig::Parse(tiny.ConfigText(), std::nullopt, "tiny");
  return config.ok() ? ReadHfHyperParameters(**config) : config.status();
}

/// What is read with one key set; "" removes it.
absl::StatusOr<ModelConfig> ReadWith(const std::string& key, const std::string& json) {
  TinyHfModel tiny;
  tiny.keys[key] = json;
  if (json.empty()) tiny.keys.erase(key);
  return Read(tiny);
}

void ExpectError(const std::string& key, const std::string& json, const std::string& what,
                 absl::StatusCode code = absl::StatusCode::kDataLoss) {
  const auto config = ReadWith(key, json);
  EXPECT_EQ(config.status().code(), code) << key << " " << json << ": " << config.status();
  EXPECT_THAT(std::string(config.status().message()),
              AllOf(HasSubstr("tiny/config.json: "), HasSubstr(what)));
}

TEST(HfHyperParametersTest, ReadsASmallModel) {
  const auto config = Read(TinyHfModel());
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->architecture, "llama");
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
  EXPECT_FALSE(config->rope_adjacent);
  EXPECT_EQ(config->rope_scaling, RopeScaling::kNone);
}

TEST(HfHyperParametersTest, OptionalKeys) {
  EXPECT_EQ(ReadWith("num_key_value_heads", "")->kv_heads, 3);
  EXPECT_EQ(ReadWith("num_key_value_heads", "null")->kv_heads, 3);
  EXPECT_EQ(ReadWith("head_dim", "8")->q_dim(), 24);
  EXPECT_EQ(ReadWith("rope_theta", "5e5")->rope_base, 500000.0f);
  EXPECT_EQ(ReadWith("sliding_window", "16")->context, 64);
  EXPECT_EQ(ReadWith("sliding_window", "16")->window_of(1), 16);
  EXPECT_EQ(ReadWith("sliding_window", "null")->window_of(1), 0);
  EXPECT_EQ(ReadWith("partial_rotary_factor", "0.5")->rope_dim, 2);
  EXPECT_EQ(ReadWith("_name_or_path", "\"a/b\"")->name, "a/b");
  EXPECT_EQ(ReadWith("rms_norm_eps", "")->rms_eps, 1e-6f);
}

TEST(HfHyperParametersTest, WindowsFollowOnePeriod) {
  TinyHfModel tiny;
  tiny.keys["sliding_window"] = "16";
  tiny.keys["layer_types"] = R"(["sliding_attention", "full_attention"])";
  const auto config = Read(tiny);
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->window_of(0), 16);
  EXPECT_EQ(config->window_of(1), 0);

  tiny.keys["layer_types"] = R"(["full_attention", "sliding_attention"])";
  EXPECT_TRUE(absl::IsUnimplemented(Read(tiny).status())) << Read(tiny).status();
  tiny.keys["layer_types"] = R"(["full_attention", "chunked_attention"])";
  EXPECT_TRUE(absl::IsUnimplemented(Read(tiny).status())) << Read(tiny).status();
  tiny.keys["layer_types"] = R"(["full_attention"])";
  EXPECT_TRUE(absl::IsDataLoss(Read(tiny).status())) << Read(tiny).status();
  tiny.keys["use_sliding_window"] = "false";
  EXPECT_EQ(Read(tiny)->window_of(0), 0);
}

TEST(HfHyperParametersTest, WhatGemmasHave) {
  TinyHfModel tiny;
  tiny.keys["model_type"] = "\"gemma3_text\"";
  tiny.keys["hidden_act"] = "null";
  tiny.keys["hidden_activation"] = "\"gelu_pytorch_tanh\"";
  tiny.keys["sliding_window"] = "8";
  tiny.keys["query_pre_attn_scalar"] = "9";
  tiny.keys["final_logit_softcapping"] = "4.5";
  tiny.keys["rope_parameters"] = R"({"full_attention": {"rope_type": "linear", "factor": 8.0,
      "rope_theta": 1e6}, "sliding_attention": {"rope_type": "default", "rope_theta": 500}})";
  const auto config = Read(tiny);
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->attention_scale_dim, 9);
  EXPECT_EQ(config->logit_soft_cap, 4.5f);
  EXPECT_EQ(config->attention_soft_cap, 0);
  EXPECT_EQ(config->rope_base, 1e6f);
  EXPECT_EQ(config->rope_scaling, RopeScaling::kLinear);
  EXPECT_EQ(config->local_rope_base, 500);
  EXPECT_EQ(config->embedding_scale, std::sqrt(12.0f));
  EXPECT_EQ(config->activation, Activation::kGeluTanh);
  tiny.keys["hidden_activation"] = "\"silu\"";
  EXPECT_TRUE(absl::IsUnimplemented(Read(tiny).status())) << Read(tiny).status();
}

TEST(HfHyperParametersTest, RopeParametersOfTransformers5) {
  const auto plain = ReadWith("rope_parameters", R"({"rope_type": "default", "rope_theta": 2e4})");
  ASSERT_TRUE(plain.ok()) << plain.status();
  EXPECT_EQ(plain->rope_base, 20000.0f);
  EXPECT_EQ(plain->rope_scaling, RopeScaling::kNone);
  const auto linear = ReadWith("rope_parameters", R"({"rope_type": "linear", "factor": 8.0})");
  ASSERT_TRUE(linear.ok()) << linear.status();
  EXPECT_EQ(linear->rope_scaling, RopeScaling::kLinear);
  EXPECT_EQ(linear->rope_factor, 8.0f);
}

TEST(HfHyperParametersTest, ScalingByItsOlderKey) {
  const auto linear = ReadWith("rope_scaling", R"({"type": "linear", "factor": 4})");
  ASSERT_TRUE(linear.ok()) << linear.status();
  EXPECT_EQ(linear->rope_factor, 4.0f);
  EXPECT_EQ(ReadWith("rope_scaling", "null")->rope_scaling, RopeScaling::kNone);
}

TEST(HfHyperParametersTest, Yarn) {
  const auto yarn = ReadWith("rope_scaling", R"({"rope_type": "yarn", "factor": 4.0,
      "original_max_position_embeddings": 16, "beta_fast": 24})");
  ASSERT_TRUE(yarn.ok()) << yarn.status();
  EXPECT_EQ(yarn->rope_scaling, RopeScaling::kYarn);
  EXPECT_EQ(yarn->rope_original_context, 16);
  EXPECT_EQ(yarn->yarn_beta_fast, 24.0f);
  EXPECT_EQ(yarn->yarn_beta_slow, 1.0f);
  EXPECT_FLOAT_EQ(yarn->yarn_attn_factor, 1.0f);
  const auto stated =
      ReadWith("rope_scaling", R"({"rope_type": "yarn", "factor": 4.0, "attention_factor": 1.5})");
  EXPECT_FLOAT_EQ(stated->yarn_attn_factor * (1 + 0.1f * std::log(4.0f)), 1.5f);
  EXPECT_EQ(stated->rope_original_context, 64);
  const auto even = ReadWith("rope_scaling", R"({"rope_type": "yarn", "factor": 40.0,
      "mscale": 0.7, "mscale_all_dim": 0.7})");
  EXPECT_FLOAT_EQ(even->yarn_attn_factor * (1 + 0.1f * std::log(40.0f)), 1.0f);
}

// The numbers of Llama 3.1; pairs below are those whose wavelengths lie on either side of its
// bounds.
TEST(HfHyperParametersTest, Llama3SlowsSlowPairsDown) {
  TinyHfModel tiny;
  tiny.keys["head_dim"] = "128";
  tiny.keys["rope_theta"] = "500000.0";
  tiny.keys["rope_scaling"] = R"({"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0,
      "high_freq_factor": 4.0, "original_max_position_embeddings": 8192})";
  const auto config = Read(tiny);
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->rope_scaling, RopeScaling::kLlama3);
  ASSERT_EQ(config->rope_factors.size(), 64u);
  EXPECT_EQ(config->rope_factors[0], 1.0f);
  EXPECT_EQ(config->rope_factors[28], 1.0f);  // 1957 tokens a turn, 8192 / 4 at most
  EXPECT_EQ(config->rope_factors[35], 8.0f);  // 8216 tokens a turn, 8192 at least
  EXPECT_EQ(config->rope_factors[63], 8.0f);
  // 2948 tokens a turn: 2.778 turns, 0.593 of the way from 1 to 4.
  EXPECT_NEAR(config->rope_factors[30], 1 / (0.4072 / 8 + 0.5928), 1e-3);
}

TEST(HfHyperParametersTest, LongRopeHasTwoSetsOfFactors) {
  TinyHfModel tiny;
  tiny.keys["max_position_embeddings"] = "4096";
  tiny.keys["original_max_position_embeddings"] = "64";
  tiny.keys["rope_scaling"] =
      R"({"type": "su", "short_factor": [1, 1.5], "long_factor": [2.0, 4]})";
  auto config = Read(tiny);
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->context, 64);
  EXPECT_EQ(config->rope_factors, (std::vector<float>{1, 1.5}));
  EXPECT_NEAR(config->yarn_attn_factor, std::sqrt(2), 1e-6);  // 4096 is 64 squared
  ModelConfig shorter = *config, longer = *config, longest = *config;
  shorter.UseContext(40);
  EXPECT_EQ(shorter.context, 40);
  EXPECT_EQ(shorter.rope_factors, config->rope_factors);
  longer.UseContext(65);
  EXPECT_EQ(longer.context, 65);
  EXPECT_EQ(longer.rope_factors, (std::vector<float>{2, 4}));
  longest.UseContext(1 << 30);
  EXPECT_EQ(longest.context, 4096);
  for (const char* bad : {"[1]", "[1, 0]", "[1, \"x\"]", "2", "null"}) {
    tiny.keys["rope_scaling"] = absl::StrCat(
        R"({"rope_type": "longrope", "short_factor": [1, 1], "long_factor": )", bad, "}");
    EXPECT_THAT(std::string(Read(tiny).status().message()), HasSubstr("long_factor"));
  }
}

TEST(HfHyperParametersTest, Experts) {
  TinyHfModel mixtral;
  mixtral.keys["num_local_experts"] = "8";
  mixtral.keys["num_experts_per_tok"] = "2";
  const auto config = Read(mixtral);
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->experts, 8);
  EXPECT_EQ(config->experts_used, 2);
  EXPECT_EQ(config->expert_ff, config->ff);
  EXPECT_TRUE(config->normalize_experts);

  TinyHfModel qwen;
  qwen.keys["model_type"] = R"("qwen3_moe")";
  qwen.keys["num_experts"] = "128";
  qwen.keys["num_experts_per_tok"] = "8";
  qwen.keys["moe_intermediate_size"] = "7";
  EXPECT_EQ(Read(qwen)->experts, 128);
  EXPECT_EQ(Read(qwen)->expert_ff, 7);
  EXPECT_FALSE(Read(qwen)->normalize_experts);
  qwen.keys["norm_topk_prob"] = "true";
  EXPECT_TRUE(Read(qwen)->normalize_experts);

  // Which layers have them.
  const auto sparse = [&](const std::string& step, const std::string& dense) {
    TinyHfModel changed = qwen;
    changed.keys["decoder_sparse_step"] = step;
    changed.keys["mlp_only_layers"] = dense;
    const auto config = Read(changed);
    std::string layers;
    for (int32_t layer = 0; layer < 6; ++layer) layers += config->has_experts(layer) ? 'x' : '-';
    return layers;
  };
  EXPECT_EQ(sparse("1", "[]"), "xxxxxx");
  EXPECT_EQ(sparse("1", "[4, 0, 99]"), "-xxx-x");
  EXPECT_EQ(sparse("2", "[3, 0]"), "-x---x");
  EXPECT_EQ(sparse("7", "null"), "------");

  const auto refused = [&](const std::string& key, const std::string& value) {
    TinyHfModel changed = qwen;
    changed.keys[key] = value;
    if (value.empty()) changed.keys.erase(key);
    const absl::Status status = Read(changed).status();
    EXPECT_THAT(std::string(status.message()), HasSubstr(key)) << value;
    return status.code();
  };
  EXPECT_EQ(refused("num_experts", "4097"), absl::StatusCode::kDataLoss);
  EXPECT_EQ(refused("num_experts", "-1"), absl::StatusCode::kDataLoss);
  EXPECT_EQ(refused("num_experts_per_tok", ""), absl::StatusCode::kDataLoss);
  EXPECT_EQ(refused("num_experts_per_tok", "129"), absl::StatusCode::kDataLoss);
  EXPECT_EQ(refused("moe_intermediate_size", "0"), absl::StatusCode::kDataLoss);
  EXPECT_EQ(refused("norm_topk_prob", "1"), absl::StatusCode::kDataLoss);
  for (const char* value : {"0", "-1", "1.5"}) {
    EXPECT_EQ(refused("decoder_sparse_step", value), absl::StatusCode::kDataLoss);
  }
  for (const char* value : {"[-1]", "[0, \"1\"]", "3"}) {
    EXPECT_EQ(refused("mlp_only_layers", value), absl::StatusCode::kDataLoss);
  }
}

TEST(HfHyperParametersTest, RefusesOtherFamiliesAndKindsByName) {
  constexpr auto kUnimplemented = absl::StatusCode::kUnimplemented;
  ExpectError("model_type", "\"mamba\"", "\"mamba\" is not supported; supported are: llama",
              kUnimplemented);
  ExpectError("hidden_act", "\"gelu\"", "hidden_act \"gelu\" is not supported", kUnimplemented);
  ExpectError("rope_scaling", R"({"type": "dynamic", "factor": 2.0})",
              "rope_type \"dynamic\" is not supported; supported are: default, linear",
              kUnimplemented);
  ExpectError("rope_scaling", R"({"type": "yarn", "factor": 2.0, "truncate": false})",
              "truncate false is not supported", kUnimplemented);
}

TEST(HfHyperParametersTest, RefusesWhatIsMissingOrCannotBe) {
  for (const char* key : {"hidden_size", "num_hidden_layers", "intermediate_size", "vocab_size",
                          "max_position_embeddings", "num_attention_heads"}) {
    ExpectError(key, "", key);
    for (const char* value : {"0", "-1", "2147483648", "1.5", "1e309", "\"2\"", "[2]"}) {
      const auto config = ReadWith(key, value);
      EXPECT_EQ(config.status().code(), absl::StatusCode::kDataLoss) << key << " " << value;
    }
  }
  ExpectError("num_key_value_heads", "2", "does not divide the 3");
  ExpectError("num_key_value_heads", "6", "num_key_value_heads");
  ExpectError("num_attention_heads", "5", "does not divide the 12");
  ExpectError("head_dim", "1000000000", "head_dim");
  ExpectError("head_dim", "5", "must be even");
  ExpectError("partial_rotary_factor", "0", "must be even and at least 2");
  ExpectError("partial_rotary_factor", "1.5", "partial_rotary_factor");
  ExpectError("rms_norm_eps", "0", "rms_norm_eps");
  ExpectError("rope_theta", "1", "rope_theta");
  ExpectError("rope_scaling", "[]", "rope_scaling");
  ExpectError("rope_scaling", R"({"type": "linear"})", "rope_scaling.factor");
  ExpectError("rope_scaling", R"({"type": "linear", "factor": 0})", "rope_scaling.factor");
  ExpectError("rope_scaling", R"({"type": "llama3", "factor": 8, "low_freq_factor": 4,
                                  "high_freq_factor": 4})",
              "must be below high_freq_factor");
}

}  // namespace
}  // namespace quantd
