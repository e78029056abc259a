#define PCRE2_CODE_UNIT_WIDTH 8
#include "runtime/tokenizer/pre_tokenizer.h"

#include <pcre2.h>

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "kernels/base/check.h"
#include "kernels/base/status_macros.h"
#include "runtime/tokenizer/utf8.h"

namespace quantd {
namespace {

// The pattern that GPT-2 introduced and many vocabularies share.
constexpr char kGpt2[] =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
constexpr char kLlama3[] = R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|)"
                           R"( ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr char kQwen2[] = R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}|)"
                          R"( ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr char kGpt4o[] =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+)"
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)?|)"
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*)"
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|)"
    R"(\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr char kTekken[] =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|)"
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}|)"
    R"( ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr char kDeepseekV3[] =
    R"([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+|)"
    R"( ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr char kDeepseekCjk[] = R"([\x{4E00}-\x{9FA5}\x{800}-\x{4E00}\x{AC00}-\x{D7FF}]+)";
// The letters of scripts with case, as of the Unicode version of that vocabulary.
constexpr char kDeepseekLetters[] =
    R"(\s?[)"
    R"(A-Za-z\x{B5}\x{C0}-\x{D6}\x{D8}-\x{F6}\x{F8}-\x{1BA}\x{1BC}-\x{1BF}\x{1C4}-\x{293})"
    R"(\x{295}-\x{2AF}\x{370}-\x{373}\x{376}\x{377}\x{37B}-\x{37D}\x{37F}\x{386})"
    R"(\x{388}-\x{38A}\x{38C}\x{38E}-\x{3A1}\x{3A3}-\x{3F5}\x{3F7}-\x{481}\x{48A}-\x{52F})"
    R"(\x{531}-\x{556}\x{10A0}-\x{10C5}\x{13A0}-\x{13F5}\x{13F8}-\x{13FD}\x{1C90}-\x{1CBA})"
    R"(\x{1CBD}-\x{1CBF}\x{1D00}-\x{1D2B}\x{1D6B}-\x{1D77}\x{1D79}-\x{1D9A})"
    R"(\x{1E00}-\x{1F15}\x{1F18}-\x{1F1D}\x{1F20}-\x{1F45}\x{1F48}-\x{1F4D})"
    R"(\x{1F50}-\x{1F57}\x{1F59}\x{1F5B}\x{1F5D}\x{1F5F}-\x{1F7D}\x{1F80}-\x{1FB4})"
    R"(\x{1FB6}-\x{1FBC}\x{1FBE}\x{1FC2}-\x{1FC4}\x{1FC6}-\x{1FCC}\x{1FD0}-\x{1FD3})"
    R"(\x{1FD6}-\x{1FDB}\x{1FE0}-\x{1FEC}\x{1FF2}-\x{1FF4}\x{1FF6}-\x{1FFC}\x{2102}\x{2107})"
    R"(\x{210A}-\x{2113}\x{2115}\x{2119}-\x{211D}\x{2124}\x{2126}\x{2128}\x{212A}-\x{212D})"
    R"(\x{212F}-\x{2134}\x{2139}\x{213C}-\x{213F}\x{2145}-\x{2149}\x{214E}\x{2183}\x{2184})"
    R"(\x{2C00}-\x{2C7B}\x{2C7E}-\x{2CE4}\x{2CEB}-\x{2CEE}\x{2CF2}\x{2CF3}\x{A640}-\x{A66D})"
    R"(\x{A680}-\x{A69B}\x{A722}-\x{A76F}\x{A771}-\x{A787}\x{A78B}-\x{A78E})"
    R"(\x{AB70}-\x{ABBF}\x{FB00}-\x{FB06}\x{FB13}-\x{FB17}\x{FF21}-\x{FF3A})"
    R"(\x{FF41}-\x{FF5A}\x{10400}-\x{1044F}\x{104B0}-\x{104D3}\x{104D8}-\x{104FB})"
    R"(\x{10C80}-\x{10CB2}\x{10CC0}-\x{10CF2}\x{118A0}-\x{118DF}\x{1E900}-\x{1E943})"
    R"(]+)";
// As published it is \s+$, which a search tries at each space of a run. With the look-behind it
// starts only at the first and finds the same.
constexpr char kTrailingSpace[] = R"((?<!\s)\s+$)";

