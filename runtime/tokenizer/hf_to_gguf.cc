#include "runtime/tokenizer/hf_to_gguf.h"

#include <algorithm>
#include <array>
#include <memory>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "kernels/base/status_macros.h"
#include "runtime/formats/file_error.h"
#include "runtime/tokenizer/gguf_tokenizer_keys.h"
#include "runtime/tokenizer/hf_kinds.h"
#include "runtime/tokenizer/hf_post_processor.h"
#include "runtime/tokenizer/hf_pre_tokenizers.h"
#include "runtime/tokenizer/hf_tokenizer.h"
#include "runtime/tokenizer/hf_tokens.h"
#include "runtime/tokenizer/merge_model.h"
#include "runtime/tokenizer/pre_tokenizer_rules.h"
#include "runtime/tokenizer/utf8.h"
#include "runtime/tokenizer/vocabulary.h"

namespace quantd {
namespace {

constexpr char kWordStart[] = "\xE2\x96\x81";  // U+2581

/// The text of {"String": text}; "" of anything else.
absl::StatusOr<std::string> LiteralPattern(const JsonValue& object) {
  QUANTD_ASSIGN_OR_RETURN(const JsonValue pattern, object.At("pattern"));
  return pattern.String("String", "");
}

absl::Status HasNoKey(const JsonValue& part) {
  QUANTD_ASSIGN_OR_RETURN(const std::string type, part.String("type", ""));
  return part.Unsupported(absl::StrCat("\"", Printable(type), "\" has no counterpart in GGUF"));
}

/// The patterns by which a byte-level pre-tokenizer cuts, one after the other.
class PatternReader {
 public:
  absl::StatusOr<std::vector<std::string>> Read(const JsonValue& pre_tokenizer) {
    QUANTD_RETURN_IF_ERROR(ForEachPart(pre_tokenizer, "pretokenizers",
                                       [this](const JsonValue& part) { return Add(part); }));
    if (spelled_) return std::move(patterns_);
    return pre_tokenizer.Unsupported("does not end with ByteLevel; GGUF has no such vocabularies");
  }

 private:
  absl::Status Add(const JsonValue& part) {
    if (spelled_) return part.Unsupported("follows ByteLevel, which comes last in GGUF");
    QUANTD_ASSIGN_OR_RETURN(const std::string type, part.String("type", ""));
    if (type == "Split") return AddSplit(part);
    if (type == "Digits") {
      QUANTD_ASSIGN_OR_RETURN(const bool individual, part.Bool("individual_digits", false));
      patterns_.push_back(individual ? R"(\p{N})" : R"(\p{N}+)");
      return absl::OkStatus();
    }
    if (type != "ByteLevel") return HasNoKey(part);
    spelled_ = true;
    QUANTD_ASSIGN_OR_RETURN(const bool prefix, part.Bool("add_prefix_space", true));
    if (prefix) return part.Unsupported("add_prefix_space true has no counterpart in GGUF");
    QUANTD_ASSIGN_OR_RETURN(const bool use_regex, part.Bool("use_regex", true));
    if (use_regex) patterns_.push_back(kGpt2Pattern);
    return absl::OkStatus();
  }

  absl::Status AddSplit(const JsonValue& part) {
    QUANTD_ASSIGN_OR_RETURN(const JsonValue pattern, part.At("pattern"));
    QUANTD_ASSIGN_OR_RETURN(const std::string regex, pattern.String("Regex", ""));
    QUANTD_ASSIGN_OR_RETURN(const std::string behavior, part.String("behavior", ""));
    QUANTD_ASSIGN_OR_RETURN(const bool invert, part.Bool("invert", false));
    // Of a pattern that covers every text, to remove what is between its matches does nothing.
    const bool covers = invert && behavior == "Removed" && absl::EndsWith(regex, R"(|\s+)");
    const bool isolates = !invert && behavior == "Isolated";
    if (regex.empty() || (!covers && !isolates)) {
      return part.Unsupported(
          "only patterns whose matches are isolated have a counterpart in GGUF");
    }
    patterns_.push_back(regex);
    return absl::OkStatus();
  }

