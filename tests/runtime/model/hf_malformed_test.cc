// Folders with malformed files, through all that loading a model does before it allocates: each
// gets an error that names the file and the field.

#include <unistd.h>

#include <functional>
#include <string>
#include <vector>

#include "absl/strings/str_replace.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/runtime/model/tiny_hf_model.h"
#include "tests/support/temporary_folder.h"

namespace quantd {
namespace {

using testing::AllOf;
using testing::HasSubstr;

constexpr char kFile[] = "model.safetensors";
constexpr char kIndex[] = "model.safetensors.index.json";

absl::Status LoadStatus(const TemporaryFolder& folder) {
  const auto checkpoint = Checkpoint::Open(folder.path());
  return checkpoint.ok() ? ReadModelConfig(**checkpoint).status() : checkpoint.status();
}

void ExpectError(const TemporaryFolder& folder, const std::string& field, const std::string& what) {
  const absl::Status status = LoadStatus(folder);
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << field << ": " << status;
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr(folder.path()), HasSubstr(field), HasSubstr(what)));
}

/// A folder whose safetensors file holds `bytes`.
void ExpectFileError(const std::string& bytes, const std::string& field, const std::string& what) {
  const TemporaryFolder folder;
  folder.Write("config.json", TinyHfModel().ConfigText());
  folder.Write(kFile, bytes);
  ExpectError(folder, field, what);
}

/// The valid file with one text of its header replaced; the header keeps its length.
std::string WithHeader(const std::string& from, const std::string& to) {
  std::string bytes = TinyHfModel().FileBytes();
  const size_t at = bytes.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  EXPECT_GE(from.size(), to.size());
  return bytes.replace(at, from.size(), to + std::string(from.size() - to.size(), ' '));
}

TEST(HfMalformedTest, TheFileItself) {
  const std::string good = TinyHfModel().FileBytes();
  ExpectFileError("", "header", "");
  ExpectFileError(good.substr(0, 7), "header", "");
  ExpectFileError(std::string(8, '\xff') + good.substr(8), "header", "");
  ExpectFileError(Raw<uint64_t>(100'000'001) + good.substr(8), "header", "");
  ExpectFileError(Raw<uint64_t>(good.size() - 7) + good.substr(8), "header", "");
  ExpectFileError(good.substr(0, good.size() - 1), "", "");
  ExpectFileError(good + "x", "", "");
  ExpectFileError(RawSafetensors("[]", ""), "header", "");
  ExpectFileError(RawSafetensors("{\"\xff\": 1}", ""), "header", "");
}

TEST(HfMalformedTest, TensorsOfTheHeader) {
  const std::string name = "model.embed_tokens.weight";
  ExpectFileError(WithHeader("\"model.layers.0.input_layernorm.weight\"", "\"model.norm.weight\""),
                  "model.norm", "");
  ExpectFileError(WithHeader(R"("dtype":"F32","shape":[7,12])", R"("dtype":"F99","shape":[7,12])"),
                  name, "");
  for (const char* shape : {"[7,11]", "[7,-1]", "[7.5]", "[1e9]"}) {
    ExpectFileError(WithHeader(R"("shape":[7,12])", absl::StrCat(R"("shape":)", shape)), name, "");
  }
  ExpectFileError(WithHeader(R"("data_offsets":[0,336])", R"("data_offsets":[336,0])"), name, "");
  ExpectFileError(WithHeader(R"("data_offsets":[0,336])", R"("data_offsets":[4,336])"), name, "");
}

TEST(HfMalformedTest, ShapesThatOverflow) {
  for (const char* shape : {"[4294967296,4294967296,4]", "[9223372036854775807,2]", "[1e309,1]"}) {
    ExpectFileError(RawSafetensorsOf({RawEntry("model.norm.weight", "F32", shape, "[0,4]")},
                                     std::string(4, '\0')),
                    "model.norm.weight", "");
  }
}

/// A folder with a valid file `shard` and an index that maps every tensor to `mapped`.
void WriteSharded(const TemporaryFolder& folder, const std::string& mapped) {
  const TinyHfModel tiny;
  folder.Write("config.json", tiny.ConfigText());
  folder.Write("shard.safetensors", tiny.FileBytes());
  std::string map;
  for (const TinyHfModel::Tensor& tensor : tiny.tensors) {
    absl::StrAppend(&map, map.empty() ? "" : ", ", "\"", tensor.name, "\": \"", mapped, "\"");
  }
  folder.Write(kIndex, absl::StrCat(R"({"weight_map": {)", map, "}}"));
}

TEST(HfMalformedTest, ShardsOutsideOfTheFolder) {
  const TemporaryFolder elsewhere;
  const std::string outside = elsewhere.Write("x.safetensors", TinyHfModel().FileBytes());
  for (const std::string& shard : {std::string("../x.safetensors"), outside, std::string("..")}) {
    const TemporaryFolder folder;
    WriteSharded(folder, shard);
    ExpectError(folder, "weight_map", "");
  }
  const TemporaryFolder folder;
  WriteSharded(folder, "link.safetensors");
  ASSERT_EQ(symlink(outside.c_str(), folder.Path("link.safetensors").c_str()), 0);
  ExpectError(folder, "weight_map", "leads out of the model's folder");
}

TEST(HfMalformedTest, ShardsThatAreMissingOrDisagree) {
  const TemporaryFolder valid;
  WriteSharded(valid, "shard.safetensors");
  EXPECT_TRUE(LoadStatus(valid).ok()) << LoadStatus(valid);
  const TemporaryFolder missing;
  WriteSharded(missing, "no.safetensors");
  ExpectError(missing, "weight_map", "no.safetensors");
  const TemporaryFolder more;
  WriteSharded(more, "shard.safetensors");
  TinyHfModel tiny;
  tiny.AddFloats("model.extra", {1});
  more.Write("shard.safetensors", tiny.FileBytes());
  ExpectError(more, "model.extra", "is not listed");
}

TEST(HfMalformedTest, Configurations) {
  for (const std::string& text :
       {std::string(), std::string("{"), std::string("[]"), std::string(100'000, '['),
        TinyHfModel().ConfigText() + "x", std::string("{\"model_type\": 7}"),
        std::string("{\"model_type\": \"llama\", \"model_type\": \"llama\"}")}) {
    const TemporaryFolder folder;
    folder.Write("config.json", text);
    folder.Write(kFile, TinyHfModel().FileBytes());
    ExpectError(folder, "config.json", "");
  }
}

}  // namespace
}  // namespace quantd
