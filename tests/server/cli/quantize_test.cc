#include <fstream>

#include "gmock/gmock.h"
#include "tests/server/cli/cli_runner.h"
#include "tests/support/temporary_folder.h"

namespace quantd {
namespace {

using nlohmann::json;
using testing::HasSubstr;

const char kText[] =
    "BRUTUS:\nI do believe that these applauses are\nFor some new honours that are heap'd on "
    "Caesar.\n\nCASSIUS:\nWhy, man, he doth bestride the narrow world\nLike a Colossus, and we "
    "petty men\nWalk under his huge legs and peep about\nTo find ourselves dishonourable graves.\n";

class QuantizeTest : public testing::Test {
 protected:
  void SetUp() override { std::ofstream(text_, std::ios::binary) << kText; }
  void TearDown() override {
    unlink(text_.c_str());
    unlink(output_.c_str());
  }
  CliResult Run(std::vector<std::string> more) {
    std::vector<std::string> args = {"quantize", DemoModel("f16"), "-o", output_};
    args.insert(args.end(), more.begin(), more.end());
    return RunQuantd(args);
  }

  const std::string text_ = TempPath("calibration.txt"), output_ = TempPath("quantized.gguf");
};

TEST_F(QuantizeTest, WritesAModelAndTellsItsErrors) {
  const CliResult result = Run({"--type", "q4_k_m", "--imatrix-text", text_, "--eval-text", text_,
                                "--chunk", "32", "--json"});
  ASSERT_EQ(result.code, 0) << result.err;
  const json report = result.Json();
  EXPECT_EQ(report["type"], "Q4_K_M");
  EXPECT_NEAR(report["bits_per_weight"].get<double>(), 4.9, 0.1);
  EXPECT_GT(report["from_bytes"].get<int>(), 3 * report["to_bytes"].get<int>());
  EXPECT_NEAR(report["relative_error"].get<double>(), 0.06, 0.03);
  EXPECT_GT(report["perplexity"].get<double>(), 1);
  EXPECT_GT(report["against"]["kl_mean"].get<double>(), 0);
  EXPECT_LT(report["against"]["kl_mean"].get<double>(), 0.02);
  int quantized = 0;
  for (const json& tensor : report["tensors"]) {
    if (!tensor.contains("relative_error")) continue;
    ++quantized;
    EXPECT_EQ(tensor["from"], "F16");
    EXPECT_GT(tensor["max_error"].get<double>(), 0);
  }
  EXPECT_EQ(quantized, 2 + 6 * 7);
  const json inspected = RunQuantd({"inspect", output_, "--json"}).Json();
  EXPECT_EQ(inspected["errors"], json::array());
  const CliResult run = RunQuantd({"run", output_, "-p", "A", "-n", "3", "--ignore-eos", "--json"});
  EXPECT_EQ(run.Json()["ids"].size(), 3u);
}

TEST_F(QuantizeTest, TheOutputIsFineUnlessPure) {
  const auto output_type = [&](const json& report) {
    for (const json& tensor : report["tensors"]) {
      if (tensor["name"] == "output.weight") return tensor["to"].get<std::string>();
    }
    return std::string();
  };
  EXPECT_EQ(output_type(Run({"--type", "Q4_0", "--json"}).Json()), "Q6_K");
  EXPECT_EQ(output_type(Run({"--type", "Q4_0", "--pure", "--overwrite", "--json"}).Json()), "Q4_0");
}

TEST_F(QuantizeTest, PrintsATableForPeople) {
  const CliResult result = Run({"--type", "Q8_0", "--eval-text", text_, "--chunk", "32"});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, testing::ContainsRegex("blk.0.attn_q.weight +F16 +Q8_0 +0\\.[0-9]+ %"));
  EXPECT_THAT(result.out, testing::ContainsRegex("8\\.5[0-9] bits per weight"));
  EXPECT_THAT(result.out, HasSubstr("KL divergence 0.00"));
}

TEST_F(QuantizeTest, ReplacesAFileOnlyWhenTold) {
  std::ofstream(output_) << "precious";
  const CliResult kept = Run({"--type", "Q8_0"});
  EXPECT_EQ(kept.code, 2);
  EXPECT_THAT(kept.err, HasSubstr("exists; --overwrite replaces it"));
  EXPECT_EQ(ReadFileOrDie(output_), "precious");
  EXPECT_EQ(Run({"--type", "Q8_0", "--overwrite"}).code, 0);
  const CliResult same =
      RunQuantd({"quantize", output_, "-o", output_, "--type", "Q4_0", "--overwrite"});
  EXPECT_EQ(same.code, 2);
  EXPECT_THAT(same.err, HasSubstr("is the model itself"));
}

/// A folder, its tokenizer of single letters, with everything the command does with texts.
TEST_F(QuantizeTest, TakesAFolder) {
  const TemporaryFolder folder;
  const std::string golden = SourcePath("tests/golden/families/qwen2/");
  for (const char* file : {"config.json", "model.safetensors"}) {
    folder.Write(file, ReadFileOrDie(golden + file));
  }
  json tokenizer = {
      {"model", {{"type", "BPE"}, {"vocab", json::object()}, {"merges", json::array()}}},
      {"normalizer", {{"type", "NFC"}}},
      {"pre_tokenizer", {{"type", "ByteLevel"}, {"add_prefix_space", false}}},
      {"decoder", {{"type", "ByteLevel"}}}};
  json& vocab = tokenizer["model"]["vocab"];
  for (const std::string text : {"\u0120", "\u010A", ":", ",", ".", "'"})
    vocab[text] = vocab.size();
  for (char c = 'A'; c <= 'Z'; ++c) {
    for (const char letter : {c, static_cast<char>(c - 'A' + 'a')}) {
      vocab[std::string(1, letter)] = vocab.size();
    }
  }
  folder.Write("tokenizer.json", tokenizer.dump());

  const CliResult result =
      RunQuantd({"quantize", folder.path(), "-o", output_, "--type", "Q8_0", "--imatrix-text",
                 text_, "--eval-text", text_, "--chunk", "32", "--json"});
  ASSERT_EQ(result.code, 0) << result.err;
  const json report = result.Json();
  ASSERT_EQ(report["notes"].size(), 1u);
  EXPECT_THAT(report["notes"][0].get<std::string>(), HasSubstr("NFC has no key in GGUF"));
  EXPECT_GT(report["perplexity"].get<double>(), 1);
  EXPECT_LT(report["against"]["kl_mean"].get<double>(), 0.05);
  EXPECT_EQ(report["tensors"][0]["name"], "token_embd.weight");
  EXPECT_EQ(report["tensors"][0]["from"], "BF16");
  EXPECT_EQ(report["tensors"][0]["to"], "Q8_0");
  EXPECT_EQ(RunQuantd({"inspect", output_, "--json"}).Json()["errors"], json::array());
  const CliResult run = RunQuantd({"run", output_, "-p", "A", "-n", "3", "--ignore-eos", "--json"});
  EXPECT_EQ(run.Json()["ids"].size(), 3u) << run.err;
  const CliResult people =
      RunQuantd({"quantize", folder.path(), "-o", output_, "--type", "BF16", "--overwrite"});
  EXPECT_THAT(people.out, HasSubstr("note: " + folder.path() + "/tokenizer.json: normalizer: NFC"));
}

TEST_F(QuantizeTest, SaysWhatIsWrong) {
  const CliResult type = Run({"--type", "Q9"});
  EXPECT_EQ(type.code, 2);
  EXPECT_THAT(type.err, HasSubstr("\"Q9\" is unknown; known are F32, F16"));
  const CliResult text = Run({"--type", "Q8_0", "--imatrix-text", "/nonexistent"});
  EXPECT_EQ(text.code, 1);
  EXPECT_THAT(text.err, HasSubstr("/nonexistent"));
  const CliResult shorter = Run({"--type", "Q8_0", "--imatrix-text", text_});
  EXPECT_EQ(shorter.code, 2);
  EXPECT_THAT(shorter.err, HasSubstr("fewer than a chunk of 256"));
  const CliResult source =
      RunQuantd({"quantize", DemoModel("Q8_0"), "-o", output_, "--type", "Q4_0"});
  EXPECT_EQ(source.code, 2);
  EXPECT_THAT(source.err, HasSubstr("is Q8_0 already"));
  EXPECT_EQ(
      RunQuantd({"quantize", DemoModel("Q8_0"), "-o", output_, "--type", "Q4_0", "--requantize"})
          .code,
      0);
}

/// The folder of a small model: the family's, or the one that was trained.
class QuantizeFolderCommandTest : public testing::Test {
 protected:
  CliResult Run(std::vector<std::string> more, const std::string& source = "families/llama") {
    std::vector<std::string> args = {"quantize", SourcePath("tests/golden/" + source), "-o",
                                     output_};
    args.insert(args.end(), more.begin(), more.end());
    return RunQuantd(args);
  }

