#include "runtime/formats/temporary_file.h"

#include <filesystem>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/test_data.h"

namespace quantd {
namespace {

TEST(TemporaryFile, TakesItsNameWhenItIsWhole) {
  TemporaryFolder folder;
  const std::string path = folder.Path("file");
  TemporaryFile file(path);
  ASSERT_TRUE(file.Open().ok());
  ASSERT_TRUE(file.Append("abc", 3).ok());
  ASSERT_TRUE(file.Pad(8).ok());
  ASSERT_TRUE(file.WriteAt(10, "z", 1).ok());
  ASSERT_TRUE(file.WriteAt(1, "B", 1).ok());
  ASSERT_TRUE(file.Append("end", 3).ok());
  EXPECT_FALSE(std::filesystem::exists(path));
  ASSERT_TRUE(file.Commit().ok());
  // What is appended follows what was appended, wherever else was written.
  EXPECT_EQ(ReadFileOrDie(path), std::string("aBc\0\0\0\0\0end", 11));
  EXPECT_EQ(folder.FileCount(), 1u);
}

TEST(TemporaryFile, LeavesNothingWhenItIsGivenUp) {
  TemporaryFolder folder;
  const std::string path = folder.Path("file");
  {
    TemporaryFile file(path);
    ASSERT_TRUE(file.Open().ok());
    ASSERT_TRUE(file.Append("abc", 3).ok());
  }
  EXPECT_EQ(folder.FileCount(), 0u);
  EXPECT_NE(TemporaryName(path), TemporaryName(path));
}

TEST(TemporaryFile, NamesThePathThatFails) {
  TemporaryFile file("/nonexistent/file");
  const absl::Status status = file.Open();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(status.message()), testing::HasSubstr("/nonexistent/file"));
}

}  // namespace
}  // namespace quantd
