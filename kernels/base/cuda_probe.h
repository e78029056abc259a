#ifndef QUANTD_KERNELS_BASE_CUDA_PROBE_H_
#define QUANTD_KERNELS_BASE_CUDA_PROBE_H_

#include <string>

namespace quantd {

/// What the CUDA runtime says of this machine, for people: the GPUs with their compute capability
/// and memory, or why there is none. A build without the toolkit (QUANTD_CUDA=OFF) says that.
/// Never fails: a machine without GPU or driver is a normal answer.
std::string DescribeCuda();

}  // namespace quantd

#endif  // QUANTD_KERNELS_BASE_CUDA_PROBE_H_
