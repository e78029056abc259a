// Milliseconds that a tokenizer takes for four megabytes of each of some characters repeated, and
// of the text on standard input, if there is any:
//
//     tokenizer_bench MODEL... [<TEXT]
//
// where a MODEL is whatever Tokenizer::Open takes.

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <iostream>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "runtime/tokenizer/tokenizer.h"

namespace {

constexpr size_t kBytes = size_t{4} << 20;

std::string Repeat(const std::string& unit) {
  std::string text;
  text.reserve(kBytes + unit.size());
  while (text.size() < kBytes) text += unit;
  return text;
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::pair<std::string, std::string>> texts;
  for (const std::string unit : {"a", " ", "\n", "7", ".", "é", "\xCC\x81", "中", "🚀", "a ", "<"}) {
    texts.emplace_back(absl::CHexEscape(unit), Repeat(unit));
  }
  if (isatty(STDIN_FILENO) == 0) {
    std::string text((std::istreambuf_iterator<char>(std::cin)), std::istreambuf_iterator<char>());
    if (!text.empty()) texts.emplace_back("text", Repeat(text));
  }
  std::printf("%-40s", "ms for 4 MB of");
  for (const auto& [name, text] : texts) std::printf(" %8s", name.substr(0, 8).c_str());
  std::printf("\n");
  for (int i = 1; i < argc; ++i) {
    const auto tokenizer = quantd::Tokenizer::Open(argv[i]);
    if (!tokenizer.ok()) {
      std::fprintf(stderr, "%s\n", std::string(tokenizer.status().message()).c_str());
      return 1;
    }
    const std::string path = argv[i];
    std::printf("%-40s", path.substr(path.size() - std::min<size_t>(path.size(), 40)).c_str());
    for (const auto& [name, text] : texts) {
      const auto began = std::chrono::steady_clock::now();
      (*tokenizer)->Encode(text, {});
      const std::chrono::duration<double, std::milli> took =
          std::chrono::steady_clock::now() - began;
      std::printf(" %8.0f", took.count());
      std::fflush(stdout);
    }
    std::printf("\n");
  }
  return 0;
}
