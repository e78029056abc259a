#ifndef QUANTD_KERNELS_BASE_TEXT_FILE_H_
#define QUANTD_KERNELS_BASE_TEXT_FILE_H_

#include <string>

namespace quantd {

/// First line of a (sysfs, procfs) file, "" when it cannot be read.
std::string FirstLineOf(const std::string& path);

}  // namespace quantd

#endif  // QUANTD_KERNELS_BASE_TEXT_FILE_H_
