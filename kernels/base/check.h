#ifndef QUANTD_KERNELS_BASE_CHECK_H_
#define QUANTD_KERNELS_BASE_CHECK_H_

#include <cstdio>
#include <cstdlib>

// Stops the process when an invariant of the program itself is broken. Never used on input from
// outside, which gets an absl::Status. `reason` says what the invariant protects.
#define QUANTD_CHECK(condition, reason)                                                      \
  do {                                                                                       \
    if (!(condition)) {                                                                      \
      std::fprintf(stderr, "%s:%d: check failed: %s (%s)\n", __FILE__, __LINE__, #condition, \
                   reason);                                                                  \
      std::abort();                                                                          \
    }                                                                                        \
  } while (false)

#endif  // QUANTD_KERNELS_BASE_CHECK_H_
