#include "server/status_mapping.h"

#include "gtest/gtest.h"

namespace quantd {
namespace {

TEST(StatusMappingTest, FieldIsTheWordBeforeTheColon) {
  EXPECT_EQ(FieldOf(FieldError("sampling.top_p", "2 is not in (0, 1]")), "sampling.top_p");
  EXPECT_EQ(FieldOf(absl::InvalidArgumentError("stop[3]: is empty")), "stop[3]");
  EXPECT_EQ(FieldOf(absl::InvalidArgumentError("logit_bias of token 5: too much")), "logit_bias");
  EXPECT_EQ(FieldOf(absl::InvalidArgumentError("something of the kind")), "");
  EXPECT_EQ(FieldOf(absl::InvalidArgumentError("no field here")), "");
  EXPECT_EQ(FieldOf(absl::InvalidArgumentError("")), "");
  EXPECT_EQ(FieldOf(absl::InvalidArgumentError("Model.gguf: no field")), "");
  EXPECT_EQ(FieldOf(absl::NotFoundError("model: gone")), "");
}

TEST(StatusMappingTest, CodesAndMessagesGoOverTheWireAndBack) {
  for (int code = 1; code <= 16; ++code) {
    const absl::Status status(static_cast<absl::StatusCode>(code), "What it is");
    const grpc::Status wire = ToGrpcStatus(status);
    EXPECT_EQ(static_cast<int>(wire.error_code()), code);
    EXPECT_EQ(wire.error_message(), "What it is");
    EXPECT_TRUE(wire.error_details().empty());
    EXPECT_EQ(FromGrpcStatus(wire), status);
  }
  EXPECT_TRUE(ToGrpcStatus(absl::OkStatus()).ok());
}

TEST(StatusMappingTest, DetailsNameTheFieldOnce) {
  const grpc::Status status = ToGrpcStatus(FieldError("sampling.top_p", "2 is not in (0, 1]"));
  const v1::ErrorDetail detail = DetailOf(status);
  ASSERT_EQ(detail.field_violations_size(), 1);
  EXPECT_EQ(detail.field_violations(0).field(), "sampling.top_p");
  EXPECT_EQ(detail.field_violations(0).description(), "2 is not in (0, 1]");
  EXPECT_EQ(detail.retry_delay_seconds(), 0);
  // What google.rpc.Status readers see.
  v1::RpcStatus rpc;
  ASSERT_TRUE(rpc.ParseFromString(status.error_details()));
  EXPECT_EQ(rpc.code(), 3);
  EXPECT_EQ(rpc.message(), status.error_message());
  EXPECT_EQ(rpc.details(0).type_url(), "type.googleapis.com/quantd.v1.ErrorDetail");
}

TEST(StatusMappingTest, RetryDelayTravels) {
  const grpc::Status status = ToGrpcStatus(
      WithRetryDelay(absl::ResourceExhaustedError("the queue is full"), absl::Milliseconds(1500)));
  EXPECT_EQ(DetailOf(status).retry_delay_seconds(), 1.5);
  EXPECT_EQ(DetailOf(status).field_violations_size(), 0);
}

TEST(StatusMappingTest, ForeignDetailsAreNone) {
  const grpc::Status status(grpc::StatusCode::UNAVAILABLE, "x", "\xff\xff not a message");
  EXPECT_EQ(DetailOf(status).ByteSizeLong(), 0u);
}

}  // namespace
}  // namespace quantd
