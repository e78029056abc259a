#include "kernels/attention/attention.h"

#include <atomic>

#include "kernels/attention/attention_kernels.h"
#include "kernels/attention/attention_plan.h"
#include "kernels/base/aligned_buffer.h"
#include "kernels/base/check.h"

namespace quantd {
namespace {

static_assert(kTileBlockTokens == kKvBlockTokens);

// The calling thread's memory, grown when needed and kept.
float* ThreadFloats(int64_t floats) {
  thread_local AlignedBuffer buffer;
  const size_t bytes = static_cast<size_t>(floats) * sizeof(float);
  if (buffer.size() < bytes) buffer = AlignedBuffer(bytes);
  QUANTD_CHECK(buffer.size() >= bytes, "out of memory for attention");
  return buffer.as<float>();
}

// One thread's work on the items of a plan.
class Worker {
 public:
  Worker(const AttentionFunctions& functions, const AttentionCall& call, AttentionPlan& plan)
      : functions_(functions), plan_(plan) {
    const int64_t queries = plan.most_queries(), dim = call.kv.layout.head_dim;
    state_ = ThreadFloats(2 * StateFloats(queries, dim) + ScratchFloats(queries, dim));
    part_ = state_ + StateFloats(queries, dim);
    scratch_ = part_ + StateFloats(queries, dim);
  }

  // `next`: the item that will probably follow, or null.
  void Run(const AttentionPlan::Item& item, const AttentionPlan::Item* next) {
    AttentionTile tile = plan_.Tile(item), next_tile;
    if (next != nullptr) {
      next_tile = plan_.Tile(*next);
      tile.next = &next_tile;
    }
    if (item.split >= 0) return RunPart(item, tile);
    functions_.attend(tile, item.begin, state_, scratch_);
    for (int64_t segment = item.begin + 1; segment < item.end; ++segment) {
      functions_.attend(tile, segment, part_, scratch_);
      functions_.merge(tile, segment, state_, part_);
    }
    functions_.finish(tile, state_);
  }

 private:
  void RunPart(const AttentionPlan::Item& item, const AttentionTile& tile) {
    AttentionPlan::SplitTile& split = plan_.split(item);
    for (int64_t segment = item.begin; segment < item.end; ++segment) {
      functions_.attend(tile, segment, split.state(segment), scratch_);
    }
    if (std::atomic_ref(split.items_left).fetch_sub(1, std::memory_order_acq_rel) > 1) return;
    for (int64_t s = split.first + 1; s < split.first + split.segments; ++s) {
      functions_.merge(tile, s, split.states, split.state(s));
    }
    functions_.finish(tile, split.states);
  }

  const AttentionFunctions& functions_;
  AttentionPlan& plan_;
  float *state_, *part_, *scratch_;
};

// Threads take the items one by one, so that none waits long for another whatever the contexts. As
// long as all get on alike, a thread's next item is as many further as there are threads.
template <const AttentionFunctions (&kFunctions)[kKvTypes], KvType kType>
void Run(const AttentionCall& call, ThreadPool& pool) {
  thread_local AttentionPlan plan;
  plan.Make(call, pool.size());
  std::atomic<size_t> next = 0;
  const auto work = [&call, &next, plan = &plan, threads = pool.size()](int) {
    Worker worker(kFunctions[static_cast<int>(kType)], call, *plan);
    const std::vector<AttentionPlan::Item>& items = plan->items();
    for (size_t i = next++; i < items.size(); i = next++) {
      const size_t following = i + threads;
      worker.Run(items[i], following < items.size() ? &items[following] : nullptr);
    }
  };
  if (plan.items().size() <= 1) {
    work(0);
  } else {
    pool.Run(work);
  }
}

template <const AttentionFunctions (&kFunctions)[kKvTypes], KvType kType>
void Store(const KvView& kv, int layer, const int32_t* blocks, int64_t position, const float* k,
           const float* v) {
  const KvLayout& layout = kv.layout;
  auto* const block = reinterpret_cast<unsigned char*>(kv.base) +
                      blocks[position / kKvBlockTokens] * layout.block_bytes();
  for (int64_t head = 0; head < layout.kv_heads; ++head) {
    const int64_t plane = head * layout.head_bytes(), vector = head * layout.head_dim;
    kFunctions[static_cast<int>(kType)].store(
        k + vector, v + vector, layout.head_dim, position % kKvBlockTokens,
        block + layout.k_offset(layer) + plane, block + layout.v_offset(layer) + plane);
  }
}

template <const AttentionFunctions (&kFunctions)[kKvTypes], KvType kType>
constexpr AttentionKernel Kernel(const char* name, Isa isa) {
  return {name, isa, kType, Store<kFunctions, kType>, Run<kFunctions, kType>};
}

constexpr AttentionKernel kKernels[] = {
    Kernel<isa_reference::kAttention, KvType::kF32>("attention_f32_reference", Isa::kReference),
    Kernel<isa_reference::kAttention, KvType::kF16>("attention_f16_reference", Isa::kReference),
    Kernel<isa_reference::kAttention, KvType::kBf16>("attention_bf16_reference", Isa::kReference),
    Kernel<isa_reference::kAttention, KvType::kInt8>("attention_int8_reference", Isa::kReference),
#if defined(QUANTD_ISA_KERNELS)
    Kernel<isa_avx2::kAttention, KvType::kF32>("attention_f32_avx2", Isa::kAvx2),
    Kernel<isa_avx2::kAttention, KvType::kF16>("attention_f16_avx2", Isa::kAvx2),
    Kernel<isa_avx2::kAttention, KvType::kBf16>("attention_bf16_avx2", Isa::kAvx2),
    Kernel<isa_avx2::kAttention, KvType::kInt8>("attention_int8_avx2", Isa::kAvx2),
    Kernel<isa_avx512vnni::kAttention, KvType::kF32>("attention_f32_avx512vnni", Isa::kAvx512Vnni),
    Kernel<isa_avx512vnni::kAttention, KvType::kF16>("attention_f16_avx512vnni", Isa::kAvx512Vnni),
    Kernel<isa_avx512vnni::kAttention, KvType::kBf16>("attention_bf16_avx512vnni",
                                                      Isa::kAvx512Vnni),
    Kernel<isa_avx512vnni::kAttention, KvType::kInt8>("attention_int8_avx512vnni",
                                                      Isa::kAvx512Vnni),
#endif
};

}  // namespace

const std::vector<KvTypeInfo>& KvTypes() {
  static const auto* const types = new std::vector<KvTypeInfo>{
      {KvType::kF32, "F32", 4, false, "fma on floats"},
      {KvType::kF16, "F16", 2, false, "converted to float in registers, then fma"},
      {KvType::kBf16, "BF16", 2, false, "widened to float in registers, then fma"},
      {KvType::kInt8, "INT8", 1, true, "codes converted to float in registers, then fma"},
  };
  return *types;
}

const KvTypeInfo& Info(KvType type) { return KvTypes()[static_cast<size_t>(type)]; }

const std::vector<const AttentionKernel*>& AttentionKernels() {
  static const auto* const kernels = [] {
    auto* list = new std::vector<const AttentionKernel*>;
    for (const AttentionKernel& kernel : kKernels) list->push_back(&kernel);
    return list;
  }();
  return *kernels;
}

}  // namespace quantd
