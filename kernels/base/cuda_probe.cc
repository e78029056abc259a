#include "kernels/base/cuda_probe.h"

#include <unistd.h>

#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

#ifdef QUANTD_HAS_CUDA
#include <cuda_runtime_api.h>
#endif

namespace quantd {

#ifdef QUANTD_HAS_CUDA

std::string DescribeCuda() {
  const std::string runtime =
      absl::StrCat("CUDA ", CUDART_VERSION / 1000, ".", CUDART_VERSION % 1000 / 10,
                   " linked, no GPU kernels in this version");
  int count = 0;
  const cudaError_t error = cudaGetDeviceCount(&count);
  if (error != cudaSuccess) return absl::StrCat(runtime, "; ", cudaGetErrorString(error));
  std::vector<std::string> devices;
  for (int i = 0; i < count; ++i) {
    cudaDeviceProp device;
    if (cudaGetDeviceProperties(&device, i) != cudaSuccess) continue;
    devices.push_back(absl::StrCat(device.name, " (sm_", device.major, device.minor, ", ",
                                   device.totalGlobalMem >> 30, " GiB)"));
  }
  return absl::StrCat(runtime, "; ", devices.empty() ? "no GPU" : absl::StrJoin(devices, ", "));
}

#else

std::string DescribeCuda() {
  return access("/proc/driver/nvidia/version", F_OK) == 0
             ? "an NVIDIA driver is loaded, but this build has no CUDA backend"
             : "this build has no CUDA backend; no NVIDIA driver is loaded";
}

#endif

}  // namespace quantd
