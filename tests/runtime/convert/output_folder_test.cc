#include "runtime/convert/output_folder.h"

#include <filesystem>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/test_data.h"

namespace quantd {
namespace {

using testing::HasSubstr;

class OutputFolderTest : public testing::Test {
 protected:
  absl::Status Write(const std::string& text, bool overwrite) {
    auto output = OutputFolder::Create(path_, overwrite);
    if (!output.ok()) return output.status();
    if (!(*output)->Write("config.json", text).ok()) return absl::InternalError("cannot write");
    return (*output)->Commit();
  }
  std::string Refusal(bool overwrite = true) {
    const absl::Status status = OutputFolder::Create(path_, overwrite).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    return std::string(status.message());
  }

  TemporaryFolder parent_;
  const std::string path_ = parent_.Path("model");
};

TEST_F(OutputFolderTest, AppearsWhenItIsWholeAndReplacesOnlyWhenTold) {
  ASSERT_TRUE(Write("first", false).ok());
  EXPECT_EQ(ReadFileOrDie(path_ + "/config.json"), "first");
  EXPECT_THAT(Refusal(/*overwrite=*/false), HasSubstr("exists; it is replaced only"));
  ASSERT_TRUE(Write("second", true).ok());
  EXPECT_EQ(ReadFileOrDie(path_ + "/config.json"), "second");
  {
    auto given_up = OutputFolder::Create(path_ + "/", true);
    ASSERT_TRUE(given_up.ok());
    ASSERT_TRUE((*given_up)->Write("config.json", "third").ok());
  }
  EXPECT_EQ(ReadFileOrDie(path_ + "/config.json"), "second");
  EXPECT_EQ(parent_.FileCount(), 1u);
}

TEST_F(OutputFolderTest, TakesAnEmptyFolder) {
  std::filesystem::create_directory(path_);
  EXPECT_TRUE(Write("text", false).ok());
  EXPECT_EQ(ReadFileOrDie(path_ + "/config.json"), "text");
}

TEST_F(OutputFolderTest, NeverReplacesWhatIsNoModel) {
  parent_.Write("model", "a file");
  EXPECT_THAT(Refusal(), HasSubstr("exists and is no folder"));
  std::filesystem::remove(path_);
  std::filesystem::create_directory(path_);
  parent_.Write("model/thesis.txt", "precious");
  EXPECT_THAT(Refusal(), HasSubstr("has no config.json"));
  parent_.Write("model/config.json", "{}");
  std::filesystem::create_directory(path_ + "/photos");
  EXPECT_THAT(Refusal(), HasSubstr("holds a folder, photos"));
  EXPECT_EQ(ReadFileOrDie(path_ + "/thesis.txt"), "precious");
}

}  // namespace
}  // namespace quantd
