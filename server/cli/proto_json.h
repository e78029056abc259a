#ifndef QUANTD_SERVER_CLI_PROTO_JSON_H_
#define QUANTD_SERVER_CLI_PROTO_JSON_H_

#include "google/protobuf/message.h"
#include "server/cli/json_output.h"

namespace quantd {

/// A message as JSON for scripts: every field under its name in the .proto file, unset scalars
/// with their default, unset messages and optional fields left out, numbers as numbers, enums as
/// their name without the enum's prefix ("READY"). Maps are not supported: no answer has one.
Json ProtoToJson(const google::protobuf::Message& message);

}  // namespace quantd

#endif  // QUANTD_SERVER_CLI_PROTO_JSON_H_
