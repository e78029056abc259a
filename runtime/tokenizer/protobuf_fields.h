#ifndef QUANTD_RUNTIME_TOKENIZER_PROTOBUF_FIELDS_H_
#define QUANTD_RUNTIME_TOKENIZER_PROTOBUF_FIELDS_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace quantd {

/// A field of a message in protobuf's wire format.
struct ProtobufField {
  uint32_t number = 0;
  enum class Kind : uint8_t { kVarint, kFixed64, kBytes, kFixed32 } kind = Kind::kVarint;
  uint64_t integer = 0;       ///< of all kinds but kBytes
  absl::string_view bytes{};  ///< of kBytes: a string, a message, a packed list

  bool Is(uint32_t wanted, Kind wanted_kind) const {
    return number == wanted && kind == wanted_kind;
  }
};

/// Takes the first field off `message`, which is not empty. Errors: DATA_LOSS saying what is wrong.
absl::StatusOr<ProtobufField> TakeProtobufField(absl::string_view* message);

}  // namespace quantd

#endif  // QUANTD_RUNTIME_TOKENIZER_PROTOBUF_FIELDS_H_
