#include "runtime/formats/gguf_writer.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/formats/scheme_table.h"
#include "tests/runtime/formats/gguf_builder.h"
#include "tests/support/test_data.h"

namespace quantd {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string BytesOf(const GgufTensor& tensor) {
  return std::string(reinterpret_cast<const char*>(tensor.data), tensor.bytes);
}

bool SameValue(const GgufValue& a, const GgufValue& b) {
  if (a.index() != b.index()) return false;
  const auto* array = std::get_if<GgufArray>(&a);
  if (array == nullptr) {
    return std::visit(
        [&](const auto& value) {
          using T = std::decay_t<decltype(value)>;
          if constexpr (std::is_same_v<T, GgufArray>) {
            return false;
          } else {
            return value == std::get<T>(b);
          }
        },
        a);
  }
  const auto& other = std::get<GgufArray>(b);
  if (array->element != other.element || array->count != other.count) return false;
  if (array->element == GgufType::kString) return array->strings == other.strings;
  return std::memcmp(array->data, other.data, array->count * GgufTypeBytes(array->element)) == 0;
}

TEST(GgufWriter, WritesExactlyTheBytesOfTheFormat) {
  GgufBuilder expected = SmallGguf();
  expected.keys.push_back(RawKey("flag", 7, Raw<uint8_t>(1)));
  expected.keys.push_back(RawKey("half", 6, Raw(0.5f)));
  expected.keys.push_back(RawKey("words", 9, RawArray(8, 2, RawString("a") + RawString(""))));
  expected.keys.push_back(RawKey("floats", 9, RawArray(6, 1, Raw(2.0f))));
  expected.keys.push_back(RawKey("ints", 9, RawArray(5, 1, Raw<int32_t>(-3))));
  expected.data = std::string(64, 'x') + std::string(54, 'y') + std::string(10, '\0');

  GgufWriter writer;
  writer.SetString("general.architecture", "replaced below");
  writer.SetUint32("answer", 42);
  writer.SetString("general.architecture", "llama");
  writer.SetBool("flag", true);
  writer.SetFloat32("half", 0.5f);
  writer.SetStrings("words", {"a", ""});
  writer.SetFloats("floats", {2.0f});
  writer.SetInts("ints", {-3});
  writer.AddTensor("first", {8, 2}, 0);
  writer.AddTensor("second", {32, 3}, 2);
  const TemporaryFolder folder;
  const absl::Status status =
      writer.Write(folder.Path("out.gguf"), [](size_t index, std::vector<uint8_t>* bytes) {
        bytes->assign(index == 0 ? 64 : 54, index == 0 ? 'x' : 'y');
        return absl::OkStatus();
      });
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(ReadFileOrDie(folder.Path("out.gguf")), expected.Bytes());
}

TEST(GgufWriter, CopiesAModelOfAnotherProgram) {
  const auto source = GgufFile::Open(SourcePath("config/models/shakespeare-6m-Q8_0.gguf"));
  ASSERT_TRUE(source.ok()) << source.status();
  GgufWriter writer;
  for (const GgufKeyValue& entry : (*source)->metadata()) writer.Copy(entry);
  for (const GgufTensor& tensor : (*source)->tensors()) {
    writer.AddTensor(tensor.name, tensor.shape, tensor.type);
  }
  const TemporaryFolder folder;
  const absl::Status status =
      writer.Write(folder.Path("copy.gguf"), [&](size_t index, std::vector<uint8_t>* bytes) {
        const GgufTensor& tensor = (*source)->tensors()[index];
        bytes->assign(tensor.data, tensor.data + tensor.bytes);
        return absl::OkStatus();
      });
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(folder.FileCount(), 1u);
  const auto copy = GgufFile::Open(folder.Path("copy.gguf"));
  ASSERT_TRUE(copy.ok()) << copy.status();
  ASSERT_EQ((*copy)->metadata().size(), (*source)->metadata().size());
  for (const GgufKeyValue& entry : (*source)->metadata()) {
    const GgufKeyValue* copied = (*copy)->Find(entry.key);
    ASSERT_NE(copied, nullptr) << entry.key;
    EXPECT_EQ(copied->type, entry.type) << entry.key;
    EXPECT_TRUE(SameValue(copied->value, entry.value)) << entry.key;
  }
  ASSERT_EQ((*copy)->tensors().size(), (*source)->tensors().size());
  for (const GgufTensor& tensor : (*source)->tensors()) {
    EXPECT_EQ(BytesOf(*(*copy)->FindTensor(tensor.name)), BytesOf(tensor)) << tensor.name;
  }
}

TEST(GgufWriter, CopiesEveryScalarTypeAtItsExtremesAndDropsAlignment) {
  GgufBuilder builder;
  builder.keys = {RawKey("u8", 0, Raw<uint8_t>(255)),
                  RawKey("i8", 1, Raw<int8_t>(-128)),
                  RawKey("u16", 2, Raw<uint16_t>(65535)),
                  RawKey("i16", 3, Raw<int16_t>(-32768)),
                  RawKey("i32", 5, Raw<int32_t>(-2147483647 - 1)),
                  RawKey("u64", 10, Raw<uint64_t>(~uint64_t{0})),
                  RawKey("i64", 11, Raw<int64_t>(-9)),
                  RawKey("f64", 12, Raw<double>(1e300)),
                  RawKey("u16s", 9, RawArray(2, 2, Raw<uint32_t>(0x20001)))};
  const std::string expected = builder.Bytes();
  builder.keys.push_back(RawKey("general.alignment", 4, Raw<uint32_t>(64)));
  const TemporaryFolder folder;
  const auto source = GgufFile::Open(folder.Write("in.gguf", builder.Bytes()));
  ASSERT_TRUE(source.ok()) << source.status();
  GgufWriter writer;
  for (const GgufKeyValue& entry : (*source)->metadata()) writer.Copy(entry);
  ASSERT_TRUE(writer.Write(folder.Path("out.gguf"), nullptr).ok());
  EXPECT_EQ(ReadFileOrDie(folder.Path("out.gguf")), expected);
}

TEST(GgufWriter, AFailureLeavesTheOldFileAndNothingElse) {
  const TemporaryFolder folder;
  const std::string path = folder.Write("model.gguf", "old");
  GgufWriter writer;
  writer.AddTensor("w", {8}, 0);
  const absl::Status failed = writer.Write(
      path, [](size_t, std::vector<uint8_t>*) { return absl::AbortedError("generator failed"); });
  EXPECT_EQ(failed, absl::AbortedError("generator failed"));
  const absl::Status short_data = writer.Write(path, [](size_t, std::vector<uint8_t>* bytes) {
    bytes->assign(31, 0);
    return absl::OkStatus();
  });
  EXPECT_EQ(short_data.code(), absl::StatusCode::kInternal);
  EXPECT_THAT(std::string(short_data.message()), HasSubstr("tensor w: expected 32 bytes"));
  EXPECT_EQ(ReadFileOrDie(path), "old");
  EXPECT_EQ(folder.FileCount(), 1u);
}

TEST(GgufWriter, NamesAPathThatCannotBeWritten) {
  const TemporaryFolder folder;
  const absl::Status missing = GgufWriter().Write(folder.Path("absent/out.gguf"), nullptr);
  EXPECT_EQ(missing.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(missing.message()), HasSubstr("absent/out.gguf"));
  const absl::Status full = GgufWriter().Write(folder.Path("."), nullptr);
  EXPECT_FALSE(full.ok());
  EXPECT_EQ(folder.FileCount(), 0u);
}

}  // namespace
}  // namespace quantd
