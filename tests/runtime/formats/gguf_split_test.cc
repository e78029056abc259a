// Models that are split over several files.

#include <unistd.h>

#include <filesystem>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/formats/gguf.h"
#include "runtime/formats/scheme_table.h"
#include "tests/runtime/formats/gguf_builder.h"

namespace quantd {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

/// A part with one tensor of 8 floats, all equal to `value`; "" for none.
GgufBuilder Part(uint16_t no, uint16_t count, const std::string& tensor, float value) {
  GgufBuilder file;
  file.keys = {RawKey("split.no", 2, Raw(no)), RawKey("split.count", 2, Raw(count)),
               RawKey("split.tensors.count", 5, Raw<int32_t>(2))};
  if (tensor.empty()) return file;
  file.tensors = {{tensor, {8}, 0, 0}};
  for (int i = 0; i < 8; ++i) file.data += Raw(value);
  return file;
}

/// A model of three parts, of which the first has metadata only.
class GgufSplitTest : public ::testing::Test {
 protected:
  GgufSplitTest() {
    GgufBuilder first = Part(0, 3, "", 0);
    first.keys.push_back(RawKey("general.name", 8, RawString("x")));
    Write(1, first);
    Write(2, Part(1, 3, "a", 1));
    Write(3, Part(2, 3, "b", 2));
  }
  std::string Name(int no) const { return absl::StrFormat("m-%05d-of-00003.gguf", no); }
  std::string Path(int no) const { return folder_.Path(Name(no)); }
  void Write(int no, const GgufBuilder& file) { folder_.Write(Name(no), file.Bytes()); }
  void ExpectError(int no, const std::string& message) {
    const absl::Status status = GgufFile::Open(Path(1)).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << status;
    EXPECT_THAT(std::string(status.message()), StartsWith(Path(no) + ": "));
    EXPECT_THAT(std::string(status.message()), HasSubstr(message));
  }
  const TemporaryFolder folder_;
};

TEST_F(GgufSplitTest, OpeningTheFirstPartOpensAll) {
  const auto file = GgufFile::Open(Path(1));
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ((*file)->path(), Path(1));
  EXPECT_EQ(*(*file)->String("general.name"), "x");
  EXPECT_EQ((*file)->part_count(), 3u);
  uint64_t bytes = 0;
  for (int no = 1; no <= 3; ++no) bytes += std::filesystem::file_size(Path(no));
  EXPECT_EQ((*file)->file_bytes(), bytes);
  ASSERT_EQ((*file)->tensors().size(), 2u);
  const GgufTensor* b = (*file)->FindTensor("b");
  ASSERT_EQ(b, &(*file)->tensors()[1]);
  EXPECT_THAT(*ReadFloats(**file, *(*file)->FindTensor("a")), ElementsAre(1, 1, 1, 1, 1, 1, 1, 1));
  (*file)->GiveBack(*b);
  EXPECT_THAT(*ReadFloats(**file, *b), ElementsAre(2, 2, 2, 2, 2, 2, 2, 2));
}

TEST_F(GgufSplitTest, ErrorsOfATensorNameItsPart) {
  const auto file = GgufFile::Open(Path(1));
  ASSERT_TRUE(file.ok()) << file.status();
  ASSERT_EQ(truncate(Path(3).c_str(), 100), 0);
  EXPECT_TRUE(ReadFloats(**file, *(*file)->FindTensor("a")).ok());
  const absl::Status status = ReadFloats(**file, *(*file)->FindTensor("b")).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(status.message()), StartsWith(Path(3) + ": tensor b: the file became"));
}

TEST_F(GgufSplitTest, NamesThePartThatIsMissingOrBroken) {
  folder_.Write(Name(3), "GGUF");
  ExpectError(3, "version");
  std::filesystem::remove(Path(3));
  const absl::Status status = GgufFile::Open(Path(1)).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(status.message()), StartsWith(Path(3) + ": "));
}

TEST_F(GgufSplitTest, SaysWhichPartToOpen) {
  const absl::Status status = GgufFile::Open(Path(2)).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(status.message(), absl::StrCat(Path(2),
                                           ": split.no: this is part 2 of 3; give the "
                                           "first, ",
                                           Path(1)));
}

TEST_F(GgufSplitTest, RefusesPartsThatDoNotBelongTogether) {
  Write(3, Part(1, 3, "b", 2));
  ExpectError(3, "split.no: 1, but by its name it is 2");
  Write(3, Part(2, 4, "b", 2));
  ExpectError(3, "split.count: 4, but " + Path(1) + " says 3");
  Write(3, SmallGguf());
  ExpectError(3, "split.count: the key is missing");
  Write(3, Part(2, 3, "a", 2));
  ExpectError(3, "tensor a: an earlier part has a tensor of this name");
  Write(3, Part(2, 3, "", 2));
  ExpectError(1, "split.tensors.count: 2, but the 3 parts have 1 tensors");
}

TEST_F(GgufSplitTest, RefusesAFirstPartWhoseKeysOrNameAreWrong) {
  Write(1, Part(0, 2, "", 0));
  ExpectError(1, "split.no: part 1 of 2, but its name does not end in -00001-of-00002.gguf");
  Write(1, Part(3, 3, "", 0));
  ExpectError(1, "split.no: part 4 of 3 does not exist");
  Write(1, Part(0, 65535, "", 0));
  ExpectError(1, "split.count: 65535 exceeds the limit of 1024");
  GgufBuilder no_number;
  no_number.keys = {RawKey("split.count", 2, Raw<uint16_t>(3))};
  Write(1, no_number);
  ExpectError(1, "split.no: the key is missing");
  no_number.keys = {RawKey("split.count", 8, RawString("3"))};
  Write(1, no_number);
  ExpectError(1, "split.count: expected an unsigned integer, found string");
}

TEST_F(GgufSplitTest, AModelOfOnePartNeedsNoName) {
  GgufBuilder builder = SmallGguf();
  builder.keys.push_back(RawKey("split.count", 2, Raw<uint16_t>(1)));
  const auto file = GgufFile::Open(folder_.Write("one.gguf", builder.Bytes()));
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ((*file)->part_count(), 1u);
}

}  // namespace
}  // namespace quantd