// Unicode's White_Space, as the content of a class. PCRE2's own \s has U+180E besides.
constexpr char kWhiteSpace[] =
    R"(\t-\r\x20\x{85}\x{A0}\x{1680}\x{2000}-\x{200A}\x{2028}\x{2029}\x{202F}\x{205F}\x{3000})";

// Spells out \s and \S (the latter outside classes only).
std::string ExpandWhiteSpace(absl::string_view pattern) {
  std::string out;
  bool in_class = false;
  for (size_t i = 0; i < pattern.size(); ++i) {
    const char c = pattern[i];
    if (c != '\\') {
      if (c == '[') in_class = true;
      if (c == ']') in_class = false;
      out += c;
      continue;
    }
    const char escaped = pattern[++i];
    if (escaped == 's' && in_class) {
      out += kWhiteSpace;
    } else if (escaped == 's' || escaped == 'S') {
      absl::StrAppend(&out, escaped == 's' ? "[" : "[^", kWhiteSpace, "]");
    } else {
      absl::StrAppend(&out, "\\", std::string(1, escaped));
    }
  }
  return out;
}

struct CodeDeleter {
  void operator()(pcre2_code* code) const { pcre2_code_free(code); }
};
struct MatchDeleter {
  void operator()(pcre2_match_data* data) const { pcre2_match_data_free(data); }
};
struct ContextDeleter {
  void operator()(pcre2_match_context* context) const { pcre2_match_context_free(context); }
};

}  // namespace

const std::vector<PreTokenizerRule>& PreTokenizerRules() {
  static const auto* const rules = new std::vector<PreTokenizerRule>{
      {{"default"},
       {R"([\p{P}\$\+<=>\^~\|]+)", kGpt2, R"(\p{N}+)", R"([0-9][0-9][0-9])"},
       false,
       false},
      {{"gpt-2", "phi-2", "mpt", "olmo", "jais", "exaone4", "trillion", "granite-docling",
        "modern-bert", "mellum"},
       {kGpt2},
       false,
       false},
      {{"llama-bpe", "llama3", "llama-v3", "falcon3", "falcon-h1", "pixtral", "lfm2"},
       {kLlama3},
       true,
       true},
      {{"dbrx", "smaug-bpe", "glm4", "chatglm-bpe"}, {kLlama3}, false, false},
      {{"qwen2", "deepseek-r1-qwen", "stablelm2", "megrez", "hunyuan", "solar-open", "grok-2"},
       {kQwen2},
       false,
       false},
      {{"gpt-4o", "llama4", "kanana2", "minimax-m2"}, {kGpt4o}, false, false},
      {{"tekken"}, {kTekken}, true, true},
      {{"deepseek-llm"},
       {R"([\r\n])", kDeepseekLetters,
        R"(\s?[!-/:-~\x{FF01}-\x{FF0F}\x{FF1A}-\x{FF5E}\x{2018}-\x{201F}\x{3000}-\x{3002}]+)",
        kTrailingSpace, kDeepseekCjk, R"(\p{N}+)"},
       false,
       false},
      {{"deepseek-coder"},
       {R"([\r\n])", R"(\s?\p{L}+)", R"(\s?\p{P}+)", kDeepseekCjk, R"(\p{N})"},
       false,
       false},
      {{"deepseek-v3", "hunyuan-dense", "joyai-llm"},
       {R"(\p{N}{1,3})", R"([\x{4E00}-\x{9FA5}\x{3040}-\x{30FF}]+)", kDeepseekV3},
       false,
       false},
      {{"falcon"}, {R"([\p{P}\$\+<=>\^~\|`]+)", kGpt2, R"([0-9][0-9][0-9])"}, false, false},
      {{"starcoder", "refact", "command-r", "smollm", "codeshell", "exaone", "minerva-7b"},
       {R"(\p{N})", kGpt2},
       false,
       false},
  };
  return *rules;
}

const PreTokenizerRule* FindPreTokenizerRule(absl::string_view name) {
  for (const PreTokenizerRule& rule : PreTokenizerRules()) {
    if (std::find(rule.names.begin(), rule.names.end(), name) != rule.names.end()) return &rule;
  }
  return nullptr;
}

std::string KnownPreTokenizers() {
  std::vector<absl::string_view> names;
  for (const PreTokenizerRule& rule : PreTokenizerRules()) {
    names.insert(names.end(), rule.names.begin(), rule.names.end());
  }
  return absl::StrJoin(names, ", ");
}

