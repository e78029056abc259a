#include "runtime/tokenizer/hf_bpe.h"

#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "kernels/base/status_macros.h"
#include "runtime/formats/file_error.h"
#include "runtime/tokenizer/byte_alphabet.h"
#include "runtime/tokenizer/merge_model.h"
#include "runtime/tokenizer/utf8.h"

namespace quantd {
namespace {

constexpr char kWordStart[] = "\xE2\x96\x81";  // U+2581

class BpeBuilder {
 public:
  BpeBuilder(const HfTokenizerFile& file, const HfTokens& tokens, const HfBpeOptions& options)
      : file_(file), tokens_(tokens), options_(options) {
    rules_.unit = options.bytes ? MergeRules::Unit::kByte : MergeRules::Unit::kCharacter;
    rules_.by_place = !options.continuing_prefix.empty() || !options.word_suffix.empty();
    rules_.vocab_size = static_cast<int32_t>(tokens.texts.size());
    rules_.byte_tokens = options.byte_tokens;
    rules_.unknown = options.unknown;
    rules_.fuse_unknown = options.fuse_unknown;
    if (!options.bytes && !rules_.by_place && !options.ignore_merges) {
      rules_.word_start = kWordStart;
    }
  }

  absl::StatusOr<std::unique_ptr<const WordModel>> Build() {
    for (const auto& [text, id] : tokens_.in_model) {
      if (tokens_.types[id] != TokenType::kControl) AddToken(text, id);
    }
    // Of two merges of one pair the last counts.
    for (size_t rank = file_.merges.size(); rank-- > 0;) {
      QUANTD_RETURN_IF_ERROR(AddMerge(rank));
    }
    std::vector<MergeModel::WholeWord> words;
    for (const auto& [word, id] : words_) words.push_back({word, id});
    return std::make_unique<MergeModel>(std::move(rules_), words, options_.ignore_merges);
  }

 private:
  // The units that are tokens, and the words that may be.
  void AddToken(const std::string& text, int32_t id) {
    if (options_.bytes) {
      // What is not spelled in the alphabet is in no text.
      std::optional<std::string> bytes = BytesOfStrictSpelling(text);
      if (!bytes.has_value() || bytes->empty()) return;
      if (bytes->size() == 1) rules_.symbols[0].Set(static_cast<uint8_t>((*bytes)[0]), id);
      words_.emplace_back(*std::move(bytes), id);
      return;
    }
    if (HasInnerWordStart(text, kWordStart)) rules_.word_start.clear();
    const std::string& prefix = options_.continuing_prefix;
    const std::string& suffix = options_.word_suffix;
    SetUnit(0, "", "", text, id);
    if (rules_.by_place) {
      SetUnit(1, prefix, "", text, id);
      SetUnit(2, prefix, suffix, text, id);
      SetUnit(3, "", suffix, text, id);
    }
    const absl::string_view word = text;
    words_.emplace_back(options_.ignore_merges ? word : absl::StripSuffix(word, suffix), id);
  }

  // If the token is one character between prefix and suffix, it is a unit.
  void SetUnit(size_t place, absl::string_view prefix, absl::string_view suffix,
               absl::string_view text, int32_t id) {
    if (!absl::ConsumePrefix(&text, prefix) || !absl::ConsumeSuffix(&text, suffix)) return;
    if (text.empty() || NextUtf8(text).length != text.size()) return;
    rules_.symbols[place].Set(DecodeUtf8(text), id);
  }

  absl::Status AddMerge(size_t rank) {
    const auto& [left, right] = file_.merges[rank];
    const auto left_id = tokens_.in_model.find(left), right_id = tokens_.in_model.find(right);
    const absl::string_view joined = absl::StripPrefix(right, options_.continuing_prefix);
    const auto result = tokens_.in_model.find(absl::StrCat(left, joined));
    const auto end = tokens_.in_model.end();
    if (left_id == end || right_id == end || result == end) {
      return FileError(file_.document->path(), absl::StrCat("model.merges[", rank, "]"),
                       "names a part, or makes a token, that the vocabulary does not have");
    }
    if (tokens_.types[result->second] != TokenType::kControl) {
      rules_.merges.Add(left_id->second, right_id->second,
                        {static_cast<uint32_t>(rank), result->second});
    }
    return absl::OkStatus();
  }

  const HfTokenizerFile& file_;
  const HfTokens& tokens_;
  const HfBpeOptions& options_;
  MergeRules rules_;
  std::vector<std::pair<std::string, int32_t>> words_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<const WordModel>> MakeHfBpe(const HfTokenizerFile& file,
                                                           const HfTokens& tokens,
                                                           const HfBpeOptions& options) {
  return BpeBuilder(file, tokens, options).Build();
}

}  // namespace quantd
