// GGUF files seen as folders of Hugging Face, against the folders that they were made of.
#include "runtime/convert/gguf_folder_source.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "runtime/convert/quantize_folder.h"
#include "runtime/convert/quantize_model.h"
#include "runtime/formats/hf_config.h"
#include "runtime/formats/hf_packers.h"
#include "runtime/model/hf_hyper_parameters.h"
#include "runtime/tokenizer/tokenizer.h"
#include "tests/runtime/model/model_fixture.h"
#include "tests/runtime/model/tiny_model.h"
#include "tests/support/temporary_folder.h"

namespace quantd {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;

constexpr char kFamilies[] = "tests/golden/families/", kHfModels[] = "tests/golden/hf-models/";
// Layers without experts have no form in GGUF.
constexpr char kNoGguf[] = "qwen3moe-dense";

/// The error of the logits after `tokens`, relative to those of the reference, by root mean square.
double LogitsError(Model& model, Model& reference, const std::vector<int32_t>& tokens) {
  Sequences sequences(model, KvType::kF32, 8), others(reference, KvType::kF32, 8);
  const std::vector<float> logits = sequences.Step({{0, tokens}})[0];
  const std::vector<float> wanted = others.Step({{0, tokens}})[0];
  double squares = 0, sum = 0;
  for (size_t i = 0; i < wanted.size(); ++i) {
    squares += std::pow(double{logits[i]} - wanted[i], 2);
    sum += std::pow(wanted[i], 2);
  }
  return std::sqrt(squares / sum);
}

class GgufFolderSourceTest : public testing::Test {
 protected:
  static std::vector<std::string> Families() {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(SourcePath(kFamilies))) {
      const std::string name = entry.path().filename();
      if (entry.is_directory() && name != kNoGguf) names.push_back(name);
    }
    return names;
  }

  std::unique_ptr<FolderSource> Open(const std::string& path, bool requantize = false) {
    auto source = FolderSource::Open(path, requantize);
    EXPECT_TRUE(source.ok()) << source.status();
    return source.ok() ? *std::move(source) : nullptr;
  }

  /// A folder as a GGUF file of a float type.
  std::string ToGguf(const std::string& folder, const char* type) {
    const auto checkpoint = Checkpoint::Open(folder);
    EXPECT_TRUE(checkpoint.ok()) << checkpoint.status();
    const std::string path = folder_.Path("model.gguf");
    const auto written =
        QuantizeModel(**checkpoint, *FormatMix::Find(type), path, pool_, QuantizeModelOptions());
    EXPECT_TRUE(written.ok()) << written.status();
    return path;
  }

  /// All values of a tensor, as bytes of F32.
  std::vector<uint8_t> Values(const FolderSource& source, const FolderTensor& tensor) {
    if (tensor.shape.size() == 1) {
      const auto values = source.ReadFloats(tensor);
      EXPECT_TRUE(values.ok()) << values.status();
      return hf::FloatBytes(*values, Dtype::kF32);
    }
    FolderModule module;  // of which this is all that is needed
    module.name = tensor.name.substr(0, tensor.name.rfind('.'));
    module.n = tensor.shape[0];
    module.k = tensor.shape[1];
    module.weight = &tensor;
    const auto values = source.ReadWeights(module, pool_);
    EXPECT_TRUE(values.ok()) << values.status();
    return hf::FloatBytes(*values, Dtype::kF32);
  }

  ModelConfig Config(const FolderSource& source) {
    const auto text = source.ReadConfig();
    EXPECT_TRUE(text.ok()) << text.status();
    const auto config = HfConfig::Parse(*text, std::nullopt, "made");
    EXPECT_TRUE(config.ok()) << config.status();
    auto read = ReadHfHyperParameters(**config);
    EXPECT_TRUE(read.ok()) << read.status();
    read->tied_output = source.Find("lm_head.weight") == nullptr;
    read->name.clear();
    // What is not said means this.
    if (read->attention_scale_dim == 0) {
      read->attention_scale_dim = static_cast<float>(read->head_dim);
    }
    return *std::move(read);
  }

