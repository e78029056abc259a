#include "runtime/formats/hf_config.h"

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/temporary_folder.h"

namespace quantd {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::StartsWith;

TEST(HfConfig, ReadsWhatAllModelsHave) {
  const auto config = HfConfig::Parse(
      R"({"model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_size": 64,
          "bos_token_id": 1, "eos_token_id": 2, "rope_theta": 10000.0})",
      R"({"do_sample": true, "temperature": 0.6, "top_p": 0.9, "top_k": 20, "min_p": 0.0,
          "repetition_penalty": 1.05, "max_new_tokens": 2048, "eos_token_id": [2, 32007]})",
      "dir");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ((*config)->path(), "dir/config.json");
  EXPECT_EQ((*config)->model_type(), "llama");
  EXPECT_EQ((*config)->architecture(), "LlamaForCausalLM");
  EXPECT_EQ(*(*config)->language_model().Int("hidden_size", 0, 1), 64);
  EXPECT_EQ((*config)->quantization().method, "");
  EXPECT_TRUE(std::holds_alternative<std::monostate>((*config)->quantization().scheme));
  const GenerationDefaults& generation = (*config)->generation();
  EXPECT_EQ(generation.bos_token, 1);
  EXPECT_THAT(generation.eos_tokens, ElementsAre(2, 32007));
  EXPECT_EQ(generation.do_sample, true);
  EXPECT_EQ(generation.temperature, 0.6);
  EXPECT_EQ(generation.top_p, 0.9);
  EXPECT_EQ(generation.top_k, 20);
  EXPECT_EQ(generation.min_p, 0.0);
  EXPECT_EQ(generation.repetition_penalty, 1.05);
  EXPECT_EQ(generation.max_new_tokens, 2048);
}

TEST(HfConfig, AbsentFieldsStayEmpty) {
  const auto config =
      HfConfig::Parse(R"({"model_type": "x", "eos_token_id": null})", std::nullopt, "dir");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ((*config)->architecture(), "");
  EXPECT_FALSE((*config)->generation().bos_token);
  EXPECT_THAT((*config)->generation().eos_tokens, IsEmpty());
  EXPECT_FALSE((*config)->generation().temperature);
}

TEST(HfConfig, FindsTheLanguageModelOfSeveralModalities) {
  const auto config = HfConfig::Parse(
      R"({"model_type": "gemma3", "eos_token_id": [1, 106], "vision_config": {"hidden_size": 1},
          "text_config": {"hidden_size": 32, "bos_token_id": 2, "eos_token_id": 7,
                          "quantization_config": {"quant_method": "fp8"}}})",
      std::nullopt, "dir");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(*(*config)->language_model().Int("hidden_size", 0, 1), 32);
  EXPECT_EQ((*config)->generation().bos_token, 2);
  EXPECT_THAT((*config)->generation().eos_tokens, ElementsAre(1, 106));
  EXPECT_EQ((*config)->quantization().method, "fp8");
}

TEST(HfConfig, ReadsTheOlderPlacesOfAQuantization) {
  const auto compressed = HfConfig::Parse(
      R"({"model_type": "x", "compression_config": {"format": "int-quantized", "config_groups":
          {"g": {"targets": ["Linear"], "weights": {}}}}})",
      std::nullopt, "dir");
  ASSERT_TRUE(compressed.ok()) << compressed.status();
  EXPECT_EQ((*compressed)->quantization().method, "compressed-tensors");

  const TemporaryFolder folder;
  folder.Write("config.json", R"({"model_type": "x"})");
  folder.Write("quantize_config.json", R"({"bits": 3, "group_size": 64, "desc_act": false})");
  const auto gptq = HfConfig::Open(*ModelDirectory::Open(folder.path()));
  ASSERT_TRUE(gptq.ok()) << gptq.status();
  EXPECT_EQ((*gptq)->quantization().method, "gptq");
  EXPECT_EQ(std::get<GptqConfig>((*gptq)->quantization().scheme).bits, 3);
}

