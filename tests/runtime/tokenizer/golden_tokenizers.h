#ifndef QUANTD_TESTS_RUNTIME_TOKENIZER_GOLDEN_TOKENIZERS_H_
#define QUANTD_TESTS_RUNTIME_TOKENIZER_GOLDEN_TOKENIZERS_H_

#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/support/test_data.h"

namespace quantd {

// Small tokenizers and the ids that the libraries they come from give; see the script that wrote
// them, tests/golden/make_tokenizers.py.

inline std::string GoldenTokenizers() { return SourcePath("tests/golden/tokenizers"); }

/// Every NAME.json, and every folder.
inline std::vector<std::string> GoldenTokenizerNames() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(GoldenTokenizers())) {
    const std::string name = entry.path().filename();
    if (entry.is_directory()) {
      names.push_back(name);
    } else if (!absl::EndsWith(name, ".expected.json") && name != "texts.json") {
      names.push_back(entry.path().stem());
    }
  }
  return names;
}

/// What Tokenizer::Open takes for it.
inline std::string GoldenTokenizerPath(const std::string& name) {
  const std::string path = absl::StrCat(GoldenTokenizers(), "/", name);
  return std::filesystem::is_directory(path) ? path : path + ".json";
}

}  // namespace quantd

#endif  // QUANTD_TESTS_RUNTIME_TOKENIZER_GOLDEN_TOKENIZERS_H_
