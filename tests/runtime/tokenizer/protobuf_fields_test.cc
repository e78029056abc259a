#include "runtime/tokenizer/protobuf_fields.h"

#include <string>

#include "gtest/gtest.h"

namespace quantd {
namespace {

using Kind = ProtobufField::Kind;

TEST(ProtobufFieldsTest, ReadsEveryWireType) {
  const std::string message("\x08\x96\x01\x12\x02hi\x1D\x01\x00\x00\x80\x21\x02\0\0\0\0\0\0\0", 21);
  absl::string_view rest = message;
  auto field = TakeProtobufField(&rest);
  ASSERT_TRUE(field.ok());
  EXPECT_TRUE(field->Is(1, Kind::kVarint));
  EXPECT_EQ(field->integer, 150u);
  field = TakeProtobufField(&rest);
  ASSERT_TRUE(field->Is(2, Kind::kBytes));
  EXPECT_EQ(field->bytes, "hi");
  field = TakeProtobufField(&rest);
  ASSERT_TRUE(field->Is(3, Kind::kFixed32));
  EXPECT_EQ(field->integer, 0x80000001u);
  field = TakeProtobufField(&rest);
  ASSERT_TRUE(field->Is(4, Kind::kFixed64));
  EXPECT_EQ(field->integer, 2u);
  EXPECT_TRUE(rest.empty());
}

TEST(ProtobufFieldsTest, NegativeNumbersTakeTenBytes) {
  const std::string message = "\x08\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01";
  absl::string_view rest = message;
  EXPECT_EQ(static_cast<int64_t>(TakeProtobufField(&rest)->integer), -1);
}

TEST(ProtobufFieldsTest, RefusesWhatIsMalformed) {
  for (const std::string& message :
       {std::string("\x08"), std::string("\x08\x80"), std::string("\x12\x03hi"),
        std::string("\x1D\x01\x00\x00", 4), std::string("\x21\x01"), std::string("\x0B"),
        std::string("\x0C"), std::string("\x00\x01", 2), std::string(11, '\xFF'),
        std::string("\x12\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01")}) {
    absl::string_view rest = message;
    const auto field = TakeProtobufField(&rest);
    EXPECT_EQ(field.status().code(), absl::StatusCode::kDataLoss)
        << testing::PrintToString(message);
  }
}

}  // namespace
}  // namespace quantd
