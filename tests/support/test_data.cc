#include "tests/support/test_data.h"

#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "gtest/gtest.h"

namespace quantd {

std::string SourcePath(const std::string& relative) {
  return std::string(QUANTD_SOURCE_DIR) + "/" + relative;
}

std::string TestDataPath(const std::string& relative) {
  const char* root = std::getenv("QUANTD_TEST_DATA");
  if (root == nullptr || *root == '\0') return "";
  const std::string path = std::string(root) + "/" + relative;
  return access(path.c_str(), R_OK) == 0 ? path : "";
}

std::string ReadFileOrDie(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  EXPECT_TRUE(in.good()) << "cannot read " << path;
  std::ostringstream bytes;
  bytes << in.rdbuf();
  return bytes.str();
}

}  // namespace quantd
