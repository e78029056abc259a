#include "gmock/gmock.h"
#include "tests/runtime/tokenizer/vocab_builder.h"
#include "tests/server/cli/cli_runner.h"
#include "tests/support/temporary_folder.h"

namespace quantd {
namespace {

using nlohmann::json;
using testing::HasSubstr;

TEST(Inspect, JsonDescribesTheDemoModel) {
  const json report = RunQuantd({"inspect", DemoModel("Q8_0"), "--json"}).Json();
  EXPECT_EQ(report["version"], 3);
  EXPECT_EQ(report["file_bytes"], 6189312);
  EXPECT_EQ(report["metadata"]["llama.block_count"], 6);
  EXPECT_EQ(report["metadata"]["tokenizer.ggml.tokens"]["count"], 2048);
  EXPECT_LT(report["metadata"]["tokenizer.ggml.tokens"]["first"].size(), 10u);
  EXPECT_EQ(report["config"]["dim"], 256);
  EXPECT_EQ(report["config"]["kv_heads"], 4);
  EXPECT_EQ(report["config"]["context"], 256);
  EXPECT_EQ(report["tokenizer"]["vocab"], 2048);
  EXPECT_EQ(report["tokenizer"]["eos"], 2);
  // 6 layers, K and V, 4 heads of 32 elements of 2 bytes.
  EXPECT_EQ(report["memory"]["kv_bytes_per_token_f16"], 6 * 2 * 4 * 32 * 2);
  EXPECT_EQ(report["errors"], json::array());
}

TEST(Inspect, TotalsAreTheSumOfTheTensors) {
  const json report = RunQuantd({"inspect", DemoModel("Q4_0"), "--json"}).Json();
  std::map<std::string, uint64_t> bytes;
  for (const json& tensor : report["tensors"]) {
    bytes[tensor["format"]] += tensor["bytes"].get<uint64_t>();
  }
  uint64_t sum = 0;
  for (const json& total : report["formats"]) {
    EXPECT_EQ(total["bytes"], bytes[total["format"]]) << total.dump();
    sum += total["bytes"].get<uint64_t>();
  }
  EXPECT_EQ(bytes.size(), report["formats"].size());
  EXPECT_EQ(report["memory"]["weight_bytes"], sum);
}

TEST(Inspect, EveryMatrixHasItsKernels) {
  const json report = RunQuantd({"inspect", DemoModel("Q4_0"), "--json"}).Json();
  EXPECT_EQ(report["weights"].size(), 6u * 7 + 2);  // of each layer, embedding and output
  for (const json& weight : report["weights"]) {
    EXPECT_THAT(weight["decode_kernel"].get<std::string>(), HasSubstr("gemm_")) << weight.dump();
    EXPECT_THAT(weight["batch_kernel"].get<std::string>(), HasSubstr("gemm_")) << weight.dump();
  }
}

TEST(Inspect, TextHasItsSections) {
  const CliResult brief = RunQuantd({"inspect", DemoModel("f16")});
  ASSERT_EQ(brief.code, 0) << brief.err;
  for (const char* text : {"GGUF v3", "Metadata", "general.name", "Tokenizer", "Model", "Memory",
                           "Formats", "F16", "Kernels on this machine"}) {
    EXPECT_THAT(brief.out, HasSubstr(text));
  }
  EXPECT_THAT(brief.out, testing::Not(HasSubstr("blk.5.ffn_down.weight")));
  const CliResult full = RunQuantd({"inspect", DemoModel("f16"), "--tensors"});
  EXPECT_THAT(full.out, testing::ContainsRegex("blk.5.ffn_down.weight +768 x 256 +F16 +393216"));
}

TEST(Inspect, AFolderShowsItsQuantization) {
  const std::string model = SourcePath("tests/golden/hf-models/gptq-4-v2-act-order");
  const CliResult text = RunQuantd({"inspect", model, "--tensors"});
  ASSERT_EQ(text.code, 0) << text.err;
  for (const char* part : {"safetensors", "Quantization   gptq", "GPTQ (INT4-g32)", "F16",
                           "blk.1.ffn_down.weight", "Kernels on this machine"}) {
    EXPECT_THAT(text.out, HasSubstr(part));
  }
  const json report = RunQuantd({"inspect", model, "--json"}).Json();
  EXPECT_EQ(report["container"], "safetensors");
  EXPECT_EQ(report["metadata"]["quant_method"], "gptq");
  EXPECT_EQ(report["config"]["dim"], 64);
  EXPECT_EQ(report["weights"].size(), 2u * 7 + 2);
  EXPECT_EQ(report["errors"], json::array());
}

TEST(Inspect, AFolderOfAnotherFamilySaysSo) {
  const TemporaryFolder folder;
  const std::string model = SourcePath("tests/golden/hf-models/float-f16-yarn/");
  folder.Write("model.safetensors", ReadFileOrDie(model + "model.safetensors"));
  json config = json::parse(ReadFileOrDie(model + "config.json"));
  config["model_type"] = "mamba";
  folder.Write("config.json", config.dump());
  const CliResult text = RunQuantd({"inspect", folder.path()});
  EXPECT_EQ(text.code, 0) << text.err;
  EXPECT_THAT(text.out, HasSubstr("\"mamba\" is not supported"));
  EXPECT_THAT(text.out, HasSubstr("F16"));
}

TEST(Inspect, AVocabularyWithoutWeightsIsFine) {
  QUANTD_NEED_TEST_DATA(vocabulary, "vocab/vocab-llama-spm.gguf");
  const CliResult text = RunQuantd({"inspect", vocabulary});
  EXPECT_EQ(text.code, 0) << text.err;
  EXPECT_THAT(text.out, HasSubstr("32000 tokens"));
  EXPECT_THAT(text.out, HasSubstr("a vocabulary only"));
  const json report = RunQuantd({"inspect", vocabulary, "--json"}).Json();
  EXPECT_EQ(report["vocabulary_only"], true);
  EXPECT_EQ(report["errors"], json::array());
  EXPECT_EQ(report["tensors"], json::array());
}

TEST(Inspect, WhatCannotBeServedIsSaidAndTheRestIsShown) {
  VocabBuilder vocab = LlamaVocab({});
  vocab.model = "rwkv";
  const TemporaryFolder folder;
  const CliResult text = RunQuantd({"inspect", folder.Write("rwkv.gguf", vocab.Bytes())});
  EXPECT_EQ(text.code, 0) << text.err;
  EXPECT_THAT(text.out, HasSubstr("Tokenizer: cannot be used"));
  EXPECT_THAT(text.out, HasSubstr("tokenizer.ggml.scores"));
}

}  // namespace
}  // namespace quantd
