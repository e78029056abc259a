#ifndef QUANTD_SERVER_STATUS_MAPPING_H_
#define QUANTD_SERVER_STATUS_MAPPING_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "grpcpp/support/status.h"
#include "quantd/v1/errors.pb.h"

namespace quantd {

/// INVALID_ARGUMENT "FIELD: WHAT", the form in which every layer reports a wrong field.
absl::Status FieldError(absl::string_view field, absl::string_view what);

/// The field of an INVALID_ARGUMENT "field: what" or "field of something: what"; "" when the
/// message names none.
absl::string_view FieldOf(const absl::Status& status);

/// `status` with the advice to try again after `delay`.
absl::Status WithRetryDelay(absl::Status status, absl::Duration delay);

/// The same code and message for the wire. A wrong field and a retry delay become an ErrorDetail
/// within an RpcStatus in the details.
grpc::Status ToGrpcStatus(const absl::Status& status);

/// The way back, for clients: code and message only.
absl::Status FromGrpcStatus(const grpc::Status& status);
/// The details of an error from this server; empty when there are none.
v1::ErrorDetail DetailOf(const grpc::Status& status);

}  // namespace quantd

#endif  // QUANTD_SERVER_STATUS_MAPPING_H_