  std::string Quantized(const std::string& source, const char* scheme, bool requantize = false) {
    QuantizeFolderOptions options;
    options.overwrite = true;
    options.requantize = requantize;
    options.settings.group = FindFolderScheme(scheme)->grouped ? -1 : options.settings.group;
    options.note = [this](const std::string& note) { notes_.push_back(note); };
    const auto tensors = QuantizeFolder(source, *FindFolderScheme(scheme), output_, pool_, options);
    EXPECT_TRUE(tensors.ok()) << tensors.status();
    return ReadFileOrDie(output_ + "/model.safetensors");
  }

  TemporaryFolder folder_;
  const std::string output_ = folder_.Path("out");
  ThreadPool pool_{2};
  std::vector<std::string> notes_;
};

/// Files of other programs, in F32 all of them.
TEST_F(GgufFolderSourceTest, GivesTheFolderOfEveryFamilyBack) {
  for (const std::string& name : Families()) {
    SCOPED_TRACE(name);
    const auto folder = Open(SourcePath(kFamilies + name));
    const auto gguf = Open(SourcePath(kFamilies + name + ".gguf"));
    ASSERT_TRUE(folder && gguf);
    EXPECT_EQ(gguf->tensors().size(), folder->tensors().size());
    EXPECT_EQ(Config(*gguf), Config(*folder));
    EXPECT_EQ(gguf->skipped(), folder->skipped());
    ASSERT_EQ(gguf->modules().size(), folder->modules().size());
    for (const FolderTensor& tensor : folder->tensors()) {
      const FolderTensor* const found = gguf->Find(tensor.name);
      ASSERT_NE(found, nullptr) << tensor.name;
      EXPECT_EQ(found->shape, tensor.shape) << tensor.name;
      EXPECT_EQ(found->dtype, Dtype::kF32);
      const std::vector<uint8_t> wanted = Values(*folder, tensor);
      EXPECT_TRUE(Values(*gguf, *found) == wanted) << tensor.name;
      std::vector<uint8_t> buffer;
      QuantizedTensor result;
      const auto bytes = gguf->ReadBytes(*found, &buffer, &result);
      ASSERT_TRUE(bytes.ok()) << bytes.status();
      EXPECT_TRUE(std::equal(bytes->begin(), bytes->end(), wanted.begin(), wanted.end()))
          << tensor.name;
      EXPECT_EQ(result.max_error, 0) << tensor.name;
    }
  }
}

/// In the type of the folder: what GGUF widened gets it again, so that nothing tells the outputs
/// apart.
TEST_F(GgufFolderSourceTest, IsQuantizedToTheSameBytes) {
  for (const std::string& name : Families()) {
    SCOPED_TRACE(name);
    const std::string folder = SourcePath(kFamilies + name);
    const std::string path = ToGguf(folder, "BF16");
    EXPECT_EQ(Config(*Open(path)), Config(*Open(folder)));
    for (const char* scheme : {"W8A8", "W4A16"}) {
      const std::string wanted = Quantized(folder, scheme);
      EXPECT_TRUE(Quantized(path, scheme) == wanted) << scheme;
      const json config = json::parse(ReadFileOrDie(output_ + "/config.json"));
      EXPECT_EQ(config["torch_dtype"], "bfloat16");
      EXPECT_TRUE(config.contains("quantization_config"));
    }
  }
}

TEST_F(GgufFolderSourceTest, OtherScalingsAndTypesToo) {
  for (const char* name : {"float-bf16-sharded", "float-f16-tied-llama3", "float-f16-yarn"}) {
    SCOPED_TRACE(name);
    const std::string folder = SourcePath(kHfModels + std::string(name));
    const bool half = std::string(name) != "float-bf16-sharded";
    const std::string path = ToGguf(folder, half ? "F16" : "BF16");
    EXPECT_EQ(Config(*Open(path)), Config(*Open(folder)));
    const std::string wanted = Quantized(folder, "NF4");
    const json before = json::parse(ReadFileOrDie(output_ + "/config.json"));
    EXPECT_TRUE(Quantized(path, "NF4") == wanted);
    const json after = json::parse(ReadFileOrDie(output_ + "/config.json"));
    EXPECT_EQ(after["quantization_config"], before["quantization_config"]);
    EXPECT_EQ(after["eos_token_id"], before["eos_token_id"]);
  }
}

