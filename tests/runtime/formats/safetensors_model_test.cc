#include "runtime/formats/safetensors_model.h"

#include <filesystem>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/runtime/formats/safetensors_builder.h"

namespace quantd {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;
namespace fs = std::filesystem;

constexpr char kIndex[] = "model.safetensors.index.json";

std::string OneTensor(const std::string& name, char byte) {
  SafetensorsBuilder builder;
  return builder.Add(name, "U8", {4}, std::string(4, byte)).Bytes();
}

absl::StatusOr<std::unique_ptr<SafetensorsModel>> Open(const TemporaryFolder& folder) {
  const auto directory = ModelDirectory::Open(folder.path());
  EXPECT_TRUE(directory.ok()) << directory.status();
  return SafetensorsModel::Open(*directory);
}

/// A model of two shards, one tensor each.
class ShardedModelTest : public ::testing::Test {
 protected:
  ShardedModelTest() {
    folder_.Write("m-1.safetensors", OneTensor("a", 'x'));
    folder_.Write("m-2.safetensors", OneTensor("b", 'y'));
    WriteIndex(R"("a": "m-1.safetensors", "b": "m-2.safetensors")");
  }
  void WriteIndex(const std::string& map) {
    folder_.Write(kIndex, "{\"metadata\": {\"total_size\": 8}, \"weight_map\": {" + map + "}}");
  }
  void ExpectError(const std::string& file, const std::string& message) {
    const absl::Status status = Open(folder_).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << status;
    EXPECT_THAT(std::string(status.message()), StartsWith(folder_.Path(file) + ": "));
    EXPECT_THAT(std::string(status.message()), HasSubstr(message));
  }
  const TemporaryFolder folder_;
};

TEST_F(ShardedModelTest, PresentsAllShardsAsOne) {
  const auto model = Open(folder_);
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_EQ((*model)->path(), folder_.path());
  EXPECT_EQ((*model)->tensors().size(), 2u);
  const SafetensorsTensor* b = (*model)->FindTensor("b");
  ASSERT_NE(b, nullptr);
  EXPECT_EQ(b->data[3], 'y');
  EXPECT_EQ(b->file->path(), folder_.Path("m-2.safetensors"));
  EXPECT_EQ((*model)->FindTensor("c"), nullptr);
  EXPECT_EQ((*model)->file_bytes(),
            (*model)->files()[0]->file_bytes() + (*model)->files()[1]->file_bytes());
  EXPECT_EQ((*model)->Error("x", "is odd").message(), folder_.path() + ": x: is odd");
}

TEST_F(ShardedModelTest, ASingleFileComesFirst) {
  folder_.Write("model.safetensors", OneTensor("c", 'z'));
  const auto model = Open(folder_);
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_NE((*model)->FindTensor("c"), nullptr);
  EXPECT_EQ((*model)->FindTensor("a"), nullptr);
}

TEST_F(ShardedModelTest, NamesTheShardThatIsMissing) {
  fs::remove(folder_.Path("m-2.safetensors"));
  ExpectError(kIndex, "weight_map: \"m-2.safetensors\" cannot be opened: No such file");
}

TEST_F(ShardedModelTest, NamesTheShardThatIsBroken) {
  folder_.Write("m-2.safetensors", "abc");
  ExpectError("m-2.safetensors", "header length");
}

TEST_F(ShardedModelTest, RefusesShardsOutsideOfTheFolder) {
  const TemporaryFolder elsewhere;
  elsewhere.Write("x", OneTensor("b", 'y'));
  WriteIndex(R"("a": "m-1.safetensors", "b": "../x")");
  ExpectError(kIndex, "weight_map.b: the file name \"../x\" contains a path separator");
  WriteIndex(R"("a": "m-1.safetensors", "b": ")" + elsewhere.Path("x") + "\"");
  ExpectError(kIndex, "contains a path separator");
  fs::create_symlink(elsewhere.Path("x"), folder_.Path("link"));
  WriteIndex(R"("a": "m-1.safetensors", "b": "link")");
  ExpectError(kIndex, "weight_map: \"link\" is a link that leads out");
}

TEST_F(ShardedModelTest, RefusesALinkInThePlaceOfIndexOrFile) {
  const TemporaryFolder elsewhere;
  fs::rename(folder_.Path(kIndex), elsewhere.Path("i"));
  fs::create_symlink(elsewhere.Path("i"), folder_.Path(kIndex));
  const absl::Status index = Open(folder_).status();
  EXPECT_EQ(index.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(index.message()), StartsWith(folder_.path() + ": " + kIndex + ": "));
  elsewhere.Write("x", OneTensor("b", 'y'));
  fs::create_symlink(elsewhere.Path("x"), folder_.Path("model.safetensors"));
  const absl::Status file = Open(folder_).status();
  EXPECT_THAT(std::string(file.message()), StartsWith(folder_.path() + ": model.safetensors: "));
}

TEST_F(ShardedModelTest, RefusesShardsThatDisagreeWithTheIndex) {
  WriteIndex(R"("a": "m-1.safetensors", "b": "m-2.safetensors", "c": "m-2.safetensors")");
  ExpectError(kIndex, "weight_map.c: m-2.safetensors has no such tensor");
  WriteIndex(R"("a": "m-2.safetensors", "b": "m-1.safetensors")");
  ExpectError("m-2.safetensors", "tensor b: model.safetensors.index.json says that it is in m-1");
  WriteIndex(R"("a": "m-1.safetensors", "c": "m-2.safetensors")");
  ExpectError("m-2.safetensors", "tensor b: is not listed in model.safetensors.index.json");
  folder_.Write("m-2.safetensors", OneTensor("a", 'y'));
  WriteIndex(R"("a": "m-1.safetensors", "b": "m-2.safetensors")");
  ExpectError("m-2.safetensors", "tensor a: model.safetensors.index.json says that it is in m-1");
}

TEST(SafetensorsModel, SaysWhatToDoAboutOtherFormats) {
  const TemporaryFolder folder;
  const absl::Status empty = Open(folder).status();
  EXPECT_EQ(empty.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(empty.message()),
              HasSubstr("holds neither model.safetensors nor model.safetensors.index.json"));
  folder.Write("pytorch_model.bin", "x");
  const absl::Status pickle = Open(folder).status();
  EXPECT_EQ(pickle.code(), absl::StatusCode::kUnimplemented);
  EXPECT_THAT(std::string(pickle.message()), HasSubstr(": pytorch_model.bin: is a pickle"));
  EXPECT_THAT(std::string(pickle.message()), HasSubstr("convert the model to safetensors"));
}

TEST(SafetensorsModel, IsMadeOfOneFileOfAnyName) {
  const std::string text = OneTensor("a", 'x');
  const std::vector<uint8_t> bytes(text.begin(), text.end());
  const auto model = SafetensorsModel::OfFile(*SafetensorsFile::Parse(bytes, "any name"));
  EXPECT_EQ(model->path(), "any name");
  EXPECT_EQ(model->FindTensor("a")->data[0], 'x');
}

}  // namespace
}  // namespace quantd
