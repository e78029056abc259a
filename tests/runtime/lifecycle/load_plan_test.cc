#include "runtime/lifecycle/load_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <limits>

#include "absl/strings/str_cat.h"
#include "tests/runtime/lifecycle/lifecycle_fixture.h"

namespace quantd {
namespace {

using ::testing::HasSubstr;
constexpr int64_t kPlenty = int64_t{1} << 40;

TEST(ModelSpecTest, NamesAreRestricted) {
  for (const char* name : {"a", "A-z_0.9", "llama-3.2-1b"}) EXPECT_TRUE(IsModelName(name)) << name;
  for (const char* name : {"", "a b", "a/b", "a\n", "ä", "a\"b"}) {
    EXPECT_FALSE(IsModelName(name)) << name;
  }
  EXPECT_TRUE(IsModelName(std::string(128, 'a')));
  EXPECT_FALSE(IsModelName(std::string(129, 'a')));
  EXPECT_FALSE(IsModelName(std::string("a\0", 2)));
}

TEST(ModelSpecTest, EveryWrongFieldIsNamed) {
  const auto error = [](auto change) {
    ModelSpec spec = DemoSpec("a");
    change(spec);
    const absl::Status status = ValidateModelSpec(spec);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    return std::string(status.message());
  };
  EXPECT_THAT(error([](ModelSpec& s) { s.name = "x y"; }), HasSubstr("name: 'x y'"));
  EXPECT_THAT(error([](ModelSpec& s) { s.path = ""; }), HasSubstr("path:"));
  EXPECT_THAT(error([](ModelSpec& s) { s.path = std::string("a\0b", 3); }), HasSubstr("path:"));
  EXPECT_THAT(error([](ModelSpec& s) { s.max_context = -1; }), HasSubstr("max_context: -1"));
  EXPECT_THAT(error([](ModelSpec& s) { s.kv_cache_bytes = -1; }), HasSubstr("kv_cache: -1"));
  EXPECT_THAT(error([](ModelSpec& s) { s.engine.max_sequences = 0; }), HasSubstr("max_sequences"));
  EXPECT_THAT(error([](ModelSpec& s) { s.engine.step_token_budget = 3; }),
              HasSubstr("step_token_budget: 3 is less than max_sequences (4)"));
}

// Blocks of a spec with the given KV bytes and sequences; 8 blocks per sequence of 100 bytes each.
absl::StatusOr<int32_t> Blocks(int64_t kv_bytes, int32_t sequences, int64_t free_bytes,
                               int64_t available) {
  ModelSpec spec;
  spec.kv_cache_bytes = kv_bytes;
  spec.engine.max_sequences = sequences;
  return PlanKvBlocks(spec, 8, 100, free_bytes, available);
}

TEST(PlanKvBlocksTest, AutomaticSizeIsAllSequencesWhenThereIsRoom) {
  EXPECT_EQ(*Blocks(0, 4, kPlenty, kPlenty), 32);
}

TEST(PlanKvBlocksTest, AutomaticSizeIsAQuarterOfMemoryAtMost) {
  EXPECT_EQ(*Blocks(0, 4, 8000, 8000), 20);
  EXPECT_EQ(*Blocks(0, 4, 1500, 8000), 15);  // what the weights leave, if that is less
}

TEST(PlanKvBlocksTest, AutomaticSizeHoldsOneSequenceAtLeast) {
  EXPECT_EQ(*Blocks(0, 4, 0, 0), 8);  // the budget then refuses it
}

TEST(PlanKvBlocksTest, AutomaticSizeFitsItsType) {
  EXPECT_EQ(*Blocks(0, std::numeric_limits<int32_t>::max(), std::numeric_limits<int64_t>::max(),
                    std::numeric_limits<int64_t>::max()),
            std::numeric_limits<int32_t>::max());
}

TEST(PlanKvBlocksTest, StatedSizeIsRoundedDownToBlocks) {
  EXPECT_EQ(*Blocks(999, 4, kPlenty, kPlenty), 9);
  EXPECT_EQ(*Blocks(800, 4, kPlenty, kPlenty), 8);
}

TEST(PlanKvBlocksTest, StatedSizeBelowOneSequenceSaysHowMuchIsNeeded) {
  const auto blocks = Blocks(799, 4, kPlenty, kPlenty);
  EXPECT_EQ(blocks.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(blocks.status().message()), HasSubstr("at least 800 bytes"));
}

TEST(PlanLoadTest, SizesTheDemoModel) {
  const auto plan = PlanLoad(DemoSpec("a", "f16"), kPlenty);
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->format, "F16");
  EXPECT_EQ(plan->kv_type, KvType::kF16);
  EXPECT_EQ(plan->context, 256);
  EXPECT_EQ(plan->kv_blocks, 4 * 256 / 32);
  EXPECT_EQ(plan->need.weight_bytes, 11596000);
  EXPECT_GT(plan->need.kv_bytes, 0);
}

TEST(PlanLoadTest, ContextIsCappedAndKvTypeChosen) {
  ModelSpec spec = DemoSpec("a", "Q4_0");
  spec.max_context = 100;
  spec.kv_type = KvType::kF32;
  const auto plan = PlanLoad(spec, kPlenty);
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->format, "Q4_0");
  EXPECT_EQ(plan->kv_type, KvType::kF32);
  EXPECT_EQ(plan->context, 100);
  EXPECT_EQ(plan->kv_blocks, 4 * 4);
  spec.max_context = 100000;
  EXPECT_EQ(PlanLoad(spec, kPlenty)->context, 256);
}

