#include "runtime/model/checkpoint.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/runtime/model/tiny_hf_model.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/test_data.h"

namespace quantd {
namespace {

using testing::HasSubstr;

TEST(CheckpointTest, OpensAGgufFile) {
  const std::string path = SourcePath("config/models/shakespeare-6m-Q4_0.gguf");
  const auto checkpoint = Checkpoint::Open(path);
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  EXPECT_EQ((*checkpoint)->container(), "GGUF v3");
  EXPECT_EQ((*checkpoint)->path(), path);
  EXPECT_NE((*checkpoint)->gguf(), nullptr);
  EXPECT_EQ((*checkpoint)->hf_config(), nullptr);
  const CheckpointTensor* tensor = (*checkpoint)->Find("blk.0.attn_k.weight");
  ASSERT_NE(tensor, nullptr);
  EXPECT_EQ(tensor->scheme, "Q4_0");
  EXPECT_EQ(tensor->cols(), 256);
  EXPECT_EQ(tensor->rows(), 128);
  EXPECT_EQ((*checkpoint)->Find("blk.0.attn_k"), nullptr);
}

TEST(CheckpointTest, OpensAFolderByItsPathAndByItsFiles) {
  const TemporaryFolder folder;
  const TinyHfModel tiny;
  folder.Write("config.json", tiny.ConfigText());
  const std::string file = folder.Write("model.safetensors", tiny.FileBytes());
  for (const std::string& path : {folder.path(), folder.path() + "/", file}) {
    const auto checkpoint = Checkpoint::Open(path);
    ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
    EXPECT_EQ((*checkpoint)->container(), "safetensors");
    EXPECT_EQ((*checkpoint)->gguf(), nullptr);
    ASSERT_NE((*checkpoint)->hf_config(), nullptr);
    EXPECT_TRUE(ReadModelConfig(**checkpoint).ok());
    EXPECT_EQ((*checkpoint)->file_bytes(), tiny.FileBytes().size());
  }
}

TEST(CheckpointTest, OpensShardsByTheirIndex) {
  const TemporaryFolder folder;
  TinyHfModel tiny;
  folder.Write("config.json", tiny.ConfigText());
  std::string map;
  const std::vector<TinyHfModel::Tensor> all = tiny.tensors;
  for (size_t shard = 0; shard < 2; ++shard) {
    const std::string name = absl::StrCat("model-0000", shard + 1, "-of-00002.safetensors");
    tiny.tensors.clear();
    for (size_t i = shard; i < all.size(); i += 2) {
      tiny.tensors.push_back(all[i]);
      absl::StrAppend(&map, map.empty() ? "" : ", ", "\"", all[i].name, "\": \"", name, "\"");
    }
    folder.Write(name, tiny.FileBytes());
  }
  const std::string index =
      folder.Write("model.safetensors.index.json", absl::StrCat(R"({"weight_map": {)", map, "}}"));
  for (const std::string& path : {folder.path(), index}) {
    const auto checkpoint = Checkpoint::Open(path);
    ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
    EXPECT_EQ((*checkpoint)->file_count(), 2u);
    EXPECT_EQ((*checkpoint)->tensors().size(), all.size());
    EXPECT_TRUE(ReadModelConfig(**checkpoint).ok());
  }
}

TEST(CheckpointTest, RefusesWhatIsNoModel) {
  const TemporaryFolder folder;
  const auto empty = Checkpoint::Open(folder.path());
  EXPECT_EQ(empty.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(empty.status().message()), HasSubstr("holds no config.json"));
  EXPECT_EQ(Checkpoint::Open(folder.Path("no.gguf")).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(Checkpoint::Open("/dev/zero").status().code(), absl::StatusCode::kInvalidArgument);
  folder.Write("config.json", TinyHfModel().ConfigText());
  const auto no_weights = Checkpoint::Open(folder.path());
  EXPECT_EQ(no_weights.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(no_weights.status().message()), HasSubstr("model.safetensors"));
}

}  // namespace
}  // namespace quantd
