#ifndef QUANTD_KERNELS_BASE_STATUS_MACROS_H_
#define QUANTD_KERNELS_BASE_STATUS_MACROS_H_

#include "absl/status/status.h"
#include "absl/status/statusor.h"

// Returns the status of `expr` from the enclosing function when it is not OK.
#define QUANTD_RETURN_IF_ERROR(expr)                 \
  do {                                               \
    absl::Status quantd_status_ = (expr);            \
    if (!quantd_status_.ok()) return quantd_status_; \
  } while (false)

#define QUANTD_CONCAT_INNER_(a, b) a##b
#define QUANTD_CONCAT_(a, b) QUANTD_CONCAT_INNER_(a, b)
#define QUANTD_ASSIGN_OR_RETURN_IMPL_(tmp, lhs, expr) \
  auto tmp = (expr);                                  \
  if (!tmp.ok()) return tmp.status();                 \
  lhs = std::move(tmp).value()

// Evaluates `expr` (a StatusOr), returns its status when not OK, else assigns its value to `lhs`.
#define QUANTD_ASSIGN_OR_RETURN(lhs, expr) \
  QUANTD_ASSIGN_OR_RETURN_IMPL_(QUANTD_CONCAT_(quantd_or_, __LINE__), lhs, expr)

#endif  // QUANTD_KERNELS_BASE_STATUS_MACROS_H_
