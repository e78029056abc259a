#include "kernels/base/text_file.h"

#include <fstream>

namespace quantd {

std::string FirstLineOf(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

}  // namespace quantd