  TemporaryFolder folder_;
  const std::string output_ = folder_.Path("quantized");
};

TEST_F(QuantizeFolderCommandTest, WritesAFolderAndTellsItsErrors) {
  const CliResult result = Run({"--type", "nf4", "--json"}, "hf-models/float-bf16-sharded");
  ASSERT_EQ(result.code, 0) << result.err;
  const json report = result.Json();
  EXPECT_EQ(report["type"], "NF4");
  EXPECT_NEAR(report["relative_error"].get<double>(), 0.09, 0.03);
  EXPECT_LT(report["to_bytes"].get<int>(), report["from_bytes"].get<int>());
  const json inspected = RunQuantd({"inspect", output_, "--json"}).Json();
  EXPECT_EQ(inspected["errors"], json::array());
  const CliResult run =
      RunQuantd({"run", output_, "--token-ids", "7,12", "-n", "3", "--ignore-eos", "--json"});
  EXPECT_EQ(run.Json()["ids"].size(), 3u);
  const CliResult kept = Run({"--type", "NF4"}, "hf-models/float-bf16-sharded");
  EXPECT_EQ(kept.code, 2);
  EXPECT_THAT(kept.err, HasSubstr("exists; --overwrite replaces it"));
}

TEST_F(QuantizeFolderCommandTest, WritesAFolderOfAGgufFile) {
  const CliResult result =
      RunQuantd({"quantize", DemoModel("f16"), "-o", output_, "--type", "W8A8", "--json"});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_LT(result.Json()["relative_error"].get<double>(), 0.01);
  const auto ids = [](const std::string& model) {
    return RunQuantd({"run", model, "-p", "ROMEO:", "-n", "5", "--greedy", "--json"}).Json()["ids"];
  };
  EXPECT_EQ(ids(output_), ids(DemoModel("f16")));
  const CliResult again = RunQuantd({"quantize", DemoModel("Q8_0"), "-o", output_, "--type", "NF4",
                                     "--requantize", "--overwrite"});
  EXPECT_EQ(again.code, 0) << again.err;
}

TEST_F(QuantizeFolderCommandTest, PrintsATableForPeople) {
  const CliResult result = Run({"--type", "W4A16", "--group-size", "16"});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out,
              testing::ContainsRegex("model.layers.0.mlp.up_proj.weight +BF16 +W4A16 +[0-9.]+ %"));
  EXPECT_THAT(result.out, HasSubstr(" of W4A16, "));
}