TEST_F(GgufFolderSourceTest, TheDemoModelKeepsItsTokenizer) {
  const std::string demo = SourcePath("config/models/shakespeare-6m-f16.gguf");
  const auto source = Open(demo);
  // Its norms are in F32, and not exact in F16; libraries expect one type.
  const FolderTensor& norm = *source->Find("model.norm.weight");
  EXPECT_EQ(norm.dtype, Dtype::kF16);
  std::vector<uint8_t> buffer;
  QuantizedTensor result;
  ASSERT_TRUE(source->ReadBytes(norm, &buffer, &result).ok());
  EXPECT_GT(result.RelativeError(), 0);
  EXPECT_LT(result.RelativeError(), 1e-3);
  Quantized(demo, "W8A8");
  EXPECT_TRUE(notes_.empty());
  const auto before = Tokenizer::Open(demo), after = Tokenizer::Open(output_);
  ASSERT_TRUE(before.ok() && after.ok()) << after.status();
  const std::string text = "ROMEO:\n  But, soft! what light \xE2\x80\x94 na\xC3\xAFve";
  EXPECT_EQ((*after)->Encode(text, {}), (*before)->Encode(text, {}));
  EXPECT_EQ((*after)->end_ids(), (*before)->end_ids());
  const LoadedModel model = LoadModelOrDie(output_), reference = LoadModelOrDie(demo);
  const std::vector<int32_t> tokens = (*before)->Encode(text, {});
  EXPECT_LT(LogitsError(*model.model, *reference.model, tokens), 0.02);
}

TEST_F(GgufFolderSourceTest, QuantizedWeightsMustBeAskedFor) {
  const std::string demo = SourcePath("config/models/shakespeare-6m-Q8_0.gguf");
  const auto refused = FolderSource::Open(demo);
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(refused.status().message()),
              AllOf(HasSubstr("token_embd.weight: is Q8_0 already"), HasSubstr("(requantize)")));
  const auto source = Open(demo, /*requantize=*/true);
  ASSERT_NE(source, nullptr);
  EXPECT_EQ(source->Find("model.embed_tokens.weight")->dtype, Dtype::kF16);
  Quantized(demo, "NF4", /*requantize=*/true);
  const LoadedModel loaded = LoadModelOrDie(output_);
  EXPECT_EQ(loaded.model->config().layers, 6);
}

TEST_F(GgufFolderSourceTest, IsCalibratedLikeAFolder) {
  const std::string path = ToGguf(SourcePath(kFamilies + std::string("llama")), "BF16");
  const LoadedModel reader = LoadModelOrDie(path, "reference");
  for (const char* scheme : {"GPTQ", "AWQ"}) {
    SCOPED_TRACE(scheme);
    QuantizeFolderOptions options;
    options.overwrite = true;
    options.settings.group = 16;
    FolderCalibration& calibration = options.calibration.emplace();
    calibration.model = reader.model.get();
    for (int32_t i = 0; i < 96; ++i) calibration.tokens.push_back(3 + i * i % 90);
    calibration.reading.chunk = 48;
    const auto tensors = QuantizeFolder(path, *FindFolderScheme(scheme), output_, pool_, options);
    ASSERT_TRUE(tensors.ok()) << tensors.status();
    const LoadedModel loaded = LoadModelOrDie(output_, "reference");
    EXPECT_LT(LogitsError(*loaded.model, *reader.model, calibration.tokens), 0.4);
  }
}