TEST(PlanLoadTest, LongRopeGoesBeyondItsOriginalContextIfAsked) {
  ModelSpec spec = DemoSpec("a");
  spec.path = SourcePath("tests/golden/families/phi3-longrope");
  EXPECT_EQ(PlanLoad(spec, kPlenty)->context, 16);
  spec.max_context = 100;
  EXPECT_EQ(PlanLoad(spec, kPlenty)->context, 100);
  spec.max_context = 1000;
  EXPECT_EQ(PlanLoad(spec, kPlenty)->context, 128);
}

TEST(PlanLoadTest, F32ModelsGetAnF32Cache) {
  QUANTD_NEED_TEST_DATA(path, "models/stories260K-f32.gguf");
  ModelSpec spec = DemoSpec("a");
  spec.path = path;
  const auto plan = PlanLoad(spec, kPlenty);
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->format, "F32");
  EXPECT_EQ(plan->kv_type, KvType::kF32);
}

TEST(PlanLoadTest, OnlyRegularFilesAndFoldersAreOpened) {
  ModelSpec spec = DemoSpec("a");
  spec.path = "/dev/zero";
  EXPECT_EQ(PlanLoad(spec, kPlenty).status().code(), absl::StatusCode::kInvalidArgument);
  spec.path = absl::StrCat(::testing::TempDir(), "/quantd_fifo_", getpid());
  ASSERT_EQ(mkfifo(spec.path.c_str(), 0600), 0);
  EXPECT_EQ(PlanLoad(spec, kPlenty).status().code(), absl::StatusCode::kInvalidArgument);
  unlink(spec.path.c_str());
  spec.path = SourcePath("config/models");
  const absl::Status no_model = PlanLoad(spec, kPlenty).status();
  EXPECT_EQ(no_model.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(no_model.message()), HasSubstr("config.json"));
  spec.path = ::testing::TempDir() + "/quantd_no_such_file.gguf";
  const absl::Status missing = PlanLoad(spec, kPlenty).status();
  EXPECT_EQ(missing.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(missing.message()), HasSubstr(spec.path));
}

TEST(PlanLoadTest, VocabularyOnlyFilesAreNoModels) {
  QUANTD_NEED_TEST_DATA(path, "vocab/vocab-llama-spm.gguf");
  ModelSpec spec = DemoSpec("a");
  spec.path = path;
  EXPECT_EQ(PlanLoad(spec, kPlenty).status().code(), absl::StatusCode::kDataLoss);
}

TEST(RuntimeContextTest, OptionsWinOverTheEnvironment) {
  ASSERT_EQ(setenv("QUANTD_FORCE_ISA", "no-such-isa", 1), 0);
  RuntimeContext::Options options;
  options.threads = 1;
  EXPECT_EQ(RuntimeContext::Create(options).status().code(), absl::StatusCode::kInvalidArgument);
  options.force_isa = "reference";
  const auto runtime = RuntimeContext::Create(options);
  unsetenv("QUANTD_FORCE_ISA");
  ASSERT_TRUE(runtime.ok()) << runtime.status();
  EXPECT_EQ((*runtime)->kernels().forced().isa, "reference");
  EXPECT_EQ((*runtime)->pool().size(), 1);
}

TEST(RuntimeContextTest, ThreadCountHasLimits) {
  RuntimeContext::Options options;
  for (const int threads : {-1, 1025, std::numeric_limits<int>::max()}) {
    options.threads = threads;
    EXPECT_EQ(RuntimeContext::Create(options).status().code(), absl::StatusCode::kInvalidArgument);
  }
}

}  // namespace
}  // namespace quantd