TEST(HfConfig, OpensTheFilesOfAFolder) {
  const TemporaryFolder folder;
  const ModelDirectory directory = *ModelDirectory::Open(folder.path());
  const absl::Status missing = HfConfig::Open(directory).status();
  EXPECT_EQ(missing.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(missing.message(), folder.path() + ": holds no config.json; is it a model's folder?");
  folder.Write("config.json", R"({"model_type": "x"})");
  folder.Write("generation_config.json", R"({"top_k": 5})");
  const auto config = HfConfig::Open(directory);
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ((*config)->generation().top_k, 5);
  folder.Write("generation_config.json", R"({"top_k": -5})");
  EXPECT_THAT(std::string(HfConfig::Open(directory).status().message()),
              StartsWith(folder.Path("generation_config.json") + ": top_k: -5 is outside of"));
  const TemporaryFolder elsewhere;
  elsewhere.Write("c", "{}");
  std::filesystem::remove(folder.Path("config.json"));
  std::filesystem::create_symlink(elsewhere.Path("c"), folder.Path("config.json"));
  EXPECT_THAT(
      std::string(HfConfig::Open(directory).status().message()),
      StartsWith(folder.path() + ": config.json: \"config.json\" is a link that leads out"));
}

TEST(HfConfig, RefusesMalformedTextsNamingFileAndKey) {
  const std::string good = R"({"model_type": "x"})";
  const std::vector<std::pair<std::string, std::string>> configs = {
      {"", "top level: not valid JSON"},
      {"[]", "top level: expected an object, found an array"},
      {"{}", "model_type: the key is missing"},
      {R"({"model_type": 7})", "model_type: expected a string, found an integer"},
      {R"({"model_type": "x", "model_type": "y"})", "model_type: the key occurs twice"},
      {R"({"model_type": "x", "architectures": "y"})", "architectures: expected an array"},
      {R"({"model_type": "x", "architectures": [{}]})", "architectures[0]: expected a string"},
      {R"({"model_type": "x", "text_config": 1})", "text_config: expected an object"},
      {R"({"model_type": "x", "eos_token_id": -1})", "eos_token_id: -1 is outside of"},
      {R"({"model_type": "x", "eos_token_id": [1, 4294967296]})", "eos_token_id[1]: 4294967296 is"},
      {R"({"model_type": "x", "bos_token_id": 1.5})", "bos_token_id: expected an integer"},
      {R"({"model_type": "x", "rope_theta": 1e309})", "rope_theta: a number beyond the range"},
      {R"({"model_type": "x", "quantization_config": []})",
       "quantization_config: expected an object"},
      {R"({"model_type": "x", "quantization_config": {"quant_method": "gptq", "bits": -4}})",
       "quantization_config.bits: -4 is outside of"},
      {R"({"model_type": "x", "deep": )" + std::string(100'000, '['), "deep"},
  };
  for (const auto& [text, message] : configs) {
    const absl::Status status = HfConfig::Parse(text, std::nullopt, "dir").status();
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << text.substr(0, 100);
    EXPECT_THAT(std::string(status.message()), StartsWith("dir/config.json: " + message));
  }
  const std::vector<std::pair<std::string, std::string>> generations = {
      {"7", "top level: expected an object, found an integer"},
      {R"({"temperature": -0.5})", "temperature: -0.5 is outside of [0, 1e+06]"},
      {R"({"top_p": 1.5})", "top_p: 1.5 is outside of [0, 1]"},
      {R"({"top_k": 1e2})", "top_k: expected an integer, found a float"},
      {R"({"do_sample": 1})", "do_sample: expected a bool"},
      {R"({"max_new_tokens": 2147483648})", "max_new_tokens: 2147483648 is outside of"},
      {R"({"eos_token_id": "</s>"})", "eos_token_id: expected an integer, found a string"},
  };
  for (const auto& [text, message] : generations) {
    const absl::Status status = HfConfig::Parse(good, text, "dir").status();
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << text;
    EXPECT_THAT(std::string(status.message()),
                StartsWith("dir/generation_config.json: " + message));
  }
}

}  // namespace
}  // namespace quantd