  std::vector<std::string> patterns_;
  bool spelled_ = false;
};

class Converter {
 public:
  Converter(const HfTokenizerFile& file, const HfTokenizerConfig& config)
      : file_(file), config_(config), root_(file.document->root()) {}

  absl::StatusOr<GgufVocabulary> Convert() {
    QUANTD_ASSIGN_OR_RETURN(tokenizer_, MakeHfTokenizer(file_, config_));
    QUANTD_ASSIGN_OR_RETURN(tokens_, CollectHfTokens(file_, config_.added));
    QUANTD_ASSIGN_OR_RETURN(model_, ReadModel());
    out_.texts = tokens_.texts;
    for (int32_t id = 0; id < tokenizer_->vocab_size(); ++id) {
      out_.types.push_back(tokenizer_->type(id));
    }
    QUANTD_RETURN_IF_ERROR(TakeSpecialIds());
    QUANTD_RETURN_IF_ERROR(CheckFrame());
    NoteFlags();
    QUANTD_ASSIGN_OR_RETURN(const bool byte_fallback, model_->Bool("byte_fallback", false));
    QUANTD_RETURN_IF_ERROR(byte_fallback ? ConvertCharacters() : ConvertBytes());
    return std::move(out_);
  }

 private:
  /// The model, which must be one of plain merges.
  absl::StatusOr<JsonValue> ReadModel() const {
    QUANTD_ASSIGN_OR_RETURN(const JsonValue model, root_.At("model"));
    QUANTD_ASSIGN_OR_RETURN(const std::string type, model.String("type", "BPE"));
    if (type != "BPE") {
      return model.Unsupported(absl::StrCat(
          "\"", Printable(type), "\" is not written to GGUF from a tokenizer.json; BPE is, and ",
          "Unigram from a tokenizer.model in the same folder"));
    }
    for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
      QUANTD_ASSIGN_OR_RETURN(const std::string affix, model.String(key, ""));
      if (!affix.empty())
        return model.Unsupported(absl::StrCat(key, " has no counterpart in GGUF"));
    }
    return model;
  }

  absl::Status TakeSpecialIds() {
    out_.bos = tokenizer_->bos();
    out_.eos = tokenizer_->eos();
    out_.add_bos = tokenizer_->default_add_bos();
    out_.add_eos = tokenizer_->default_add_eos();
    const auto unknown = std::find(out_.types.begin(), out_.types.end(), TokenType::kUnknown);
    if (unknown != out_.types.end()) {
      out_.unknown = static_cast<int32_t>(unknown - out_.types.begin());
    }
    if (config_.padding) out_.padding = tokens_.Find(*config_.padding);
    for (const int32_t id : tokenizer_->end_ids()) {
      const bool known =
          id == out_.eos || (out_.types[id] == TokenType::kControl && IsEndName(out_.texts[id]));
      if (!known) out_.more_ends.push_back(id);
    }
    return absl::OkStatus();
  }

  /// What is put around a text must be what BOS and EOS mean.
  absl::Status CheckFrame() const {
    QUANTD_ASSIGN_OR_RETURN(const std::optional<JsonValue> post_processor,
                            root_.Find("post_processor"));
    QUANTD_ASSIGN_OR_RETURN(const HfFrame frame,
                            ReadHfPostProcessor(post_processor, tokens_.texts.size()));
    const auto fits = [](const std::vector<int32_t>& ids, std::optional<int32_t> id) {
      return ids.empty() || (ids.size() == 1 && ids[0] == id);
    };
    if (fits(frame.prefix, out_.bos) && fits(frame.suffix, out_.eos)) return absl::OkStatus();
    return post_processor->Unsupported(
        "puts other tokens around a text than one BOS and one EOS, which is all that GGUF can say");
  }

  void Note(absl::string_view field, absl::string_view what) {
    out_.notes.push_back(absl::StrCat(file_.document->path(), ": ", field, ": ", what));
  }

