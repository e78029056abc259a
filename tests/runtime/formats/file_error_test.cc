#include "runtime/formats/file_error.h"

#include "gtest/gtest.h"

namespace quantd {
namespace {

TEST(FileError, NamesPathFieldAndCause) {
  EXPECT_EQ(FileError("a.bin", "size", "is odd"), absl::DataLossError("a.bin: size: is odd"));
  EXPECT_EQ(UnsupportedError("a.bin", "kind", "is new"),
            absl::UnimplementedError("a.bin: kind: is new"));
}

TEST(FileError, PrintableIsAsciiAndShort) {
  EXPECT_EQ(Printable("plain.name"), "plain.name");
  EXPECT_EQ(Printable(absl::string_view("\xff\n\0", 3)), "\\xff\\n\\x00");
  EXPECT_EQ(Printable(std::string(80, 'x')), std::string(80, 'x'));
  EXPECT_EQ(Printable(std::string(81, 'x')), std::string(80, 'x') + "...");
}

}  // namespace
}  // namespace quantd
