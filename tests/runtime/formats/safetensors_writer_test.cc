#include "runtime/formats/safetensors_writer.h"

#include <filesystem>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/formats/safetensors_model.h"
#include "tests/runtime/formats/safetensors_builder.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/test_data.h"

namespace quantd {
namespace {

using testing::HasSubstr;

std::vector<uint8_t> Bytes(size_t count, uint8_t first) {
  std::vector<uint8_t> bytes(count);
  for (size_t i = 0; i < count; ++i) bytes[i] = static_cast<uint8_t>(first + i);
  return bytes;
}

std::string Text(const std::vector<uint8_t>& bytes) { return {bytes.begin(), bytes.end()}; }

TEST(SafetensorsWriter, WritesExactlyTheBytesOfTheFormat) {
  TemporaryFolder folder;
  const std::string path = folder.Path("model.safetensors");
  auto writer = SafetensorsWriter::Create(path, {{"b", Dtype::kF16, {3}},
                                                 {"bytes", Dtype::kU8, {2, 1}},
                                                 {"wide", Dtype::kI64, {1}},
                                                 {"a", Dtype::kBF16, {1, 2}},
                                                 {"none", Dtype::kF32, {0, 4}}});
  ASSERT_TRUE(writer.ok()) << writer.status();
  // In another order than they lie.
  EXPECT_TRUE((*writer)->Write("bytes", Bytes(2, 90)).ok());
  EXPECT_TRUE((*writer)->Write("a", Bytes(4, 10)).ok());
  EXPECT_TRUE((*writer)->Write("wide", Bytes(8, 50)).ok());
  EXPECT_TRUE((*writer)->Write("none", {}).ok());
  EXPECT_TRUE((*writer)->Write("b", Bytes(6, 20)).ok());
  ASSERT_TRUE((*writer)->Finish().ok());
  // Wide types first, then by name, as the library's own writer.
  std::string header = R"({"__metadata__":{"format":"pt"},)"
                       R"("wide":{"dtype":"I64","shape":[1],"data_offsets":[0,8]},)"
                       R"("none":{"dtype":"F32","shape":[0,4],"data_offsets":[8,8]},)"
                       R"("a":{"dtype":"BF16","shape":[1,2],"data_offsets":[8,12]},)"
                       R"("b":{"dtype":"F16","shape":[3],"data_offsets":[12,18]},)"
                       R"("bytes":{"dtype":"U8","shape":[2,1],"data_offsets":[18,20]}})";
  header.resize((header.size() + 7) / 8 * 8, ' ');
  const std::string data =
      Text(Bytes(8, 50)) + Text(Bytes(4, 10)) + Text(Bytes(6, 20)) + Text(Bytes(2, 90));
  EXPECT_EQ(ReadFileOrDie(path), RawSafetensors(header, data));
  EXPECT_TRUE(SafetensorsFile::Open(path).ok());
}

TEST(SafetensorsWriter, RefusesWhatTheHeaderDoesNotSay) {
  TemporaryFolder folder;
  const std::string path = folder.Path("model.safetensors");
  auto writer = SafetensorsWriter::Create(path, {{"a", Dtype::kF16, {2}}});
  ASSERT_TRUE(writer.ok()) << writer.status();
  const auto message = [](const absl::Status& status) { return std::string(status.message()); };
  EXPECT_THAT(message((*writer)->Finish()), HasSubstr("tensor a: was not written"));
  EXPECT_THAT(message((*writer)->Write("b", Bytes(4, 0))), HasSubstr("tensor b: is none"));
  EXPECT_THAT(message((*writer)->Write("a", Bytes(3, 0))), HasSubstr("expected 4 bytes"));
  EXPECT_TRUE((*writer)->Write("a", Bytes(4, 0)).ok());
  EXPECT_THAT(message((*writer)->Write("a", Bytes(4, 0))), HasSubstr("written already"));
  writer->reset();  // without Finish nothing is left
  EXPECT_EQ(folder.FileCount(), 0u);
}

TEST(SafetensorsModelWriter, CutsAModelIntoShards) {
  TemporaryFolder folder;
  const std::string& path = folder.path();
  const std::vector<SafetensorsEntry> tensors = {{"a", Dtype::kU8, {60}},
                                                 {"b", Dtype::kU8, {40}},
                                                 {"c", Dtype::kU8, {1}},
                                                 {"large", Dtype::kU8, {300}},
                                                 {"e", Dtype::kU8, {7}}};
  auto writer = SafetensorsModelWriter::Create(path, tensors, 100);
  ASSERT_TRUE(writer.ok()) << writer.status();
  for (const SafetensorsEntry& tensor : tensors) {
    ASSERT_TRUE((*writer)->Write(tensor.name, Bytes(tensor.bytes(), tensor.name[0])).ok());
  }
  ASSERT_TRUE((*writer)->Finish().ok());
  const auto model = SafetensorsModel::Open(*ModelDirectory::Open(path));
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_EQ((*model)->files().size(), 4u);  // a b, c, large, e
  EXPECT_EQ((*model)->FindTensor("b")->file, (*model)->FindTensor("a")->file);
  for (const SafetensorsEntry& tensor : tensors) {
    const SafetensorsTensor* read = (*model)->FindTensor(tensor.name);
    ASSERT_NE(read, nullptr);
    EXPECT_EQ(std::vector<uint8_t>(read->data, read->data + read->bytes),
              Bytes(tensor.bytes(), tensor.name[0]));
  }
}

TEST(SafetensorsModelWriter, OneFileNeedsNoIndex) {
  TemporaryFolder folder;
  const std::string& path = folder.path();
  auto writer = SafetensorsModelWriter::Create(path, {{"a", Dtype::kU8, {6}}}, 6);
  ASSERT_TRUE(writer.ok()) << writer.status();
  ASSERT_TRUE((*writer)->Write("a", Bytes(6, 1)).ok());
  ASSERT_TRUE((*writer)->Finish().ok());
  EXPECT_TRUE(std::filesystem::exists(path + "/model.safetensors"));
  EXPECT_FALSE(std::filesystem::exists(path + "/model.safetensors.index.json"));
}

}  // namespace
}  // namespace quantd
