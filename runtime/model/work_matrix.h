#ifndef QUANTD_RUNTIME_MODEL_WORK_MATRIX_H_
#define QUANTD_RUNTIME_MODEL_WORK_MATRIX_H_

#include <cstdint>

#include "kernels/base/aligned_buffer.h"

namespace quantd {

/// A dense matrix [rows, cols] of a workspace, which only grows. Not thread-safe while it does.
struct WorkMatrix {
  AlignedBuffer buffer;
  int64_t cols = 0;

  /// Makes room for so many rows; what was in them is lost.
  void Reserve(int64_t rows) {
    const size_t bytes = static_cast<size_t>(rows * cols) * sizeof(float);
    if (buffer.size() < bytes) buffer = AlignedBuffer(bytes);
  }
  float* row(int64_t r) const { return buffer.as<float>() + r * cols; }
};

}  // namespace quantd

#endif  // QUANTD_RUNTIME_MODEL_WORK_MATRIX_H_
