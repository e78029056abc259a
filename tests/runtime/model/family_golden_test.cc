// Every family against transformers: small models of random weights whose every part moves the
// logits (tests/golden/make_family_models.py), under every instruction set, in one piece and token
// by token.
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/runtime/model/model_fixture.h"

namespace quantd {
namespace {

using nlohmann::json;

constexpr char kFolder[] = "tests/golden/families/";
constexpr char kLongRope[] = "phi3-longrope";  // its factors go by the context
constexpr float kTolerance = 1e-3f;            // of the largest logit
// Kernels that multiply BF16 natively round the inputs too.
constexpr float kBf16Tolerance = 5e-2f;
constexpr int32_t kKvBlocks = 8;

struct FamilyCase {
  std::string family;
  bool gguf = false;  // else a folder
  std::string isa;
};

std::vector<FamilyCase> FamilyCases() {
  std::vector<FamilyCase> cases;
  for (const auto& entry : std::filesystem::directory_iterator(SourcePath(kFolder))) {
    const bool gguf = entry.path().extension() == ".gguf";
    if ((!gguf && !entry.is_directory()) || entry.path().stem() == kLongRope) continue;
    for (const std::string& isa : RunnableIsas()) {
      cases.push_back({entry.path().stem(), gguf, isa});
    }
  }
  return cases;
}

class FamilyGoldenTest : public testing::TestWithParam<FamilyCase> {
 protected:
  static void ExpectLogits(const std::vector<float>& got, const json& expected, float tolerance) {
    const auto want = expected["logits_after_prompt"].get<std::vector<float>>();
    ASSERT_EQ(got.size(), want.size());
    float largest = 0, error = 0;
    for (size_t i = 0; i < want.size(); ++i) {
      largest = std::max(largest, std::abs(want[i]));
      error = std::max(error, std::abs(got[i] - want[i]));
    }
    EXPECT_LE(error, tolerance * largest);
  }

  static void ExpectCases(Model& model, const std::string& path, float tolerance = kTolerance) {
    const json cases = json::parse(ReadFileOrDie(path));
    ASSERT_FALSE(cases.empty());
    for (const json& expected : cases) {
      const auto prompt = expected["prompt_ids"].get<std::vector<int32_t>>();
      const auto ids = expected["greedy_ids"].get<std::vector<int32_t>>();
      Sequences sequences(model, KvType::kF32, kKvBlocks);
      std::vector<float> logits = sequences.Step({{0, prompt}})[0];
      ExpectLogits(logits, expected, tolerance);
      // The same in pieces: windows and positions go by the sequence, not by the step.
      Sequences pieces(model, KvType::kF32, kKvBlocks);
      std::vector<float> last;
      for (const int32_t token : prompt) last = pieces.Step({{0, {token}}})[0];
      ExpectLogits(last, expected, tolerance);
      if (tolerance > kTolerance) continue;
      for (const int32_t id : ids) {
        ASSERT_EQ(std::max_element(logits.begin(), logits.end()) - logits.begin(), id);
        logits = sequences.Step({{0, {id}}})[0];
      }
    }
  }
};

TEST_P(FamilyGoldenTest, GivesTheLogitsOfTransformers) {
  const auto& [family, gguf, isa] = GetParam();
  const std::string path = SourcePath(kFolder + family);
  LoadedModel loaded = LoadModelOrDie(path + (gguf ? ".gguf" : ""), isa);
  // Weights are BF16 in folders.
  const bool rounds = !gguf && (isa == "avx512bf16" || isa == "amx");
  ExpectCases(*loaded.model, path + ".expected.json", rounds ? kBf16Tolerance : kTolerance);
}

/// Of case `number`, loaded for `context` tokens: the largest error, as a share of the largest
/// logit.
float LongRopeError(const std::string& suffix, size_t number, int32_t context) {
  const std::string path = SourcePath(std::string(kFolder) + kLongRope);
  const json expected = json::parse(ReadFileOrDie(path + ".expected.json"))[number];
  const auto kernels = KernelSet::Create(ProbeHardware(), KernelOverride{"avx2", ""});
  const auto checkpoint = Checkpoint::Open(path + suffix);
  EXPECT_TRUE(checkpoint.ok()) << checkpoint.status();
  ThreadPool pool(1);
  LoadOptions options;
  options.context = context;
  const auto model = Model::Load(**checkpoint, **kernels, pool, options);
  EXPECT_TRUE(model.ok()) << model.status();
  Sequences sequences(**model, KvType::kF32, kKvBlocks);
  const std::vector<float> logits =
      sequences.Step({{0, expected["prompt_ids"].get<std::vector<int32_t>>()}})[0];
  float largest = 0, error = 0;
  for (size_t i = 0; i < logits.size(); ++i) {
    const float want = expected["logits_after_prompt"][i];
    largest = std::max(largest, std::abs(want));
    error = std::max(error, std::abs(logits[i] - want));
  }
  return error / largest;
}

TEST(LongRopeGoldenTest, FactorsAreThoseOfTheContext) {
  if (!ProbeHardware().Supports(Isa::kAvx2)) GTEST_SKIP() << "tolerances are for exact products";
  for (const char* suffix : {"", ".gguf"}) {
    SCOPED_TRACE(suffix);
    // Within the original context of 16, by default or because so much was asked for.
    EXPECT_LE(LongRopeError(suffix, 0, 0), kTolerance);
    EXPECT_LE(LongRopeError(suffix, 0, 16), kTolerance);
    EXPECT_LE(LongRopeError(suffix, 1, 128), kTolerance);
    // The other factors are another model.
    EXPECT_GT(LongRopeError(suffix, 0, 17), 10 * kTolerance);
    EXPECT_GT(LongRopeError(suffix, 1, 0), 10 * kTolerance);
  }
}

std::string CaseName(const testing::TestParamInfo<FamilyCase>& info) {
  return absl::StrCat(absl::StrReplaceAll(info.param.family, {{"-", "_"}}),
                      info.param.gguf ? "_gguf_" : "_folder_", info.param.isa);
}

INSTANTIATE_TEST_SUITE_P(AllFamilies, FamilyGoldenTest, testing::ValuesIn(FamilyCases()), CaseName);

}  // namespace
}  // namespace quantd
