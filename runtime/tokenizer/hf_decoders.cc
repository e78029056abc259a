#include "runtime/tokenizer/hf_decoders.h"

#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "kernels/base/status_macros.h"
#include "runtime/tokenizer/byte_alphabet.h"
#include "runtime/tokenizer/hf_kinds.h"
#include "runtime/tokenizer/hf_normalizers.h"
#include "runtime/tokenizer/hf_pre_tokenizers.h"
#include "runtime/tokenizer/vocabulary.h"

namespace quantd {
namespace {

/// Rewrites one token.
using Step = std::function<void(bool first, std::string* text)>;

struct Chain {
  std::vector<Step> steps;
  bool fused = false;  ///< from here on, steps see the whole text as one
};

absl::Status AddByteLevel(const JsonValue&, Chain* chain) {
  chain->steps.push_back([](bool, std::string* text) {
    // A token with a character outside of the alphabet stands for itself.
    if (auto bytes = BytesOfStrictSpelling(*text)) *text = *std::move(bytes);
  });
  return absl::OkStatus();
}

absl::Status AddByteFallback(const JsonValue&, Chain* chain) {
  chain->steps.push_back([](bool, std::string* text) {
    if (const auto byte = ParseByteToken(*text)) text->assign(1, static_cast<char>(*byte));
  });
  return absl::OkStatus();
}

absl::Status AddFuse(const JsonValue&, Chain* chain) {
  chain->fused = true;
  return absl::OkStatus();
}

absl::Status AddMetaspace(const JsonValue& object, Chain* chain) {
  QUANTD_ASSIGN_OR_RETURN(const JsonValue value, object.At("replacement"));
  QUANTD_ASSIGN_OR_RETURN(const absl::string_view text, value.String());
  if (text.empty()) return value.Error("is empty");
  QUANTD_ASSIGN_OR_RETURN(const PrependScheme scheme, ReadHfPrependScheme(object));
  chain->steps.push_back([replacement = std::string(text), drop = scheme != PrependScheme::kNever](
                             bool first, std::string* token) {
    absl::StrReplaceAll({{replacement, first && drop ? "" : " "}}, token);
  });
  return absl::OkStatus();
}

absl::Status AddReplace(const JsonValue& object, Chain* chain) {
  QUANTD_ASSIGN_OR_RETURN(const JsonValue pattern_value, object.At("pattern"));
  QUANTD_ASSIGN_OR_RETURN(Pattern pattern, ReadHfPattern(pattern_value));
  QUANTD_ASSIGN_OR_RETURN(const std::string content, ReadHfContent(object, "content"));
  if (chain->fused) return object.Unsupported("a replacement in the whole text; not read");
  chain->steps.push_back([pattern = std::move(pattern), content](bool, std::string* token) {
    ReplacePattern(pattern, content, token);
  });
  return absl::OkStatus();
}

absl::Status AddStrip(const JsonValue& object, Chain* chain) {
  QUANTD_ASSIGN_OR_RETURN(const std::string content, object.String("content", " "));
  QUANTD_ASSIGN_OR_RETURN(const int64_t start, object.Int("start", 0, 0));
  QUANTD_ASSIGN_OR_RETURN(const int64_t stop, object.Int("stop", 0, 0));
  if (content.empty()) return object.Error("strips nothing");
  const bool fused = chain->fused;
  if (fused && (start > 1 || stop > 0)) {
    return object.Unsupported("strips more of the whole text than one character in front");
  }
  chain->steps.push_back([=](bool first, std::string* token) {
    if (fused && !first) return;
    absl::string_view text = *token;
    for (int64_t i = 0; i < start && absl::ConsumePrefix(&text, content); ++i) continue;
    for (int64_t i = 0; i < stop && absl::ConsumeSuffix(&text, content); ++i) continue;
    *token = std::string(text);
  });
  return absl::OkStatus();
}

// What WordPiece's "cleanup" replaces.
constexpr std::pair<absl::string_view, absl::string_view> kCleanup[] = {
    {" .", "."},   {" ?", "?"},     {" !", "!"},     {" ,", ","},
    {" ' ", "'"},  {" n't", "n't"}, {" 'm", "'m"},   {" do not", " don't"},
    {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"},
};

absl::Status AddWordPiece(const JsonValue& object, Chain* chain) {
  QUANTD_ASSIGN_OR_RETURN(const std::string prefix, object.String("prefix", "##"));
  QUANTD_ASSIGN_OR_RETURN(const bool cleanup, object.Bool("cleanup", true));
  chain->steps.push_back([prefix, cleanup](bool first, std::string* token) {
    if (!first) {
      *token = absl::StartsWith(*token, prefix) ? token->substr(prefix.size())
                                                : absl::StrCat(" ", *token);
    }
    // One after the other: what one makes, the next may match.
    for (size_t i = 0; cleanup && i < std::size(kCleanup); ++i) {
      absl::StrReplaceAll({kCleanup[i]}, token);
    }
  });
  return absl::OkStatus();
}

/// ONE row per kind of decoder.
struct DecoderRow {
  const char* name;
  absl::Status (*add)(const JsonValue& object, Chain* chain);
};
constexpr DecoderRow kDecoders[] = {
    {"ByteFallback", &AddByteFallback}, {"ByteLevel", &AddByteLevel}, {"Fuse", &AddFuse},
    {"Metaspace", &AddMetaspace},       {"Replace", &AddReplace},     {"Strip", &AddStrip},
    {"WordPiece", &AddWordPiece},
};

}  // namespace

absl::StatusOr<HfDecoder> ReadHfDecoder(const std::optional<JsonValue>& decoder) {
  Chain chain;
  QUANTD_RETURN_IF_ERROR(
      ForEachPart(decoder, "decoders", [&](const JsonValue& object) -> absl::Status {
        QUANTD_ASSIGN_OR_RETURN(const DecoderRow* row, FindKind(kDecoders, object));
        return row->add(object, &chain);
      }));
  if (!decoder.has_value()) {
    chain.steps.push_back([](bool first, std::string* token) {
      if (!first) *token = absl::StrCat(" ", *token);
    });
  }
  return HfDecoder([steps = std::move(chain.steps)](absl::string_view token, bool first) {
    std::string text(token);
    for (size_t i = 0; i < steps.size() && text.size() <= kLongestDecodedToken; ++i) {
      steps[i](first, &text);
    }
    return text;
  });
}

}  // namespace quantd