TEST_F(QuantizeFolderCommandTest, SaysWhatIsWrong) {
  const auto wrong = [&](std::vector<std::string> more) {
    const CliResult result = Run(std::move(more));
    EXPECT_EQ(result.code, 2);
    return result.err;
  };
  EXPECT_THAT(wrong({"--type", "GPTQ"}),
              HasSubstr("imatrix-text: GPTQ needs a text to calibrate with"));
  EXPECT_THAT(wrong({"--type", "NF4", "--imatrix-text", "x"}), HasSubstr("NF4 is not calibrated"));
  EXPECT_THAT(wrong({"--type", "NF4", "--pure"}), HasSubstr("leaves the output in the type"));
  EXPECT_THAT(wrong({"--type", "W8A8", "--group-size", "32"}), HasSubstr("W8A8 has none"));
  EXPECT_THAT(wrong({"--type", "W4A16", "--group-size", "31"}), HasSubstr("multiples of 16"));
  EXPECT_THAT(wrong({"--type", "W4A16"}), HasSubstr("group-size 128 does not divide"));
  EXPECT_THAT(wrong({"--type", "Q4_0", "--bits", "3"}), HasSubstr("Q4_0 has no choice of them"));
  EXPECT_THAT(wrong({"--type", "Q9"}), HasSubstr("as folders of Hugging Face: NF4, W8A8"));
  EXPECT_THAT(wrong({"--type", "W8A8", "--requantize"}),
              HasSubstr("from a folder in F32, F16 or BF16 only, or from a GGUF file"));
  const CliResult gguf = RunQuantd({"quantize", DemoModel("Q8_0"), "-o", output_, "--type", "NF4"});
  EXPECT_EQ(gguf.code, 2);
  EXPECT_THAT(gguf.err, HasSubstr("is Q8_0 already"));
  EXPECT_EQ(folder_.FileCount(), 0u);
}

}  // namespace
}  // namespace quantd