struct PreTokenizer::Regex {
  std::unique_ptr<pcre2_code, CodeDeleter> code;
};

// What one Split call needs to run the patterns, and its buffers.
struct PreTokenizer::Search {
  explicit Search(size_t bytes)
      : data(pcre2_match_data_create(1, nullptr)), context(pcre2_match_context_create(nullptr)) {
    QUANTD_CHECK(data != nullptr && context != nullptr, "PCRE2 is out of memory");
    // No pattern backtracks more than a few times per byte from one start; what would is cut off.
    const size_t limit = std::min<size_t>(10'000'000 + 8 * bytes, UINT32_MAX);
    pcre2_set_match_limit(context.get(), static_cast<uint32_t>(limit));
  }

  // Cuts `text` at the matches of `regex`; the stretches between are pieces too.
  void Cut(const Regex& regex, absl::string_view text, std::vector<absl::string_view>* out);

  std::unique_ptr<pcre2_match_data, MatchDeleter> data;
  std::unique_ptr<pcre2_match_context, ContextDeleter> context;
  std::vector<absl::string_view> pieces, finer;
};

void PreTokenizer::Search::Cut(const Regex& regex, absl::string_view text,
                               std::vector<absl::string_view>* out) {
  const auto* subject = reinterpret_cast<PCRE2_SPTR>(text.data());
  const PCRE2_SIZE* span = pcre2_get_ovector_pointer(data.get());
  size_t at = 0;
  while (at < text.size()) {
    const int result = pcre2_match(regex.code.get(), subject, text.size(), at, PCRE2_NO_UTF_CHECK,
                                   data.get(), context.get());
    // No further match, or a limit reached: the rest is one piece.
    if (result < 0 || span[1] == span[0]) break;
    if (span[0] > at) out->push_back(text.substr(at, span[0] - at));
    out->push_back(text.substr(span[0], span[1] - span[0]));
    at = span[1];
  }
  if (at < text.size()) out->push_back(text.substr(at));
}

PreTokenizer::PreTokenizer() = default;
PreTokenizer::~PreTokenizer() = default;

absl::StatusOr<std::unique_ptr<PreTokenizer>> PreTokenizer::Create(const PreTokenizerRule& rule,
                                                                   bool compiled) {
  std::unique_ptr<PreTokenizer> pre(new PreTokenizer());
  for (const char* source : rule.patterns) {
    const std::string pattern = ExpandWhiteSpace(source);
    int error = 0;
    PCRE2_SIZE offset = 0;
    std::unique_ptr<pcre2_code, CodeDeleter> code(
        pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(),
                      PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C, &error, &offset, nullptr));
    if (code == nullptr) {
      return absl::InternalError(absl::StrCat("pre-tokenizer ", rule.names[0], ": PCRE2 error ",
                                              error, " at ", offset, " of ", pattern));
    }
    // When this fails, matching is interpreted.
    if (compiled) pcre2_jit_compile(code.get(), PCRE2_JIT_COMPLETE);
    pre->regexes_.push_back({std::move(code)});
  }
  return pre;
}

void PreTokenizer::SplitValid(absl::string_view text, Search* search,
                              std::vector<absl::string_view>* words) const {
  search->pieces.assign(1, text);
  for (const Regex& regex : regexes_) {
    const bool last = &regex == &regexes_.back();
    std::vector<absl::string_view>* out = last ? words : &search->finer;
    for (const absl::string_view piece : search->pieces) search->Cut(regex, piece, out);
    std::swap(search->pieces, search->finer);
    search->finer.clear();
  }
}

std::vector<absl::string_view> PreTokenizer::Split(absl::string_view text) const {
  std::vector<absl::string_view> words;
  Search search(text.size());
  size_t begin = 0, at = 0;
  const auto finish_valid = [&] {
    if (at > begin) SplitValid(text.substr(begin, at - begin), &search, &words);
  };
  while (at < text.size()) {
    const Utf8Step step = NextUtf8(text.substr(at));
    if (step.valid) {
      at += step.length;
      continue;
    }
    finish_valid();
    for (size_t i = 0; i < step.length; ++i) words.push_back(text.substr(at + i, 1));
    at += step.length;
    begin = at;
  }
  finish_valid();
  return words;
}

}  // namespace quantd