/// What files of other programs may hold.
TEST_F(GgufFolderSourceTest, OddFilesToo) {
  // A name that is no UTF-8; norms with two dimensions.
  TinyModel tiny;
  tiny.keys.SetString("general.name", "\xff\"\\");
  tiny.Tensor("blk.1.attn_norm.weight").shape = {12, 1};
  tiny.keys.SetString("tokenizer.ggml.model", "none");
  auto source = GgufFolderSource::Of(tiny.Open(), /*requantize=*/false);
  ASSERT_TRUE(source.ok()) << source.status();
  EXPECT_EQ((*source)->Find("model.layers.1.input_layernorm.weight")->shape,
            std::vector<int64_t>{12});
  EXPECT_EQ(Config(**source).layers, 2);
  EXPECT_THAT((*source)->notes(), testing::ElementsAre(HasSubstr("holds no tokenizer")));
  // One expert, which is no stack.
  tiny.keys.SetUint32("llama.expert_count", 1);
  tiny.keys.SetUint32("llama.expert_used_count", 1);
  for (const std::string layer : {"blk.0.", "blk.1."}) {
    tiny.Add(layer + "ffn_gate_inp.weight", {12, 1});
    for (const char* part : {"ffn_gate", "ffn_up", "ffn_down"}) {
      const std::vector<int64_t> shape = tiny.Tensor(layer + part + ".weight").shape;
      tiny.Remove(layer + part + ".weight");
      tiny.Add(layer + part + "_exps.weight", shape);
    }
  }
  source = GgufFolderSource::Of(tiny.Open(), /*requantize=*/false);
  ASSERT_TRUE(source.ok()) << source.status();
  EXPECT_NE((*source)->Find("model.layers.1.block_sparse_moe.experts.0.w3.weight"), nullptr);
  EXPECT_EQ(Config(**source).experts, 1);
}

TEST_F(GgufFolderSourceTest, WhatTransformersDoesNotComputeIsRefusedByName) {
  const auto refusal = [](TinyModel* tiny) {
    tiny->keys.SetString("tokenizer.ggml.model", "none");
    const absl::Status status = GgufFolderSource::Of(tiny->Open(), false).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kUnimplemented) << status;
    return std::string(status.message());
  };
  TinyModel biased;
  biased.Add("blk.0.attn_q.bias", {12});
  EXPECT_THAT(refusal(&biased),
              HasSubstr("tensor blk.0.attn_q.bias: LlamaForCausalLM has no such bias"));
  biased.Add("blk.0.attn_output.bias", {12});
  EXPECT_THAT(refusal(&biased),
              HasSubstr("tensor blk.0.attn_k.bias: LlamaForCausalLM needs it, but it is missing"));
  TinyModel partial;
  partial.keys.SetUint32("llama.rope.dimension_count", 2);
  EXPECT_THAT(refusal(&partial), HasSubstr("rope.dimension_count: leaves 2 rotated of 4"));
  TinyModel divided;
  divided.Add("rope_freqs.weight", {2});
  divided.tensors.back().value = [](int64_t i) { return 3.0f - static_cast<float>(i); };
  EXPECT_THAT(refusal(&divided), HasSubstr("rope_freqs.weight: LlamaForCausalLM has no scaling"));
  TinyModel windows;
  windows.keys.SetUint32("llama.attention.sliding_window", 8);
  windows.keys.SetUint32("llama.attention.sliding_window_pattern", 2);
  EXPECT_THAT(refusal(&windows),
              HasSubstr("sliding_window_pattern: MistralForCausalLM has one window for all"));
  TinyModel capped;
  capped.keys.SetFloat32("llama.final_logit_softcapping", 30);
  EXPECT_THAT(refusal(&capped), HasSubstr("final_logit_softcapping: LlamaForCausalLM has no soft"));
  TinyModel sharpened;
  sharpened.keys.SetFloat32("llama.rope.scaling.attn_factor", 1.5f);
  EXPECT_THAT(refusal(&sharpened), HasSubstr("rope.scaling.attn_factor"));
}

}  // namespace
}  // namespace quantd
