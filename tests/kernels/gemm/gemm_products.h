#ifndef QUANTD_TESTS_KERNELS_GEMM_GEMM_PRODUCTS_H_
#define QUANTD_TESTS_KERNELS_GEMM_GEMM_PRODUCTS_H_

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "kernels/gemm/gemm.h"
#include "kernels/kernel_set.h"
#include "tests/kernels/gemm/gemm_test_util.h"

namespace quantd {

/// The kernels of this machine, within `isa` unless it is empty.
inline std::unique_ptr<KernelSet> Kernels(const std::string& isa = "") {
  return std::move(KernelSet::Create(ProbeHardware(), {isa, ""})).value();
}

inline PackedWeight Pack(const TensorSource& source, const KernelSet& kernels) {
  ThreadPool pool(1);
  return std::move(PackWeight(source, kernels, pool)).value();
}

/// x [m, w.k] times the weights by `run`, RunGemm or a function like it: [m, w.n].
template <class Run>
std::vector<float> MultiplyBy(const Run& run, const KernelSet& kernels, const PackedWeight& w,
                              const std::vector<float>& x, int threads) {
  ThreadPool pool(threads);
  const int64_t m = static_cast<int64_t>(x.size()) / w.k;
  std::vector<float> y(m * w.n);
  Activations a;
  a.Set(x.data(), m, w.k, w.k);
  const GemmOutput output{&w, y.data(), w.n};
  run(kernels, a, {&output, 1}, pool);
  return y;
}

inline std::vector<float> Multiply(const KernelSet& kernels, const PackedWeight& w,
                                   const std::vector<float>& x, int threads = 1) {
  return MultiplyBy(RunGemm, kernels, w, x, threads);
}

}  // namespace quantd

#endif  // QUANTD_TESTS_KERNELS_GEMM_GEMM_PRODUCTS_H_