  void NoteFlags() {
    std::vector<std::string> texts;
    for (const HfAddedToken& added : tokens_.added) {
      const SpecialToken& token = added.token;
      if (token.lstrip || token.rstrip || token.single_word) texts.push_back(Printable(token.text));
    }
    if (texts.empty()) return;
    constexpr size_t kShown = 4;
    const std::string more = texts.size() > kShown ? ", ..." : "";
    texts.resize(std::min(texts.size(), kShown));
    Note("added_tokens",
         absl::StrCat("lstrip, rstrip and single_word have no key in GGUF; white space and words "
                      "beside these tokens get other tokens: ",
                      absl::StrJoin(texts, ", "), more));
  }

  void NoteNfc() {
    Note("normalizer", "NFC has no key in GGUF; text that is not in NFC gets other tokens");
  }

  absl::Status ConvertBytes() {
    out_.model = gguf_tokenizer::kModelMerges;
    QUANTD_ASSIGN_OR_RETURN(const std::optional<JsonValue> normalizer, root_.Find("normalizer"));
    QUANTD_RETURN_IF_ERROR(
        ForEachPart(normalizer, "normalizers", [this](const JsonValue& part) -> absl::Status {
          QUANTD_ASSIGN_OR_RETURN(const std::string type, part.String("type", ""));
          if (type != "NFC") return HasNoKey(part);
          NoteNfc();
          return absl::OkStatus();
        }));
    QUANTD_RETURN_IF_ERROR(FindPre());
    return TakeMerges();
  }

  /// The name of the rule that cuts texts as this pre-tokenizer does.
  absl::Status FindPre() {
    QUANTD_ASSIGN_OR_RETURN(const JsonValue pre_tokenizer, root_.At("pre_tokenizer"));
    QUANTD_ASSIGN_OR_RETURN(const std::vector<std::string> patterns,
                            PatternReader().Read(pre_tokenizer));
    QUANTD_ASSIGN_OR_RETURN(const bool whole_words, model_->Bool("ignore_merges", false));
    if (const PreTokenizerRule* rule = FindPreTokenizerRule(patterns, whole_words)) {
      out_.pre = rule->names[0];
      return absl::OkStatus();
    }
    if (const PreTokenizerRule* rule = FindPreTokenizerRule(patterns, !whole_words)) {
      return model_->Unsupported(absl::StrCat("ignore_merges ", whole_words ? "true" : "false",
                                              ", but GGUF's \"", rule->names[0],
                                              "\", whose patterns these are, has the opposite"));
    }
    return pre_tokenizer.Unsupported(
        absl::StrCat("cuts texts by patterns that GGUF has no name for: ",
                     Printable(absl::StrJoin(patterns, "  "))));
  }

  absl::Status TakeMerges() {
    // Readers of GGUF take the first of two merges of one pair, here the last counts.
    absl::flat_hash_set<std::string> seen;
    for (size_t rank = file_.merges.size(); rank-- > 0;) {
      const auto& [left, right] = file_.merges[rank];
      if (absl::StrContains(left, ' ') || absl::StrContains(right, ' ')) {
        return UnsupportedError(file_.document->path(), absl::StrCat("model.merges[", rank, "]"),
                                "has a space in a part, which has no spelling in GGUF");
      }
      std::string merge = absl::StrCat(left, " ", right);
      if (seen.insert(merge).second) out_.merges.push_back(std::move(merge));
    }
    std::reverse(out_.merges.begin(), out_.merges.end());
    return absl::OkStatus();
  }

  absl::Status ConvertCharacters() {
    out_.model = gguf_tokenizer::kModelScores;
    out_.pre = "default";
    QUANTD_ASSIGN_OR_RETURN(const bool whole_words, model_->Bool("ignore_merges", false));
    if (whole_words) return model_->Unsupported("ignore_merges has no counterpart in GGUF's llama");
    if (std::count(out_.types.begin(), out_.types.end(), TokenType::kByte) != 256) {
      return model_->Unsupported("byte_fallback without a token for every byte has no counterpart");
    }
    QUANTD_RETURN_IF_ERROR(ReadSpaces());
    return FindScores();
  }

