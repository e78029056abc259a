#include "server/status_mapping.h"

#include "absl/strings/ascii.h"
#include "absl/strings/cord.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace quantd {
namespace {

// Under this name an absl::Status carries the seconds to wait, as text.
constexpr absl::string_view kRetryDelayUrl = "quantd/retry-delay-seconds";

double RetryDelaySeconds(const absl::Status& status) {
  const auto payload = status.GetPayload(kRetryDelayUrl);
  double seconds = 0;
  if (payload.has_value() && absl::SimpleAtod(std::string(*payload), &seconds)) return seconds;
  return 0;
}

bool IsFieldCharacter(unsigned char c) {
  return absl::ascii_islower(c) || absl::ascii_isdigit(c) || c == '_' || c == '.' || c == '[' ||
         c == ']';
}

}  // namespace

absl::Status FieldError(absl::string_view field, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(field, ": ", what));
}

absl::string_view FieldOf(const absl::Status& status) {
  if (!absl::IsInvalidArgument(status)) return "";
  const absl::string_view message = status.message();
  size_t end = 0;
  while (end < message.size() && IsFieldCharacter(message[end])) ++end;
  const absl::string_view rest = message.substr(end);
  const bool named = absl::StartsWith(rest, ": ") ||
                     (absl::StartsWith(rest, " of ") && absl::StrContains(rest, ": "));
  return named ? message.substr(0, end) : "";
}

absl::Status WithRetryDelay(absl::Status status, absl::Duration delay) {
  status.SetPayload(kRetryDelayUrl, absl::Cord(absl::StrCat(absl::ToDoubleSeconds(delay))));
  return status;
}

grpc::Status ToGrpcStatus(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  const auto code = static_cast<grpc::StatusCode>(status.code());
  const std::string message(status.message());

  v1::ErrorDetail detail;
  const absl::string_view field = FieldOf(status);
  if (!field.empty()) {
    v1::FieldViolation* violation = detail.add_field_violations();
    violation->set_field(std::string(field));
    violation->set_description(message.substr(message.find(": ") + 2));
  }
  detail.set_retry_delay_seconds(RetryDelaySeconds(status));
  if (detail.ByteSizeLong() == 0) return grpc::Status(code, message);

  v1::RpcStatus rpc;
  rpc.set_code(code);
  rpc.set_message(message);
  rpc.add_details()->PackFrom(detail);
  return grpc::Status(code, message, rpc.SerializeAsString());
}

absl::Status FromGrpcStatus(const grpc::Status& status) {
  return absl::Status(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
}

v1::ErrorDetail DetailOf(const grpc::Status& status) {
  v1::RpcStatus rpc;
  v1::ErrorDetail detail;
  if (rpc.ParseFromString(status.error_details())) {
    for (const google::protobuf::Any& any : rpc.details()) {
      if (any.UnpackTo(&detail)) break;
    }
  }
  return detail;
}

}  // namespace quantd
