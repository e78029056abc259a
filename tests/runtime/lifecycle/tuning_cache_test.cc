#include "runtime/lifecycle/tuning_cache.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "absl/strings/str_replace.h"
#include "tests/support/temporary_folder.h"

namespace quantd {
namespace {

using ::testing::HasSubstr;

TuningKey Key() {
  Hardware hardware;
  hardware.cpu_name = "a \"test\" machine";
  hardware.l2_bytes = 1 << 20;
  hardware.l3_bytes = 32 << 20;
  return MakeTuningKey("1.2.3", hardware, IsaBit(Isa::kReference), 2);
}

MeasuredChoices Choices() {
  return {{{PackedFormat::kQ4_0, WeightLayout::kRows32, 1}, "gemm_q4_0_reference"},
          {{PackedFormat::kAffine4, WeightLayout::kRows32, 48}, "gemm_int4_affine_reference"}};
}

class TuningCacheTest : public testing::Test {
 protected:
  std::string Path() const { return folder_.path() + "/deep/er/" + TuningFileName(Key()); }
  std::string Content() const {
    std::ifstream file(Path());
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
  }
  void Write(const std::string& text) const { std::ofstream(Path()) << text; }
  // The valid file with one text in place of another.
  absl::Status Changed(const std::string& from, const std::string& to) const {
    EXPECT_TRUE(WriteTuning(Path(), Key(), Choices()).ok());
    const std::string valid = Content(), changed = absl::StrReplaceAll(valid, {{from, to}});
    EXPECT_NE(changed, valid) << from << " is not in " << valid;
    Write(changed);
    return ReadTuning(Path(), Key()).status();
  }

  const TemporaryFolder folder_;
};

TEST_F(TuningCacheTest, ReadsWhatItWroteAndLeavesNothingElse) {
  ASSERT_TRUE(WriteTuning(Path(), Key(), {}).ok());
  ASSERT_TRUE(WriteTuning(Path(), Key(), Choices()).ok());
  const auto read = ReadTuning(Path(), Key());
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(*read, Choices());
  const std::filesystem::directory_iterator files(std::filesystem::path(Path()).parent_path());
  EXPECT_EQ(std::distance(begin(files), end(files)), 1);
}

TEST_F(TuningCacheTest, FilesOfOtherMachinesAndBuildsAreForeign) {
  const TuningKey key = Key();
  ASSERT_TRUE(WriteTuning(Path(), key, Choices()).ok());
  for (const auto change : std::initializer_list<void (*)(TuningKey&)>{
           [](TuningKey& k) { k.version = "1.2.4"; }, [](TuningKey& k) { k.table = "other"; },
           [](TuningKey& k) { k.cpu = "other"; }, [](TuningKey& k) { k.isas += ",avx2"; },
           [](TuningKey& k) { k.threads = 3; }, [](TuningKey& k) { k.l2_bytes = 3; },
           [](TuningKey& k) { k.l3_bytes = 3; }}) {
    TuningKey other = key;
    change(other);
    EXPECT_NE(TuningFileName(other), TuningFileName(key));
    EXPECT_TRUE(absl::IsNotFound(ReadTuning(Path(), other).status()));
  }
  EXPECT_TRUE(absl::IsNotFound(ReadTuning(folder_.path() + "/none.json", key).status()));
  EXPECT_TRUE(absl::IsNotFound(Changed("\"quantd_tuning\": 1", "\"quantd_tuning\": 2")));
}

TEST_F(TuningCacheTest, ErrorsNameFileAndField) {
  const struct {
    const char *from, *to, *field;
  } cases[] = {
      {"\"quantd_tuning\": 1", "\"quantd_tuning\": \"1\"", "quantd_tuning"},
      {"\"quantd_tuning\": 1,", "", "quantd_tuning"},
      {"\"threads\": 2", "\"threads\": -2", "key.threads"},
      {"\"isas\": \"reference\"", "\"isas\": 7", "key.isas"},
      {"\"key\"", "\"lock\"", "key"},
      {"\"choices\"", "\"voices\"", "choices"},
      {"\"m\": 1,", "\"m\": 3,", "choices[0].m"},
      {"\"m\": 1,", "\"m\": 0,", "choices[0].m"},
      {"\"m\": 48", "\"m\": \"48\"", "choices[1].m"},
      {"\"format\": \"Q4_0\"", "\"format\": \"Q8_0\"", "choices[0].kernel"},
      {"gemm_q4_0_reference", "gemm_q4_0_neon", "choices[0].kernel"},
      {"\"kernel\": \"gemm_q4_0_reference\"", "\"kernel\": null", "choices[0]"},
  };
  for (const auto& [from, to, field] : cases) {
    const absl::Status status = Changed(from, to);
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << from << " -> " << to << ": " << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(Path()));
    EXPECT_THAT(std::string(status.message()), HasSubstr(field));
  }
}

TEST_F(TuningCacheTest, DamagedFilesAreErrors) {
  const TuningKey key = Key();
  ASSERT_TRUE(WriteTuning(Path(), key, Choices()).ok());
  const std::string valid = Content();
  for (size_t length = 0; length + 2 < valid.size(); length += 7) {
    Write(valid.substr(0, length));
    EXPECT_FALSE(ReadTuning(Path(), key).ok()) << length;
  }
  Write(std::string(2 << 20, ' '));
  EXPECT_FALSE(ReadTuning(Path(), key).ok());
  Write("[]");
  EXPECT_EQ(ReadTuning(Path(), key).status().code(), absl::StatusCode::kDataLoss);
}

TEST_F(TuningCacheTest, WhatCannotBeWrittenIsAnErrorThatNamesThePath) {
  std::ofstream(folder_.path() + "/file") << "no folder";
  const std::string path = folder_.path() + "/file/x.json";
  const absl::Status status = WriteTuning(path, Key(), Choices());
  EXPECT_FALSE(status.ok());
  EXPECT_THAT(std::string(status.message()), HasSubstr(path));
}

TEST(DefaultTuningFolder, FollowsTheEnvironment) {
  const char* const cache = std::getenv("XDG_CACHE_HOME");
  const char* const home = std::getenv("HOME");
  const std::string old_cache = cache == nullptr ? "" : cache,
                    old_home = home == nullptr ? "" : home;
  setenv("XDG_CACHE_HOME", "/a", 1);
  setenv("HOME", "/b", 1);
  EXPECT_EQ(DefaultTuningFolder(), "/a/quantd");
  unsetenv("XDG_CACHE_HOME");
  EXPECT_EQ(DefaultTuningFolder(), "/b/.cache/quantd");
  unsetenv("HOME");
  EXPECT_EQ(DefaultTuningFolder(), "/var/cache/quantd");
  if (cache != nullptr) setenv("XDG_CACHE_HOME", old_cache.c_str(), 1);
  if (home != nullptr) setenv("HOME", old_home.c_str(), 1);
}

}  // namespace
}  // namespace quantd
