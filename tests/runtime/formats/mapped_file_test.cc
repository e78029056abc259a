#include "runtime/formats/mapped_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <numeric>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/runtime/formats/gguf_builder.h"

namespace quantd {
namespace {

using ::testing::HasSubstr;

int64_t ResidentBytes() {
  std::ifstream statm("/proc/self/statm");
  int64_t total = 0, resident = 0;
  statm >> total >> resident;
  return resident * sysconf(_SC_PAGESIZE);
}

std::string Text(const MappedFile& file) {
  return std::string(file.bytes().begin(), file.bytes().end());
}

TEST(MappedFile, ShowsTheBytes) {
  const TemporaryFolder folder;
  const auto file = MappedFile::Open(folder.Write("file", std::string("ab\0c", 4)));
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(Text(**file), std::string("ab\0c", 4));
}

TEST(MappedFile, AnEmptyFileIsNoError) {
  const TemporaryFolder folder;
  const auto file = MappedFile::Open(folder.Write("file", ""));
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_TRUE((*file)->bytes().empty());
  EXPECT_FALSE((*file)->Truncated());
}

TEST(MappedFile, RefusesWhatIsNoRegularFile) {
  const TemporaryFolder folder;
  ASSERT_EQ(mkfifo(folder.Path("fifo").c_str(), 0600), 0);
  for (const std::string& path :
       {folder.Path("."), folder.Path("fifo"), std::string("/dev/null")}) {
    const absl::Status status = MappedFile::Open(path).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(path));
  }
  EXPECT_EQ(MappedFile::Open(folder.Path("absent")).status().code(), absl::StatusCode::kNotFound);
}

TEST(MappedFile, NamesAFileThatMayNotBeRead) {
  if (geteuid() == 0) GTEST_SKIP() << "the superuser may read every file";
  const TemporaryFolder folder;
  const std::string path = folder.Write("secret", "x");
  ASSERT_EQ(chmod(path.c_str(), 0), 0);
  EXPECT_EQ(MappedFile::Open(path).status().code(), absl::StatusCode::kPermissionDenied);
}

TEST(MappedFile, GiveBackLowersTheResidentSetAndKeepsTheBytes) {
  constexpr size_t kSize = 32 << 20;
  const TemporaryFolder folder;
  std::string content(kSize, 'x');
  content.back() = 'y';
  const auto file = MappedFile::Open(folder.Write("file", content));
  ASSERT_TRUE(file.ok()) << file.status();
  const absl::Span<const uint8_t> bytes = (*file)->bytes();
  const int64_t expected_sum = int64_t{'x'} * (kSize - 1) + 'y';
  EXPECT_EQ(std::accumulate(bytes.begin(), bytes.end(), int64_t{0}), expected_sum);
  const int64_t before = ResidentBytes();
  (*file)->GiveBack(bytes.data() + 1, kSize - 2);
  EXPECT_LT(ResidentBytes(), before - static_cast<int64_t>(kSize) * 3 / 4);
  EXPECT_EQ(std::accumulate(bytes.begin(), bytes.end(), int64_t{0}), expected_sum);
  (*file)->GiveBack(bytes.data() + 5, 7);  // less than a page: nothing to give
  (*file)->GiveBack(bytes.data(), 0);
  EXPECT_EQ(bytes[5], 'x');
}

TEST(MappedFile, SeesTruncationAndOutlivesReplacement) {
  const TemporaryFolder folder;
  const std::string path = folder.Write("file", "old content");
  const auto file = MappedFile::Open(path);
  ASSERT_TRUE(file.ok()) << file.status();
  std::filesystem::rename(folder.Write("other", "new"), path);
  EXPECT_FALSE((*file)->Truncated());
  EXPECT_EQ(Text(**file), "old content");

  const auto shrinking = MappedFile::Open(path);
  ASSERT_TRUE(shrinking.ok()) << shrinking.status();
  EXPECT_FALSE((*shrinking)->Truncated());
  ASSERT_EQ(truncate(path.c_str(), 2), 0);
  EXPECT_TRUE((*shrinking)->Truncated());
}

}  // namespace
}  // namespace quantd
