#ifndef QUANTD_TESTS_RUNTIME_TOKENIZER_HF_BUILDER_H_
#define QUANTD_TESTS_RUNTIME_TOKENIZER_HF_BUILDER_H_

#include <map>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "runtime/tokenizer/hf_tokenizer.h"

namespace quantd {

/// A tokenizer.json from its members, each a JSON text. Without changes: the letters a to d, "ab",
/// "cd" and "abcd" as BPE, an unknown token and a control token "<s>".
struct HfBuilder {
  std::map<std::string, std::string> members = {
      {"added_tokens", R"([{"id": 8, "content": "<s>", "special": true, "normalized": false}])"},
      {"decoder", R"({"type": "Fuse"})"},
  };
  std::map<std::string, std::string> model = {
      {"type", R"("BPE")"},
      {"unk_token", R"("?")"},
      {"vocab", R"({"?": 0, "a": 1, "b": 2, "c": 3, "d": 4, "ab": 5, "cd": 6, "abcd": 7})"},
      {"merges", R"(["a b", "c d", "ab cd"])"},
  };

  static std::string Object(const std::map<std::string, std::string>& entries) {
    std::string text = "{";
    for (const auto& [key, value] : entries) {
      absl::StrAppend(&text, text.size() > 1 ? ", " : "", "\"", key, "\": ", value);
    }
    return text + "}";
  }
  std::string Text() const {
    auto all = members;
    if (!model.empty()) all["model"] = Object(model);
    return Object(all);
  }
  absl::StatusOr<std::unique_ptr<Tokenizer>> Load(const HfTokenizerConfig& config = {}) const {
    return LoadHfText(Text(), config);
  }
  static absl::StatusOr<std::unique_ptr<Tokenizer>> LoadHfText(
      const std::string& text, const HfTokenizerConfig& config = {}) {
    auto file = HfTokenizerFile::Parse(text, "tokenizer.json");
    if (!file.ok()) return file.status();
    return MakeHfTokenizer(*file, config);
  }
};

}  // namespace quantd

#endif  // QUANTD_TESTS_RUNTIME_TOKENIZER_HF_BUILDER_H_
