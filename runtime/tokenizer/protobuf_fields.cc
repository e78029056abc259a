#include "runtime/tokenizer/protobuf_fields.h"

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "kernels/base/status_macros.h"

namespace quantd {
namespace {

absl::StatusOr<uint64_t> TakeVarint(absl::string_view* bytes) {
  uint64_t value = 0;
  for (int shift = 0; shift < 64; shift += 7) {
    if (bytes->empty()) return absl::DataLossError("a number breaks off");
    const uint8_t byte = static_cast<uint8_t>(bytes->front());
    bytes->remove_prefix(1);
    value |= static_cast<uint64_t>(byte & 0x7F) << shift;
    if (byte < 0x80) return value;
  }
  return absl::DataLossError("a number of more than ten bytes");
}

absl::StatusOr<uint64_t> TakeFixed(size_t size, absl::string_view* bytes) {
  if (bytes->size() < size) return absl::DataLossError("a number breaks off");
  uint64_t value = 0;
  for (size_t i = size; i-- > 0;) value = value << 8 | static_cast<uint8_t>((*bytes)[i]);
  bytes->remove_prefix(size);
  return value;
}

}  // namespace

absl::StatusOr<ProtobufField> TakeProtobufField(absl::string_view* message) {
  QUANTD_ASSIGN_OR_RETURN(const uint64_t tag, TakeVarint(message));
  ProtobufField field;
  if (tag >> 3 == 0 || tag >> 32 != 0) return absl::DataLossError("a field has no valid number");
  field.number = static_cast<uint32_t>(tag >> 3);
  switch (tag & 7) {
    case 0: {
      QUANTD_ASSIGN_OR_RETURN(field.integer, TakeVarint(message));
      return field;
    }
    case 1: {
      field.kind = ProtobufField::Kind::kFixed64;
      QUANTD_ASSIGN_OR_RETURN(field.integer, TakeFixed(8, message));
      return field;
    }
    case 2: {
      field.kind = ProtobufField::Kind::kBytes;
      QUANTD_ASSIGN_OR_RETURN(const uint64_t size, TakeVarint(message));
      if (size > message->size()) {
        return absl::DataLossError(absl::StrCat("field ", field.number, " has ", size,
                                                " bytes, but ", message->size(), " are left"));
      }
      field.bytes = message->substr(0, size);
      message->remove_prefix(size);
      return field;
    }
    case 5: {
      field.kind = ProtobufField::Kind::kFixed32;
      QUANTD_ASSIGN_OR_RETURN(field.integer, TakeFixed(4, message));
      return field;
    }
    default:
      return absl::DataLossError(absl::StrCat("field ", field.number, " has wire type ", tag & 7));
  }
}

}  // namespace quantd
