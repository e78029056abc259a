#include "runtime/tokenizer/hf_vocab_and_merges.h"

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "kernels/base/status_macros.h"
#include "nlohmann/json.hpp"
#include "runtime/formats/file_error.h"
#include "runtime/formats/hf_config.h"
#include "runtime/formats/mapped_file.h"
#include "runtime/tokenizer/hf_tokenizer.h"
#include "runtime/tokenizer/hf_vocabulary.h"
#include "runtime/tokenizer/utf8.h"

namespace quantd {
namespace {

constexpr char kVocabFile[] = "vocab.json", kMergesFile[] = "merges.txt";
constexpr char kAddedFile[] = "added_tokens.json";
// As for a tokenizer.json, which holds both; the largest published ones have 3 MB.
constexpr uint64_t kMaxBytes = uint64_t{8} << 20;

// What bos_token and eos_token are in these classes where no file says it.
constexpr char kUsualSpecial[] = "<|endoftext|>";

/// How the tokenizers of a class split and normalize; transformers has it in code, not in files.
/// ONE row per class.
struct SplitRule {
  const char* tokenizer_class;             ///< without "Fast"
  const char *normalizer, *pre_tokenizer;  ///< as in a tokenizer.json
};
constexpr char kGpt2Split[] =
    R"({"type": "ByteLevel", "add_prefix_space": false, "use_regex": true})";
constexpr char kQwen2Split[] = R"({"type": "Sequence", "pretokenizers": [
    {"type": "Split", "behavior": "Isolated", "invert": false, "pattern": {"Regex":
     "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"}},
    {"type": "ByteLevel", "add_prefix_space": false, "use_regex": false}]})";
constexpr SplitRule kSplitRules[] = {
    {"GPT2Tokenizer", "null", kGpt2Split},
    {"Qwen2Tokenizer", R"({"type": "NFC"})", kQwen2Split},
};

absl::StatusOr<const SplitRule*> FindSplitRule(const HfTokenizerConfig& config) {
  if (config.tokenizer_class.empty()) return &kSplitRules[0];
  const absl::string_view name = absl::StripSuffix(config.tokenizer_class, "Fast");
  std::string known;
  for (const SplitRule& rule : kSplitRules) {
    if (name == rule.tokenizer_class) return &rule;
    absl::StrAppend(&known, known.empty() ? "" : ", ", rule.tokenizer_class);
  }
  return UnsupportedError(
      config.path, "tokenizer_class",
      absl::StrCat("\"", Printable(config.tokenizer_class),
                   "\" is not supported without a tokenizer.json, which transformers writes "
                   "(AutoTokenizer.from_pretrained, then save_pretrained); supported are: ",
                   known));
}

/// The text of a file of the folder, which must be UTF-8.
absl::StatusOr<std::string> ReadText(const ModelDirectory& directory, const char* name) {
  const absl::StatusOr<std::string> path = directory.Resolve(name);
  if (!path.ok()) return FileError(directory.path(), name, path.status().message());
  QUANTD_ASSIGN_OR_RETURN(const auto file, MappedFile::Open(*path));
  if (file->bytes().size() > kMaxBytes) {
    return FileError(*path, "size", absl::StrCat("more than ", kMaxBytes, " bytes"));
  }
  std::string text(reinterpret_cast<const char*>(file->bytes().data()), file->bytes().size());
  if (!IsUtf8(text)) return FileError(*path, "text", "is not valid UTF-8");
  return text;
}

/// The JSON list of the merges.
absl::StatusOr<nlohmann::json> ReadMerges(const ModelDirectory& directory) {
  QUANTD_ASSIGN_OR_RETURN(const std::string text, ReadText(directory, kMergesFile));
  nlohmann::json merges = nlohmann::json::array();
  int64_t number = 0;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    ++number;
    line = absl::StripSuffix(line, "\r");
    if (line.empty() || (number == 1 && absl::StartsWith(line, "#version"))) continue;
    const std::vector<absl::string_view> parts = absl::StrSplit(line, ' ');
    if (parts.size() != 2 || parts[0].empty() || parts[1].empty()) {
      return FileError(directory.Join(kMergesFile), absl::StrCat("line ", number),
                       "is not two parts and a space");
    }
    merges.push_back({std::string(parts[0]), std::string(parts[1])});
  }
  return merges;
}

/// An added_tokens.json as the list of a tokenizer.json.
absl::StatusOr<nlohmann::json> ReadAdded(const ModelDirectory& directory) {
  nlohmann::json added = nlohmann::json::array();
  QUANTD_ASSIGN_OR_RETURN(const std::unique_ptr<JsonDocument> document,
                          OpenJsonIfThere(directory, kAddedFile, kMaxBytes));
  if (document == nullptr) return added;
  QUANTD_ASSIGN_OR_RETURN(const auto members, document->root().Members());
  for (const auto& [text, value] : members) {
    QUANTD_ASSIGN_OR_RETURN(const int64_t id, value.Int(0, std::numeric_limits<int32_t>::max()));
    added.push_back(
        {{"content", std::string(text)}, {"id", id}, {"special", false}, {"normalized", true}});
  }
  return added;
}

}  // namespace

bool HasVocabAndMerges(const ModelDirectory& directory) {
  return directory.Has(kVocabFile) && directory.Has(kMergesFile);
}

absl::StatusOr<HfTokenizerFile> ReadVocabAndMerges(const ModelDirectory& directory,
                                                   HfTokenizerConfig* config) {
  QUANTD_ASSIGN_OR_RETURN(const SplitRule* rule, FindSplitRule(*config));
  QUANTD_ASSIGN_OR_RETURN(const nlohmann::json merges, ReadMerges(directory));
  QUANTD_ASSIGN_OR_RETURN(const nlohmann::json added, ReadAdded(directory));
  QUANTD_ASSIGN_OR_RETURN(const std::string vocab, ReadText(directory, kVocabFile));
  // By itself it must be JSON, before it becomes a part of other JSON.
  QUANTD_RETURN_IF_ERROR(JsonDocument::Parse(vocab, directory.Join(kVocabFile)).status());
  const std::string text = absl::StrCat(
      R"({"model": {"type": "BPE", "vocab": )", vocab, R"(, "merges": )", merges.dump(),
      R"(}, "added_tokens": )", added.dump(), R"(, "normalizer": )", rule->normalizer,
      R"(, "pre_tokenizer": )", rule->pre_tokenizer, R"(, "decoder": {"type": "ByteLevel"}})");
  QUANTD_ASSIGN_OR_RETURN(
      HfTokenizerFile file,
      HfTokenizerFile::Parse(text, directory.Join(absl::StrCat(kVocabFile, " and ", kMergesFile))));
  if (absl::c_linear_search(file.vocabulary.texts, kUsualSpecial)) {
    config->control.push_back(kUsualSpecial);
    if (!config->bos) config->bos = kUsualSpecial;
    if (!config->eos) config->eos = kUsualSpecial;
  }
  return file;
}

absl::StatusOr<std::unique_ptr<Tokenizer>> OpenVocabAndMerges(const ModelDirectory& directory,
                                                              const HfTokenizerConfig& config) {
  HfTokenizerConfig completed = config;
  QUANTD_ASSIGN_OR_RETURN(const HfTokenizerFile file, ReadVocabAndMerges(directory, &completed));
  return MakeHfTokenizer(file, completed);
}

}  // namespace quantd