  /// How spaces become U+2581, and whether a text gets one in front.
  absl::Status ReadSpaces() {
    bool spelled = false;
    out_.add_space_prefix = false;
    QUANTD_ASSIGN_OR_RETURN(const std::optional<JsonValue> normalizer, root_.Find("normalizer"));
    QUANTD_RETURN_IF_ERROR(
        ForEachPart(normalizer, "normalizers", [&](const JsonValue& part) -> absl::Status {
          QUANTD_ASSIGN_OR_RETURN(const std::string type, part.String("type", ""));
          if (type == "NFC") {
            NoteNfc();
            return absl::OkStatus();
          }
          if (type == "Prepend") {
            QUANTD_ASSIGN_OR_RETURN(const std::string content, part.String("prepend", ""));
            out_.add_space_prefix = true;
            return content == kWordStart ? absl::OkStatus() : HasNoKey(part);
          }
          if (type != "Replace") return HasNoKey(part);
          QUANTD_ASSIGN_OR_RETURN(const std::string pattern, LiteralPattern(part));
          QUANTD_ASSIGN_OR_RETURN(const std::string content, part.String("content", ""));
          spelled = true;
          return pattern == " " && content == kWordStart ? absl::OkStatus() : HasNoKey(part);
        }));
    QUANTD_ASSIGN_OR_RETURN(const std::optional<JsonValue> pre_tokenizer,
                            root_.Find("pre_tokenizer"));
    QUANTD_RETURN_IF_ERROR(
        ForEachPart(pre_tokenizer, "pretokenizers", [&](const JsonValue& part) -> absl::Status {
          QUANTD_ASSIGN_OR_RETURN(const std::string type, part.String("type", ""));
          if (type == "Metaspace") {
            spelled = true;
            return ReadMetaspace(part);
          }
          if (type != "Split") return HasNoKey(part);
          // There are no spaces any more that it could cut at.
          QUANTD_ASSIGN_OR_RETURN(const std::string pattern, LiteralPattern(part));
          return spelled && pattern == " " ? absl::OkStatus() : HasNoKey(part);
        }));
    if (spelled) return absl::OkStatus();
    return root_.Unsupported("leaves spaces as they are; in GGUF's llama they become U+2581");
  }

  absl::Status ReadMetaspace(const JsonValue& part) {
    QUANTD_ASSIGN_OR_RETURN(const std::string replacement, part.String("replacement", ""));
    if (replacement != kWordStart) return HasNoKey(part);
    QUANTD_ASSIGN_OR_RETURN(const bool split, part.Bool("split", true));
    const auto joins_words = [](const std::string& text) {
      return HasInnerWordStart(text, kWordStart);
    };
    if (split && std::any_of(out_.texts.begin(), out_.texts.end(), joins_words)) {
      return part.Unsupported("cuts words apart that tokens of the vocabulary join");
    }
    QUANTD_ASSIGN_OR_RETURN(const PrependScheme scheme, ReadHfPrependScheme(part));
    out_.add_space_prefix = scheme != PrependScheme::kNever;
    if (scheme == PrependScheme::kNever) return absl::OkStatus();
    Note("pre_tokenizer",
         "Metaspace puts no space before a text that begins with one; readers of GGUF do");
    if (scheme == PrependScheme::kFirst) {
      Note("pre_tokenizer",
           "prepend_scheme \"first\" has no key in GGUF, whose readers put a space after each "
           "control token too");
    }
    return absl::OkStatus();
  }

  // A pair of tokens.
  using Pair = std::pair<int32_t, int32_t>;

  bool IsPiece(int32_t id) const { return out_.types[id] == TokenType::kNormal; }

