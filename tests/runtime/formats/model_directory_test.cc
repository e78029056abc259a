#include "runtime/formats/model_directory.h"

#include <filesystem>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/temporary_folder.h"

namespace quantd {
namespace {

using ::testing::HasSubstr;
namespace fs = std::filesystem;

TEST(ModelDirectory, FindsItsFilesAndNoOthers) {
  const TemporaryFolder folder;
  fs::create_directory(folder.Path("model"));
  folder.Write("model/config.json", "{}");
  folder.Write("secret", "x");
  fs::create_symlink("config.json", folder.Path("model/inside"));
  fs::create_symlink("../secret", folder.Path("model/outside"));
  fs::create_symlink(folder.Path("secret"), folder.Path("model/absolute"));
  fs::create_symlink("nowhere", folder.Path("model/dangling"));
  for (const char* end : {"", "/", "//", "/../model"}) {
    const auto directory = ModelDirectory::Open(folder.Path("model") + end);
    ASSERT_TRUE(directory.ok()) << directory.status();
    EXPECT_EQ(*directory->Resolve("config.json"), directory->Join("config.json"));
    EXPECT_TRUE(directory->Resolve("inside").ok());
    EXPECT_TRUE(directory->Has("config.json"));
    EXPECT_FALSE(directory->Has("other.json"));
    for (const char* name : {"outside", "absolute"}) {
      const absl::Status status = directory->Resolve(name).status();
      EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << name;
      EXPECT_THAT(std::string(status.message()), HasSubstr("is a link that leads out")) << name;
    }
    EXPECT_EQ(directory->Resolve("dangling").status().code(), absl::StatusCode::kNotFound);
    EXPECT_EQ(directory->Resolve("absent").status().code(), absl::StatusCode::kNotFound);
    for (const std::string& name : {std::string("../secret"), std::string(".."), std::string("."),
                                    std::string(""), folder.Path("secret"), std::string("a\\b"),
                                    std::string("a\0b", 3), std::string(256, 'x')}) {
      const absl::Status status = directory->Resolve(name).status();
      EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << name;
      EXPECT_THAT(std::string(status.message()), HasSubstr("the model's own folder")) << name;
    }
  }
}

TEST(ModelDirectory, AFolderWhoseNameBeginsAlikeIsOutside) {
  const TemporaryFolder folder;
  fs::create_directory(folder.Path("model"));
  fs::create_directory(folder.Path("model2"));
  folder.Write("model2/file", "x");
  fs::create_symlink("../model2/file", folder.Path("model/link"));
  EXPECT_FALSE(ModelDirectory::Open(folder.Path("model"))->Resolve("link").ok());
}

TEST(ModelDirectory, ReadsTheHubsCacheWhoseFilesAreLinks) {
  const TemporaryFolder folder;
  const std::string model = folder.Path("models--a--b");
  fs::create_directories(model + "/snapshots/0123");
  fs::create_directories(model + "/blobs");
  folder.Write("models--a--b/blobs/abcd", "{}");
  folder.Write("models--a--b/other", "{}");
  fs::create_symlink("../../blobs/abcd", model + "/snapshots/0123/config.json");
  fs::create_symlink("../../other", model + "/snapshots/0123/other");
  const auto directory = ModelDirectory::Open(model + "/snapshots/0123");
  ASSERT_TRUE(directory.ok()) << directory.status();
  EXPECT_TRUE(directory->Resolve("config.json").ok());
  EXPECT_FALSE(directory->Resolve("other").ok());
}

TEST(ModelDirectory, NamesWhatIsNoDirectory) {
  const TemporaryFolder folder;
  const std::string file = folder.Write("file", "x");
  EXPECT_EQ(ModelDirectory::Open(file).status(),
            absl::InvalidArgumentError(file + ": is no directory"));
  const absl::Status absent = ModelDirectory::Open(folder.Path("absent")).status();
  EXPECT_EQ(absent.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(absent.message()), HasSubstr(folder.Path("absent")));
}

}  // namespace
}  // namespace quantd
