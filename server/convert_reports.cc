// The second half of convert.h: models, hardware and kernels as messages.
#include <algorithm>
#include <map>
#include <tuple>

#include "server/convert.h"

namespace quantd {
namespace {

v1::ModelState ToProto(ModelState state) {
  switch (state) {
    case ModelState::kLoading:
      return v1::MODEL_STATE_LOADING;
    case ModelState::kReady:
      return v1::MODEL_STATE_READY;
    case ModelState::kUnloading:
      return v1::MODEL_STATE_UNLOADING;
    case ModelState::kFailed:
      return v1::MODEL_STATE_FAILED;
  }
  return v1::MODEL_STATE_UNSPECIFIED;
}

v1::ModelInfo InfoOf(const ServedModel& model) {
  const ModelConfig& config = model.config();
  v1::ModelInfo info;
  info.set_architecture(config.architecture);
  info.set_title(config.name);
  info.set_format(model.format());
  info.set_vocab_size(config.vocab);
  info.set_context_length(model.max_context());
  info.set_trained_context_length(config.context);
  info.set_dim(config.dim);
  info.set_layers(config.layers);
  info.set_heads(config.heads);
  info.set_kv_heads(config.kv_heads);
  info.set_file_bytes(static_cast<int64_t>(model.file_bytes()));
  info.set_weight_bytes(static_cast<int64_t>(model.model().weight_bytes()));
  info.set_kv_cache_bytes(static_cast<int64_t>(model.kv_bytes()));
  info.set_kv_cache_type(ToProto(model.kv_type()));
  info.set_load_seconds(absl::ToDoubleSeconds(model.load_time()));
  info.set_tokenizer(model.tokenizer().model_name());
  info.set_pre_tokenizer(model.tokenizer().pre_name());
  const auto chat = model.chat_template();
  if (!chat.ok()) info.set_chat_error(std::string(chat.status().message()));
  return info;
}

v1::EngineState StateOf(const EngineSnapshot& snapshot) {
  v1::EngineState state;
  state.set_running(snapshot.running);
  state.set_waiting(snapshot.waiting);
  state.set_waiting_tokens(snapshot.waiting_tokens);
  state.set_kv_blocks_total(snapshot.kv_blocks_total);
  state.set_kv_blocks_used(snapshot.kv_blocks_used);
  state.set_kv_blocks_cached(snapshot.kv_blocks_cached);
  state.set_steps(snapshot.steps);
  state.set_alive(snapshot.alive);
  return state;
}

void AddTotals(const std::vector<WeightReport>& weights, v1::ExplainModelResponse* response) {
  std::map<std::tuple<std::string, std::string, std::string>, v1::KernelTotals> totals;
  for (const WeightReport& weight : weights) {
    v1::KernelTotals& total = totals[{weight.format, weight.decode_kernel, weight.batch_kernel}];
    total.set_format(weight.format);
    total.set_decode_kernel(weight.decode_kernel);
    total.set_batch_kernel(weight.batch_kernel);
    total.set_native(weight.native);
    total.set_weights(total.weights() + 1);
    total.set_packed_bytes(total.packed_bytes() + static_cast<int64_t>(weight.packed_bytes));
  }
  for (const auto& [key, total] : totals) *response->add_totals() = total;
  std::stable_sort(response->mutable_totals()->begin(), response->mutable_totals()->end(),
                   [](const v1::KernelTotals& a, const v1::KernelTotals& b) {
                     return a.packed_bytes() > b.packed_bytes();
                   });
}

}  // namespace

v1::KvCacheType ToProto(KvType type) {
  switch (type) {
    case KvType::kF32:
      return v1::KV_CACHE_TYPE_F32;
    case KvType::kF16:
      return v1::KV_CACHE_TYPE_F16;
    case KvType::kBf16:
      return v1::KV_CACHE_TYPE_BF16;
    case KvType::kInt8:
      return v1::KV_CACHE_TYPE_INT8;
  }
  return v1::KV_CACHE_TYPE_UNSPECIFIED;
}

v1::Model ToProto(const ModelStatus& status) {
  v1::Model model;
  model.set_name(status.name);
  model.set_path(status.path);
  model.set_state(ToProto(status.state));
  model.set_progress(status.progress);
  model.set_error(std::string(status.error.message()));
  if (status.model != nullptr) {
    *model.mutable_info() = InfoOf(*status.model);
    *model.mutable_engine() = StateOf(status.model->engine().Snapshot());
  }
  return model;
}

v1::GetHardwareResponse ToProto(const Hardware& hardware, const KernelOverride& forced,
                                int threads) {
  v1::GetHardwareResponse response;
  response.set_cpu_name(hardware.cpu_name);
  response.mutable_features()->Add(hardware.features.begin(), hardware.features.end());
  for (const IsaInfo& isa : Isas()) {
    if (hardware.Supports(isa.isa)) response.add_isas(isa.name);
  }
  response.set_physical_cores(hardware.physical_cores);
  response.set_logical_cpus(hardware.logical_cpus);
  response.set_threads(threads);
  response.set_l2_bytes(hardware.l2_bytes);
  response.set_l3_bytes(hardware.l3_bytes);
  response.set_memory_bytes(hardware.memory_bytes);
  response.set_cuda_built(hardware.cuda_built);
  response.set_cuda_status(hardware.cuda_status);
  response.set_forced_isa(forced.isa);
  response.set_forced_kernel(forced.kernel);
  return response;
}

v1::Kernel ToProto(const KernelStatus& kernel) {
  v1::Kernel proto;
  proto.set_op(kernel.op);
  proto.set_name(kernel.kernel);
  proto.set_format(kernel.format);
  proto.set_isa(kernel.isa);
  proto.set_min_rows(kernel.min_m);
  proto.set_max_rows(kernel.max_m);
  proto.set_native(kernel.native);
  proto.set_how(kernel.how);
  proto.set_feasible(kernel.feasible);
  proto.set_selected(kernel.selected);
  proto.set_quarantined(kernel.quarantined);
  proto.set_reason(kernel.reason);
  proto.set_chosen_by(kernel.chosen_by);
  return proto;
}

v1::ExplainModelResponse ToProto(const std::string& model,
                                 const std::vector<WeightReport>& weights) {
  v1::ExplainModelResponse response;
  response.set_model(model);
  for (const WeightReport& weight : weights) {
    v1::WeightKernels* proto = response.add_weights();
    proto->set_tensor(weight.name);
    proto->set_format(weight.format);
    proto->set_n(weight.n);
    proto->set_k(weight.k);
    proto->set_file_bytes(static_cast<int64_t>(weight.file_bytes));
    proto->set_packed_bytes(static_cast<int64_t>(weight.packed_bytes));
    proto->set_decode_kernel(weight.decode_kernel);
    proto->set_batch_kernel(weight.batch_kernel);
    proto->set_isa(weight.isa);
    proto->set_native(weight.native);
    proto->set_how(weight.how);
  }
  AddTotals(weights, &response);
  return response;
}

}  // namespace quantd
