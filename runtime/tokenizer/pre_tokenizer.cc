#include "runtime/tokenizer/pre_tokenizer.h"

#include <utility>
#include <variant>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "kernels/base/check.h"
#include "runtime/tokenizer/byte_alphabet.h"
#include "runtime/tokenizer/pre_tokenizer_rules.h"
#include "runtime/tokenizer/utf8.h"

namespace quantd {
namespace {

using PieceList = std::vector<absl::string_view>;

void CutAtRegex(const Regex& regex, absl::string_view piece, RegexSearch* search,
                PieceSplitter* splitter) {
  size_t begin = 0, end = 0;
  search->Start(regex, piece);
  while (search->Next(&begin, &end)) splitter->Match(begin, end);
  splitter->Finish();
}

void CutAtLiteral(absl::string_view literal, absl::string_view piece, PieceSplitter* splitter) {
  for (size_t at = 0; !literal.empty();) {
    const size_t begin = piece.find(literal, at);
    if (begin == absl::string_view::npos) break;
    at = begin + literal.size();
    splitter->Match(begin, at);
  }
  splitter->Finish();
}

class PatternSplit final : public PreTokenizerStep {
 public:
  PatternSplit(Pattern pattern, SplitBehavior behavior, bool invert)
      : pattern_(std::move(pattern)), behavior_(behavior), invert_(invert) {}

  void Apply(RegexSearch* search, Pieces* pieces) const override {
    PieceList finer;
    for (const absl::string_view piece : pieces->list) {
      PieceSplitter splitter(piece, behavior_, invert_, &finer);
      if (const auto* regex = std::get_if<std::shared_ptr<const Regex>>(&pattern_)) {
        CutAtRegex(**regex, piece, search, &splitter);
      } else {
        CutAtLiteral(*std::get_if<std::string>(&pattern_), piece, &splitter);
      }
    }
    pieces->list = std::move(finer);
  }

 private:
  const Pattern pattern_;
  const SplitBehavior behavior_;
  const bool invert_;
};

class ClassSplit final : public PreTokenizerStep {
 public:
  ClassSplit(bool (*is_member)(char32_t), SplitBehavior behavior)
      : is_member_(is_member), behavior_(behavior) {}

  void Apply(RegexSearch*, Pieces* pieces) const override {
    PieceList finer;
    for (const absl::string_view piece : pieces->list) {
      PieceSplitter splitter(piece, behavior_, /*invert=*/false, &finer);
      for (absl::string_view rest = piece; !rest.empty();) {
        const size_t begin = piece.size() - rest.size();
        if (is_member_(TakeCharacter(&rest))) splitter.Match(begin, piece.size() - rest.size());
      }
      splitter.Finish();
    }
    pieces->list = std::move(finer);
  }

 private:
  bool (*const is_member_)(char32_t);
  const SplitBehavior behavior_;
};

// Puts rewritten pieces in the place of the old ones. `rewrite(piece)` gives the new text.
template <typename Rewrite>
void RewritePieces(const Rewrite& rewrite, Pieces* pieces) {
  for (absl::string_view& piece : pieces->list) {
    const bool starts_text = piece.data() == pieces->text_start;
    piece = pieces->made.emplace_back(rewrite(piece));
    if (starts_text) pieces->text_start = piece.data();
  }
}

class MetaspaceStep final : public PreTokenizerStep {
 public:
  MetaspaceStep(std::string replacement, PrependScheme prepend, bool split)
      : replacement_(std::move(replacement)), prepend_(prepend), split_(split) {}

  void Apply(RegexSearch*, Pieces* pieces) const override {
    const char* const text_start = pieces->text_start;
    RewritePieces(
        [&](absl::string_view piece) {
          const bool prepend = prepend_ == PrependScheme::kAlways ||
                               (prepend_ == PrependScheme::kFirst && piece.data() == text_start);
          std::string text = absl::StrReplaceAll(piece, {{" ", replacement_}});
          if (prepend && !absl::StartsWith(text, replacement_)) text.insert(0, replacement_);
          return text;
        },
        pieces);
    if (!split_) return;
    PieceList finer;
    for (const absl::string_view piece : pieces->list) {
      PieceSplitter splitter(piece, SplitBehavior::kMergedWithNext, /*invert=*/false, &finer);
      CutAtLiteral(replacement_, piece, &splitter);
    }
    pieces->list = std::move(finer);
  }

 private:
  const std::string replacement_;
  const PrependScheme prepend_;
  const bool split_;
};

class ByteLevelStep final : public PreTokenizerStep {
 public:
  ByteLevelStep(bool add_prefix_space, std::unique_ptr<const PreTokenizerStep> split)
      : add_prefix_space_(add_prefix_space), split_(std::move(split)) {}

  void Apply(RegexSearch* search, Pieces* pieces) const override {
    if (add_prefix_space_) {
      for (absl::string_view& piece : pieces->list) {
        if (!piece.empty() && piece[0] != ' ') {
          piece = pieces->made.emplace_back(absl::StrCat(" ", piece));
        }
      }
    }
    if (split_ != nullptr) split_->Apply(search, pieces);
  }

 private:
  const bool add_prefix_space_;
  const std::unique_ptr<const PreTokenizerStep> split_;
};

class SpellStep final : public PreTokenizerStep {
 public:
  void Apply(RegexSearch*, Pieces* pieces) const override {
    RewritePieces(
        [](absl::string_view piece) {
          std::string text;
          AppendSpelledBytes(piece, &text);
          return text;
        },
        pieces);
  }
};

}  // namespace

std::unique_ptr<const PreTokenizerStep> SplitAt(Pattern pattern, SplitBehavior behavior,
                                                bool invert) {
  return std::make_unique<PatternSplit>(std::move(pattern), behavior, invert);
}

std::unique_ptr<const PreTokenizerStep> SplitAt(bool (*is_member)(char32_t),
                                                SplitBehavior behavior) {
  return std::make_unique<ClassSplit>(is_member, behavior);
}

std::unique_ptr<const PreTokenizerStep> Metaspace(std::string replacement, PrependScheme prepend,
                                                  bool split) {
  return std::make_unique<MetaspaceStep>(std::move(replacement), prepend, split);
}

std::unique_ptr<const PreTokenizerStep> ByteLevelSplit(bool add_prefix_space, bool use_regex) {
  std::unique_ptr<const PreTokenizerStep> split;
  if (use_regex) {
    auto regex = Regex::Compile(kGpt2Pattern, Regex::Cost::kLinear);
    QUANTD_CHECK(regex.ok(), "GPT-2's pattern is valid");
    split = SplitAt(std::make_shared<const Regex>(*std::move(regex)), SplitBehavior::kIsolated);
  }
  return std::make_unique<ByteLevelStep>(add_prefix_space, std::move(split));
}

std::unique_ptr<const PreTokenizerStep> SpellBytes() { return std::make_unique<SpellStep>(); }

Pieces PreTokenizer::Split(absl::string_view text, bool text_start) const {
  Pieces pieces;
  if (text.empty()) return pieces;
  pieces.list.push_back(text);
  if (text_start) pieces.text_start = text.data();
  RegexSearch search(text.size());
  for (const auto& step : steps_) step->Apply(&search, &pieces);
  return pieces;
}

}  // namespace quantd