  /// The id of a part of a token if it is a piece; kCharacter of a single character that is none,
  /// which scores can join as well; nothing of what cannot be joined.
  static constexpr int32_t kCharacter = -1;
  std::optional<int32_t> PieceOf(absl::string_view text) const {
    const auto found = tokens_.in_model.find(text);
    if (found != tokens_.in_model.end() && IsPiece(found->second)) return found->second;
    if (NextUtf8(text).length == text.size()) return kCharacter;
    return std::nullopt;
  }

  /// Scores mean that two pieces join wherever their concatenation is one, the best first. That
  /// must be what the merges say.
  absl::Status FindScores() {
    absl::flat_hash_map<Pair, size_t> ranks;  // the last of a pair counts
    for (size_t rank = 0; rank < file_.merges.size(); ++rank) {
      const auto& [left, right] = file_.merges[rank];
      ranks[{tokens_.in_model.at(left), tokens_.in_model.at(right)}] = rank;
    }
    out_.scores.assign(out_.texts.size(), 0.0f);
    std::vector<bool> scored(out_.texts.size());
    int32_t last = -1, count = 0;
    for (size_t rank = 0; rank < file_.merges.size(); ++rank) {
      const auto& [left, right] = file_.merges[rank];
      const Pair pair = {tokens_.in_model.at(left), tokens_.in_model.at(right)};
      const int32_t result = tokens_.in_model.at(absl::StrCat(left, right));
      const bool counts =
          ranks.at(pair) == rank && IsPiece(pair.first) && IsPiece(pair.second) && IsPiece(result);
      if (!counts || result == last) continue;
      if (scored[result]) {
        return NoScores(absl::StrCat("model.merges[", rank, "]"),
                        "comes apart from others that make the same token");
      }
      out_.scores[result] = static_cast<float>(-++count);
      scored[result] = true;
      last = result;
    }
    return CheckCuts(ranks);
  }

  /// Whatever scores join, merges must join too: all of a token's cuts into what is joinable. The
  /// one exception is a token that no merge makes, alone of its kind: converters from SentencePiece
  /// leave out the merges of the best token, whose score is 0.
  absl::Status CheckCuts(const absl::flat_hash_map<Pair, size_t>& ranks) {
    std::string left_out;
    for (const auto& [text, id] : tokens_.in_model) {
      if (!IsPiece(id)) continue;
      const absl::string_view token = text;
      for (size_t cut = NextUtf8(token).length; cut < token.size();
           cut += NextUtf8(token.substr(cut)).length) {
        const std::optional<int32_t> left = PieceOf(token.substr(0, cut));
        const std::optional<int32_t> right = PieceOf(token.substr(cut));
        if (!left || !right || ranks.contains(Pair{*left, *right})) continue;
        const bool is_best = out_.scores[id] == 0 && (left_out.empty() || left_out == text);
        if (is_best) {
          left_out = text;
          continue;
        }
        return NoScores("model.merges", absl::StrCat("does not make '", Printable(token), "' of '",
                                                     Printable(token.substr(0, cut)), "' and '",
                                                     Printable(token.substr(cut)), "'"));
      }
    }
    if (!left_out.empty()) {
      Note("model.merges", absl::StrCat("none makes '", Printable(left_out),
                                        "', which SentencePiece and readers of GGUF make first"));
    }
    return absl::OkStatus();
  }

  absl::Status NoScores(absl::string_view field, absl::string_view what) const {
    return UnsupportedError(
        file_.document->path(), field,
        absl::StrCat(what,
                     "; GGUF's llama joins by the scores of tokens, which cannot say so. A "
                     "tokenizer.model in the same folder would serve"));
  }

  const HfTokenizerFile& file_;
  const HfTokenizerConfig& config_;
  const JsonValue root_;
  std::unique_ptr<Tokenizer> tokenizer_;
  HfTokens tokens_;
  std::optional<JsonValue> model_;
  GgufVocabulary out_;
};

}  // namespace

absl::StatusOr<GgufVocabulary> HfToGguf(const HfTokenizerFile& file,
                                        const HfTokenizerConfig& config) {
  return Converter(file, config).Convert();
}

}  // namespace quantd
