#include "runtime/formats/safetensors.h"

#include <unistd.h>

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/runtime/formats/safetensors_builder.h"

namespace quantd {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

TEST(SafetensorsFile, GivesTensorsInTheOrderOfTheHeader) {
  const std::string text = RawSafetensorsOf(
      {RawEntry("late", "F32", "[2,3]", "[8,32]"),
       "\"__metadata__\":{\"format\":\"pt\",\"\\u00e9\":\"\"}  ",
       RawEntry("early", "BF16", "[4]", "[0,8]"), RawEntry("none", "I64", "[0,7]", "[8,8]"),
       RawEntry("one", "U8", "[]", "[32,33]"), RawEntry("tiny", "F4", "[2,3]", "[33,36]")},
      std::string(36, 'x'));
  const std::vector<uint8_t> bytes(text.begin(), text.end());
  const auto file = SafetensorsFile::Parse(bytes, "a.safetensors");
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ((*file)->path(), "a.safetensors");
  EXPECT_EQ((*file)->file_bytes(), bytes.size());
  EXPECT_EQ((*file)->mapping(), nullptr);
  EXPECT_THAT((*file)->metadata(), ElementsAre(Pair("format", "pt"), Pair("\xc3\xa9", "")));
  ASSERT_EQ((*file)->tensors().size(), 5u);
  const SafetensorsTensor& late = (*file)->tensors()[0];
  EXPECT_EQ(late.name, "late");
  EXPECT_EQ(late.dtype, Dtype::kF32);
  EXPECT_THAT(late.shape, ElementsAre(2, 3));
  EXPECT_EQ(late.elements(), 6);
  EXPECT_EQ(late.bytes, 24u);
  EXPECT_EQ(late.offset, bytes.size() - 28);
  EXPECT_EQ(late.data, bytes.data() + late.offset);
  EXPECT_EQ(late.span().size(), 24u);
  EXPECT_EQ(late.file, file->get());
  EXPECT_EQ((*file)->FindTensor("late"), &late);
  EXPECT_EQ((*file)->FindTensor("early")->offset, bytes.size() - 36);
  EXPECT_EQ((*file)->FindTensor("none")->bytes, 0u);
  EXPECT_EQ((*file)->FindTensor("none")->elements(), 0);
  EXPECT_THAT((*file)->FindTensor("one")->shape, IsEmpty());
  EXPECT_EQ((*file)->FindTensor("one")->elements(), 1);
  EXPECT_EQ((*file)->FindTensor("tiny")->bytes, 3u);
  EXPECT_EQ((*file)->FindTensor("__metadata__"), nullptr);
  EXPECT_EQ(late.Error("is odd").message(), "a.safetensors: tensor late: is odd");
}

TEST(SafetensorsFile, AFileWithoutTensorsIsValid) {
  for (const char* header : {"{}", "{ \"__metadata__\" : {} }"}) {
    const std::string text = RawSafetensors(header, "");
    const std::vector<uint8_t> bytes(text.begin(), text.end());
    const auto file = SafetensorsFile::Parse(bytes, "a.safetensors");
    ASSERT_TRUE(file.ok()) << file.status();
    EXPECT_THAT((*file)->tensors(), IsEmpty());
    EXPECT_THAT((*file)->metadata(), IsEmpty());
  }
}

TEST(SafetensorsFile, ReadsMoreTensorsThanAnyModelHas) {
  std::vector<std::string> entries;
  for (int i = 0; i < 100'000; ++i) {
    entries.push_back(
        RawEntry(absl::StrCat("t", i), "U8", "[1]", absl::StrCat("[", i, ",", i + 1, "]")));
  }
  const std::string text = RawSafetensorsOf(entries, std::string(100'000, 'x'));
  const std::vector<uint8_t> bytes(text.begin(), text.end());
  const auto file = SafetensorsFile::Parse(bytes, "a.safetensors");
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ((*file)->FindTensor("t99999")->data, bytes.data() + bytes.size() - 1);
}

TEST(SafetensorsFile, OpenMapsAndSeesTruncation) {
  const TemporaryFolder folder;
  SafetensorsBuilder builder;
  builder.Add("w", "F32", {2}, Raw(1.5f) + Raw(-2.0f));
  const std::string path = folder.Write("model.safetensors", builder.Bytes());
  const auto file = SafetensorsFile::Open(path);
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_NE((*file)->mapping(), nullptr);
  const SafetensorsTensor& tensor = (*file)->tensors()[0];
  EXPECT_TRUE(tensor.CheckNotTruncated().ok());
  tensor.GiveBack();
  EXPECT_EQ(std::string(tensor.span().begin(), tensor.span().end()), Raw(1.5f) + Raw(-2.0f));
  ASSERT_EQ(truncate(path.c_str(), 10), 0);
  const absl::Status status = tensor.CheckNotTruncated();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(status.message()), HasSubstr(path + ": tensor w: "));
}

TEST(SafetensorsFile, OpenNamesAFileThatIsMissing) {
  const absl::Status status = SafetensorsFile::Open("/nonexistent/m.safetensors").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(status.message()), HasSubstr("/nonexistent/m.safetensors"));
}

}  // namespace
}  // namespace quantd
