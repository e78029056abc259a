// Models, Hardware, Tokenize and health through a real daemon.
#include <future>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "grpcpp/generic/generic_stub.h"
#include "server/status_mapping.h"
#include "tests/integration/server_fixture.h"

namespace quantd {
namespace {

using grpc::health::v1::HealthCheckResponse;

class ServerModelsTest : public ServerTest {
 protected:
  grpc::Status Load(const std::string& name, const std::string& path, v1::Model* model,
                    bool wait = true) {
    grpc::ClientContext context;
    v1::LoadModelRequest request;
    request.set_name(name);
    request.set_path(path);
    request.set_wait(wait);
    return models_->LoadModel(&context, request, model);
  }
  grpc::Status Unload(const std::string& name) {
    grpc::ClientContext context;
    v1::UnloadModelRequest request;
    request.set_name(name);
    v1::UnloadModelResponse response;
    return models_->UnloadModel(&context, request, &response);
  }
  std::vector<std::string> Names() {
    grpc::ClientContext context;
    v1::ListModelsResponse response;
    EXPECT_TRUE(models_->ListModels(&context, {}, &response).ok());
    std::vector<std::string> names;
    for (const v1::Model& model : response.models()) names.push_back(model.name());
    return names;
  }
};

TEST_F(ServerModelsTest, TellsWhatWasLoaded) {
  ASSERT_NO_FATAL_FAILURE(StartDemo());
  grpc::ClientContext context;
  v1::Model model;
  ASSERT_TRUE(models_->GetModel(&context, {}, &model).ok());
  EXPECT_EQ(model.name(), "demo");
  EXPECT_EQ(model.state(), v1::MODEL_STATE_READY);
  EXPECT_EQ(model.progress(), 1);
  EXPECT_EQ(model.info().architecture(), "llama");
  EXPECT_EQ(model.info().format(), "F16");
  EXPECT_EQ(model.info().vocab_size(), 2048);
  EXPECT_EQ(model.info().context_length(), 256);
  EXPECT_EQ(model.info().kv_cache_type(), v1::KV_CACHE_TYPE_F16);
  EXPECT_GT(model.info().weight_bytes(), 10 << 20);
  EXPECT_GT(model.engine().kv_blocks_total(), 0);
  EXPECT_TRUE(model.engine().alive());

  grpc::ClientContext info_context;
  v1::ServerInfo info;
  ASSERT_TRUE(models_->GetServerInfo(&info_context, {}, &info).ok());
  EXPECT_FALSE(info.version().empty());
  EXPECT_FALSE(info.draining());
  EXPECT_EQ(info.max_receive_bytes(), DemoConfig().grpc.max_receive_bytes);
}

TEST_F(ServerModelsTest, SecondModelComesAndGoesWhileTheFirstServes) {
  ASSERT_NO_FATAL_FAILURE(StartDemo());
  EXPECT_EQ(Health("second"), -1);
  v1::Model model;
  const grpc::Status loaded = Load("second", SourcePath(kSecondModel), &model);
  ASSERT_TRUE(loaded.ok()) << loaded.error_message();
  EXPECT_EQ(model.state(), v1::MODEL_STATE_READY);
  EXPECT_EQ(model.info().format(), "Q4_0");
  EXPECT_THAT(Names(), ::testing::ElementsAre("demo", "second"));
  EXPECT_EQ(Health("second"), HealthCheckResponse::SERVING);

  // With two models a request must say which.
  EXPECT_EQ(Generate(Greedy("ROMEO:", 2)).error_code(), grpc::StatusCode::NOT_FOUND);
  v1::GenerateRequest request = Greedy("ROMEO:", 8);
  request.set_model("second");
  v1::GenerateResponse response;
  ASSERT_TRUE(Generate(request, &response).ok());
  EXPECT_EQ(response.prompt().model(), "second");

  // The same again is no change; the same name for another file is refused.
  EXPECT_TRUE(Load("second", SourcePath(kSecondModel), &model).ok());
  EXPECT_EQ(Load("second", SourcePath(kDemoModel), &model).error_code(),
            grpc::StatusCode::ALREADY_EXISTS);

  EXPECT_TRUE(Unload("second").ok());
  EXPECT_THAT(Names(), ::testing::ElementsAre("demo"));
  EXPECT_EQ(Health("second"), HealthCheckResponse::NOT_SERVING);
  EXPECT_EQ(Health(""), HealthCheckResponse::SERVING);
  EXPECT_EQ(Generate(request).error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(Unload("second").error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_TRUE(Generate(Greedy("ROMEO:", 2)).ok());
}

TEST_F(ServerModelsTest, LoadErrorsSayWhatIsWrong) {
  ASSERT_NO_FATAL_FAILURE(StartDemo());
  v1::Model model;
  const grpc::Status unnamed = Load("", SourcePath(kSecondModel), &model);
  EXPECT_EQ(unnamed.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  ASSERT_EQ(DetailOf(unnamed).field_violations_size(), 1) << unnamed.error_message();
  EXPECT_EQ(DetailOf(unnamed).field_violations(0).field(), "name");
  EXPECT_EQ(Load("x/y", SourcePath(kSecondModel), &model).error_code(),
            grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(Load("gone", "/nowhere/model.gguf", &model).error_code(), grpc::StatusCode::NOT_FOUND);
  const grpc::Status corrupt =
      Load("corrupt", SourcePath("tests/golden/shakespeare-6m.expected.json"), &model);
  EXPECT_EQ(corrupt.error_code(), grpc::StatusCode::DATA_LOSS) << corrupt.error_message();
  EXPECT_THAT(corrupt.error_message(), ::testing::HasSubstr("expected.json"));
  // A failed load of somebody's does not make the server unready.
  EXPECT_EQ(Health(""), HealthCheckResponse::SERVING);
  EXPECT_EQ(Unload("").error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(ServerModelsTest, UnloadingWaitsForRunningRequests) {
  ASSERT_NO_FATAL_FAILURE(StartDemo(LongConfig()));
  grpc::ClientContext context;
  const auto reader = inference_->GenerateStream(&context, Long("running", 2000));
  StreamResult result;
  v1::GenerateEvent event;
  ASSERT_TRUE(reader->Read(&event));
  Add(event, &result);
  grpc::Status unloaded;
  std::thread unload([&] { unloaded = Unload("demo"); });
  ASSERT_TRUE(Eventually([&] {
    grpc::ClientContext get;
    v1::Model model;
    return models_->GetModel(&get, {}, &model).ok() && model.state() == v1::MODEL_STATE_UNLOADING;
  }));
  EXPECT_EQ(Generate(Greedy("a", 1)).error_code(), grpc::StatusCode::UNAVAILABLE);
  while (reader->Read(&event)) Add(event, &result);
  EXPECT_TRUE(reader->Finish().ok());
  EXPECT_EQ(result.output.token_ids_size(), 2000);
  unload.join();
  EXPECT_TRUE(unloaded.ok()) << unloaded.error_message();
  // Nobody asks for the model any more: an empty server is ready for the next one.
  EXPECT_EQ(Health(""), HealthCheckResponse::SERVING);
}

TEST_F(ServerModelsTest, NotReadyUntilTheModelIs) {
  ServerConfig config = DemoConfig();
  config.models[0].path = "/nowhere/model.gguf";
  ASSERT_NO_FATAL_FAILURE(StartDaemon(config));
  EXPECT_FALSE(daemon_->AwaitModels(absl::Seconds(30)).ok());
  const Daemon::LoadResult result = daemon_->AwaitSettled();
  EXPECT_EQ(result.ready, 0);
  EXPECT_EQ(result.failed, 1);
  EXPECT_EQ(Health(""), HealthCheckResponse::NOT_SERVING);
  EXPECT_EQ(Health("demo"), HealthCheckResponse::NOT_SERVING);
  EXPECT_EQ(Generate(Greedy("a", 1)).error_code(), grpc::StatusCode::UNAVAILABLE);
  // Another load under its name makes up for it.
  v1::Model model;
  ASSERT_TRUE(Load("demo", SourcePath(kDemoModel), &model).ok());
  EXPECT_EQ(Health("demo"), HealthCheckResponse::SERVING);
  EXPECT_EQ(Health(""), HealthCheckResponse::SERVING);
  EXPECT_TRUE(daemon_->AwaitModels(absl::ZeroDuration()).ok());
}

TEST_F(ServerModelsTest, TableOfKernelsIsWholeAndConsistent) {
  ASSERT_NO_FATAL_FAILURE(StartDemo());
  grpc::ClientContext all_context, some_context;
  v1::ListKernelsResponse all, some;
  ASSERT_TRUE(hardware_->ListKernels(&all_context, {}, &all).ok());
  std::set<std::string> selected_formats, names;
  for (const v1::Kernel& kernel : all.kernels()) {
    EXPECT_TRUE(
        names.insert(absl::StrCat(kernel.op(), "/", kernel.name(), "/", kernel.format())).second)
        << kernel.name();
    EXPECT_FALSE(kernel.how().empty()) << kernel.name();
    EXPECT_EQ(kernel.selected(), kernel.reason().empty()) << kernel.name();
    EXPECT_TRUE(!kernel.selected() || (kernel.feasible() && !kernel.quarantined()));
    if (kernel.op() == "gemm" && kernel.selected()) selected_formats.insert(kernel.format());
  }
  for (const char* format : {"F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1"}) {
    EXPECT_EQ(selected_formats.count(format), 1u) << format;
  }
  v1::ListKernelsRequest request;
  request.set_op("gemm");
  request.set_format("Q4_0");
  ASSERT_TRUE(hardware_->ListKernels(&some_context, request, &some).ok());
  EXPECT_GT(some.kernels_size(), 1);
  for (const v1::Kernel& kernel : some.kernels()) {
    EXPECT_EQ(kernel.op(), "gemm");
    EXPECT_EQ(kernel.format(), "Q4_0");
  }
}

TEST_F(ServerModelsTest, ExplainsEveryWeight) {
  ASSERT_NO_FATAL_FAILURE(StartDemo());
  grpc::ClientContext context, missing_context;
  v1::ExplainModelResponse response;
  ASSERT_TRUE(hardware_->ExplainModel(&context, {}, &response).ok());
  EXPECT_EQ(response.model(), "demo");
  // Seven matrices in each of the layers, the embedding and what the output needs.
  EXPECT_GE(response.weights_size(), 7 * 6 + 1);
  int64_t bytes = 0, total_bytes = 0;
  int total_weights = 0;
  for (const v1::WeightKernels& weight : response.weights()) {
    EXPECT_EQ(weight.format(), "F16") << weight.tensor();
    EXPECT_FALSE(weight.decode_kernel().empty() || weight.batch_kernel().empty() ||
                 weight.isa().empty() || weight.how().empty());
    EXPECT_GT(weight.n() * weight.k(), 0);
    bytes += weight.packed_bytes();
  }
  for (const v1::KernelTotals& total : response.totals()) {
    total_weights += total.weights();
    total_bytes += total.packed_bytes();
  }
  EXPECT_EQ(total_weights, response.weights_size());
  EXPECT_EQ(total_bytes, bytes);
  v1::ExplainModelRequest missing;
  missing.set_model("nope");
  EXPECT_EQ(hardware_->ExplainModel(&missing_context, missing, &response).error_code(),
            grpc::StatusCode::NOT_FOUND);
}

TEST_F(ServerModelsTest, TellsTheMachine) {
  ServerConfig config = DemoConfig();
  config.runtime.threads = 2;
  ASSERT_NO_FATAL_FAILURE(StartDemo(config));
  grpc::ClientContext context;
  v1::GetHardwareResponse response;
  ASSERT_TRUE(hardware_->GetHardware(&context, {}, &response).ok());
  EXPECT_THAT(response.isas(), ::testing::Contains("reference"));
  EXPECT_EQ(response.threads(), 2);
  EXPECT_GT(response.memory_bytes(), 0);
}

// Without the stubs of the reflection service, which gRPC does not install: one request message,
// list_services (field 7) = "", and the names in the answer.
TEST_F(ServerModelsTest, ReflectionListsTheServices) {
  ASSERT_NO_FATAL_FAILURE(StartDemo());
  const grpc::Slice list("\x3a\x00", 2);
  const grpc::ByteBuffer request(&list, 1);
  grpc::ByteBuffer response;
  grpc::ClientContext context;
  std::promise<grpc::Status> done;
  grpc::GenericStub(channel_).UnaryCall(
      &context, "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", {}, &request,
      &response, [&](grpc::Status status) { done.set_value(std::move(status)); });
  const grpc::Status status = done.get_future().get();
  ASSERT_TRUE(status.ok()) << status.error_message();
  grpc::Slice answer;
  ASSERT_TRUE(response.DumpToSingleSlice(&answer).ok());
  const std::string names(reinterpret_cast<const char*>(answer.begin()), answer.size());
  for (const char* service :
       {"quantd.v1.Inference", "quantd.v1.Models", "quantd.v1.Hardware", "grpc.health.v1.Health"}) {
    EXPECT_THAT(names, ::testing::HasSubstr(service));
  }
}

TEST_F(ServerModelsTest, TokensMakeARoundTrip) {
  ASSERT_NO_FATAL_FAILURE(StartDemo());
  for (const std::string text :
       {"ROMEO: good morrow", "na\u00efve \u2014 \U0001F600", "", "  a\n"}) {
    grpc::ClientContext there, back;
    v1::TokenizeRequest tokenize;
    tokenize.set_text(text);
    v1::TokenizeResponse ids;
    ASSERT_TRUE(inference_->Tokenize(&there, tokenize, &ids).ok());
    v1::DetokenizeRequest detokenize;
    *detokenize.mutable_ids() = ids.ids();
    v1::DetokenizeResponse result;
    ASSERT_TRUE(inference_->Detokenize(&back, detokenize, &result).ok());
    EXPECT_EQ(result.text(), text);
  }
  grpc::ClientContext bad_context;
  v1::DetokenizeRequest bad;
  bad.add_ids(3);
  bad.add_ids(2048);
  v1::DetokenizeResponse response;
  const grpc::Status status = inference_->Detokenize(&bad_context, bad, &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  ASSERT_EQ(DetailOf(status).field_violations_size(), 1);
  EXPECT_EQ(DetailOf(status).field_violations(0).field(), "ids[1]");
}

}  // namespace
}  // namespace quantd
