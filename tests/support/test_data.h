#ifndef QUANTD_TESTS_SUPPORT_TEST_DATA_H_
#define QUANTD_TESTS_SUPPORT_TEST_DATA_H_

#include <string>

namespace quantd {

/// Path of a file of this repository, given relative to its root.
std::string SourcePath(const std::string& relative);

/// Path under $QUANTD_TEST_DATA, where other people's data lies; "" when the variable is not set
/// or the file is not there. Use QUANTD_NEED_TEST_DATA, which skips the test then.
std::string TestDataPath(const std::string& relative);

/// Whole file as bytes; fails the test when it cannot be read.
std::string ReadFileOrDie(const std::string& path);

}  // namespace quantd

/// Declares `var` as the path of an external data file, or reports the test as skipped.
#define QUANTD_NEED_TEST_DATA(var, relative)                \
  const std::string var = ::quantd::TestDataPath(relative); \
  if (var.empty()) GTEST_SKIP() << "needs " << (relative) << " under $QUANTD_TEST_DATA"

#endif  // QUANTD_TESTS_SUPPORT_TEST_DATA_H_
