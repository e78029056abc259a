#ifndef QUANTD_RUNTIME_LIFECYCLE_TUNING_CACHE_H_
#define QUANTD_RUNTIME_LIFECYCLE_TUNING_CACHE_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "kernels/base/hardware.h"
#include "kernels/gemm/select.h"

// The file that keeps which kernels were measured to be the fastest, so that a start need not
// measure again. kernels/README.md gives its format.

namespace quantd {

/// What measurements hold for.
struct TuningKey {
  std::string version;  ///< of the program
  std::string table;    ///< hash of the kernel table and the compiler
  std::string cpu;
  std::string isas;  ///< that may be used, e.g. "reference,avx2"
  int64_t threads = 1;
  int64_t l2_bytes = 0, l3_bytes = 0;

  bool operator==(const TuningKey&) const = default;
};
/// `isas`: mask of IsaBit() that hardware and override leave.
TuningKey MakeTuningKey(const std::string& version, const Hardware& hardware, uint32_t isas,
                        int threads);

/// "gemm-<hash of the key>.json": machines and builds that share a folder do not share a file.
std::string TuningFileName(const TuningKey& key);

/// $XDG_CACHE_HOME/quantd, else $HOME/.cache/quantd, else /var/cache/quantd.
std::string DefaultTuningFolder();

/// Errors: NOT_FOUND when there is no file, or it was written for another key or by another version
/// of this format; DATA_LOSS naming file and field when it is malformed, which a choice that is no
/// kernel for its format and m is too; those of MappedFile::Open.
absl::StatusOr<MeasuredChoices> ReadTuning(const std::string& path, const TuningKey& key);

/// Writes the file at once as a whole: a reader sees the old one or the new. Makes the folder.
/// Errors name the path: PERMISSION_DENIED, RESOURCE_EXHAUSTED, INTERNAL.
absl::Status WriteTuning(const std::string& path, const TuningKey& key,
                         const MeasuredChoices& choices);

}  // namespace quantd

#endif  // QUANTD_RUNTIME_LIFECYCLE_TUNING_CACHE_H_
