#include "runtime/tokenizer/tokenizer_files.h"

#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "kernels/base/status_macros.h"
#include "runtime/formats/file_error.h"
#include "runtime/tokenizer/hf_vocab_and_merges.h"

namespace quantd {
namespace {

constexpr char kJsonFile[] = "tokenizer.json";
constexpr char kSentencePieceFile[] = "tokenizer.model";

/// The path of a file of the folder; "" if there is none.
absl::StatusOr<std::string> ResolveIfThere(const ModelDirectory& directory, const char* name) {
  if (!directory.Has(name)) return std::string();
  absl::StatusOr<std::string> path = directory.Resolve(name);
  if (!path.ok()) return FileError(directory.path(), name, path.status().message());
  return path;
}

}  // namespace

absl::StatusOr<TokenizerFiles> TokenizerFiles::OfDirectory(const std::string& path) {
  TokenizerFiles files;
  QUANTD_ASSIGN_OR_RETURN(files.directory, ModelDirectory::Open(path));
  QUANTD_ASSIGN_OR_RETURN(files.config, ReadHfTokenizerConfig(*files.directory));
  QUANTD_ASSIGN_OR_RETURN(files.path, ResolveIfThere(*files.directory, kJsonFile));
  QUANTD_ASSIGN_OR_RETURN(std::string model, ResolveIfThere(*files.directory, kSentencePieceFile));
  if (!files.path.empty()) {
    files.kind = Kind::kJson;
    files.sentencepiece_path = std::move(model);
  } else if (!model.empty()) {
    files.kind = Kind::kSentencePiece;
    files.path = std::move(model);
  } else if (HasVocabAndMerges(*files.directory)) {
    files.kind = Kind::kVocabAndMerges;
    files.path = path;
  } else {
    return absl::NotFoundError(absl::StrCat(path, ": holds neither ", kJsonFile, " nor ",
                                            kSentencePieceFile,
                                            " nor vocab.json with merges.txt; is it a model's "
                                            "folder?"));
  }
  return files;
}

absl::StatusOr<TokenizerFiles> TokenizerFiles::Of(const std::string& path) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) return OfDirectory(path);
  TokenizerFiles files;
  files.path = path;
  if (absl::EndsWith(path, ".json")) files.kind = Kind::kJson;
  if (absl::EndsWith(path, ".model")) files.kind = Kind::kSentencePiece;
  return files;
}

}  // namespace quantd
