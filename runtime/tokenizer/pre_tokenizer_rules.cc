#include "runtime/tokenizer/pre_tokenizer_rules.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_join.h"
#include "kernels/base/check.h"
#include "kernels/base/status_macros.h"
#include "runtime/tokenizer/regex_syntax.h"

namespace quantd {
namespace {

constexpr char kDigit[] = R"(\p{N})";
constexpr char kThreeDigits[] = "[0-9][0-9][0-9]";
constexpr char kUpToThreeDigits[] = R"(\p{N}{1,3})";
constexpr char kLineEnd[] = R"([\r\n])";
constexpr char kTrailingSpace[] = R"(\s+$)";

constexpr char kLlama3[] = R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|)"
                           R"( ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
// Llama 3's, with runs of white space cut into powers of two.
constexpr char kJais2[] =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|)"
    R"( ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s{512}(?!\S)|\s{256}(?!\S)|\s{128}(?!\S)|)"
    R"(\s{64}(?!\S)|\s{32}(?!\S)|\s{16}(?!\S)|\s{8}(?!\S)|\s{4}(?!\S)|\s{1,2}(?!\S)|\s{1})";
// Llama 3's, with digits cut beforehand.
constexpr char kMiniCpm5[] = R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}+|)"
                             R"( ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr char kQwen2[] = R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}|)"
                          R"( ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr char kQwen35[] = R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}|)"
                           R"( ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr char kSeedCoder[] = R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1}|)"
                              R"( ?[^\s\p{L}\p{N}\r\n]+|\s*[\r\n]+|\s+(?!\S)|\s+)";
// cl100k's, but for single digits.
constexpr char kBailing[] = R"('(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}|)"
                            R"( ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+)";
constexpr char kCl100k[] = R"('(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}|)"
                           R"( ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+)";
constexpr char kGpt4o[] =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+)"
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)?|)"
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*)"
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|)"
    R"(\s*[\r\n]+|\s+(?!\S)|\s+)";
// GPT-4o's, but for single digits.
constexpr char kYoutu[] =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+)"
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)?|)"
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*)"
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|)"
    R"(\s*[\r\n]+|\s+(?!\S)|\s+)";
// Korean; full-width punctuation; Bopomofo; Chinese and Japanese.
constexpr char kYoutuScripts[] =
    R"([\x{AC00}-\x{D7A3}\x{3131}-\x{318E}]+|)"
    R"([\x{FF01}\x{2026}\x{201C}\x{201D}\x{2018}\x{2019}\x{2014}\x{FF1A}\x{FF1B}\x{FF0C}\x{3001}-\x{303F})"
    R"(\x{FE30}-\x{FE4F}]+|[\x{3105}-\x{312F}]+|[\x{4E00}-\x{9FA5}\x{3040}-\x{309F}\x{30A0}-\x{30FF}]+)";
constexpr char kTekken[] =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|)"
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}|)"
    R"( ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
// Words end at white space and at the marks that end clauses in several scripts.
constexpr char kBloom[] = R"( ?[^(\s|.,!?\x{2026}\x{3002}\x{FF0C}\x{3001}\x{964}\x{6D4}\x{60C})]+)";
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

// Jais 2's looks for a line break behind every piece that it cuts off a run of white space. Where
// there is one, all up to the last of them is one piece; so none is behind a piece without one.
constexpr char kJais2Once[] =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|)"
    R"( ?[^\s\p{L}\p{N}]+[\r\n]*|(?<![^\S\r\n])\s*[\r\n]+|)"
    R"(\s{512}(?!\S)|\s{256}(?!\S)|\s{128}(?!\S)|\s{64}(?!\S)|\s{32}(?!\S)|)"
    R"(\s{16}(?!\S)|\s{8}(?!\S)|\s{4}(?!\S)|\s{1,2}(?!\S)|\s{1})";

// Published patterns that would be searched for in quadratic time, and what finds the same in
// linear time. White space before the end is tried at every space of a run, with the look-behind
// only at the first.
struct LinearForm {
  const char* published;
  const char* linear;
};
constexpr LinearForm kLinearForms[] = {{kTrailingSpace, R"((?<!\s)\s+$)"}, {kJais2, kJais2Once}};

// Published patterns that cut every text as one of a rule does.
struct SamePattern {
  const char *published, *of_rule;
};
constexpr SamePattern kSamePatterns[] = {{kCl100k, kLlama3}};

/// One spelling for all patterns that do the same, as far as that is known.
std::string CommonSpelling(absl::string_view pattern) {
  const auto translate = [](absl::string_view text) {
    absl::StatusOr<std::string> translated = TranslateRegex(text);
    return translated.ok() ? *std::move(translated) : std::string(text);
  };
  std::string spelling = translate(pattern);
  for (const SamePattern& same : kSamePatterns) {
    if (spelling == translate(same.published)) return translate(same.of_rule);
  }
  return spelling;
}

// More patterns of linear cost, from tokenizer.json files.
constexpr const char* kMorePatterns[] = {kGpt2Pattern,
                                         kCl100k,
                                         R"([\w\x{200C}\x{200D}]+|[^\w\s\x{200C}\x{200D}]+)",
                                         R"(\w+|[^\w\s]+)",
                                         R"( {2,})",
                                         R"(\s+)",
                                         R"(\s)",
                                         R"(\d)",
                                         R"(\d+)",
                                         R"([0-9])",
                                         R"([0-9]+)",
                                         R"(\n)",
                                         R"( )"};

// Translated pattern -> translated pattern to compile in its place.
const absl::flat_hash_map<std::string, std::string>& LinearPatterns() {
  static const auto* const patterns = [] {
    auto* known = new absl::flat_hash_map<std::string, std::string>();
    const auto add = [&](const char* pattern, const char* linear) {
      auto key = TranslateRegex(pattern);
      QUANTD_CHECK(key.ok(), "the patterns of the tables are valid");
      known->try_emplace(*std::move(key), linear);
    };
    for (const LinearForm& form : kLinearForms) add(form.published, form.linear);
    for (const char* pattern : kMorePatterns) add(pattern, pattern);
    for (const PreTokenizerRule& rule : PreTokenizerRules()) {
      for (const char* pattern : rule.patterns) add(pattern, pattern);
    }
    return known;
  }();
  return *patterns;
}

}  // namespace

const std::vector<PreTokenizerRule>& PreTokenizerRules() {
  static const auto* const rules = new std::vector<PreTokenizerRule>{
      {{"default"},
       {R"([\p{P}\$\+<=>\^~\|]+)", kGpt2Pattern, R"(\p{N}+)", kThreeDigits},
       false,
       false},
      {{"gpt-2", "phi-2", "mpt", "olmo", "jais", "exaone4", "trillion", "granite-docling",
        "modern-bert", "mellum", "jina-es", "jina-de", "jina-v1-en", "jina-v2-es", "jina-v2-de",
        "jina-v2-code", "roberta-bpe", "gigachat", "a.x-4.0"},
       {kGpt2Pattern},
       false,
       false},
      {{"llama-bpe", "llama3", "llama-v3", "falcon3", "falcon-h1", "pixtral", "lfm2", "midm-2.0",
        "jina-v5-nano"},
       {kLlama3},
       true,
       true},
      {{"dbrx", "smaug-bpe", "glm4", "chatglm-bpe"}, {kLlama3}, false, false},
      {{"jais-2"}, {kJais2}, false, false},
      {{"minicpm5"}, {kUpToThreeDigits, kMiniCpm5}, true, false},
      {{"qwen2", "deepseek-r1-qwen", "stablelm2", "megrez", "hunyuan", "solar-open", "grok-2",
        "kormo", "f2llmv2"},
       {kQwen2},
       false,
       false},
      {{"qwen35"}, {kQwen35}, false, false},
      {{"seed-coder"}, {kSeedCoder}, false, false},
      {{"bailingmoe", "bailingmoe2", "llada-moe"}, {kBailing}, false, false},
      {{"gpt-4o", "llama4", "kanana2", "minimax-m2", "talkie"}, {kGpt4o}, false, false},
      {{"youtu"}, {kYoutuScripts, kYoutu}, true, false},
      {{"tekken"}, {kTekken}, true, true},
      {{"deepseek-llm"},
       {kLineEnd, kDeepseekLetters,
        R"(\s?[!-/:-~\x{FF01}-\x{FF0F}\x{FF1A}-\x{FF5E}\x{2018}-\x{201F}\x{3000}-\x{3002}]+)",
        kTrailingSpace, kDeepseekCjk, R"(\p{N}+)"},
       false,
       false},
      {{"deepseek-coder"},
       {kLineEnd, R"(\s?\p{L}+)", R"(\s?\p{P}+)", kDeepseekCjk, kDigit},
       false,
       false},
      {{"deepseek-v3", "hunyuan-dense", "joyai-llm"},
       {kUpToThreeDigits, R"([\x{4E00}-\x{9FA5}\x{3040}-\x{309F}\x{30A0}-\x{30FF}]+)", kDeepseekV3},
       false,
       false},
      {{"falcon"}, {R"([\p{P}\$\+<=>\^~\|`]+)", kGpt2Pattern, kThreeDigits}, false, false},
      {{"starcoder", "refact", "command-r", "smollm", "codeshell", "exaone", "minerva-7b",
        "mellum2"},
       {kDigit, kGpt2Pattern},
       false,
       false},
      {{"bloom", "poro-chat", "gpt3-finnish"}, {kBloom}, false, false},
      {{"viking"}, {kBloom, kDigit}, false, false},
      {{"chameleon"},
       {R"(<sentinel:[0-9]+>)", R"((IMGIMG)((A|B|C|D|E|F|G|H|I){1,4})Z)", R"(([\t\n]|    |  ))",
        kDigit, R"([\p{P}!-/:-@\[-`{-~])", kGpt2Pattern},
       false,
       true},
  };
  return *rules;
}

const PreTokenizerRule* FindPreTokenizerRule(absl::string_view name) {
  for (const PreTokenizerRule& rule : PreTokenizerRules()) {
    if (std::find(rule.names.begin(), rule.names.end(), name) != rule.names.end()) return &rule;
  }
  return nullptr;
}

const PreTokenizerRule* FindPreTokenizerRule(absl::Span<const std::string> patterns,
                                             bool whole_words) {
  std::vector<std::string> wanted;
  for (const std::string& pattern : patterns) wanted.push_back(CommonSpelling(pattern));
  for (const PreTokenizerRule& rule : PreTokenizerRules()) {
    if (rule.whole_words != whole_words || rule.patterns.size() != wanted.size()) continue;
    const auto same = [](const std::string& spelling, const char* pattern) {
      return spelling == CommonSpelling(pattern);
    };
    if (std::equal(wanted.begin(), wanted.end(), rule.patterns.begin(), same)) return &rule;
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

absl::StatusOr<Regex> CompilePattern(absl::string_view pattern, bool compiled) {
  QUANTD_ASSIGN_OR_RETURN(const std::string translated, TranslateRegex(pattern));
  const auto known = LinearPatterns().find(translated);
  if (known == LinearPatterns().end()) {
    return Regex::Compile(pattern, Regex::Cost::kBounded, compiled);
  }
  return Regex::Compile(known->second, Regex::Cost::kLinear, compiled);
}

absl::StatusOr<PreTokenizer> MakePreTokenizer(const PreTokenizerRule& rule, bool compiled) {
  PreTokenizerSteps steps;
  for (const char* pattern : rule.patterns) {
    QUANTD_ASSIGN_OR_RETURN(Regex regex, CompilePattern(pattern, compiled));
    steps.push_back(
        SplitAt(std::make_shared<const Regex>(std::move(regex)), SplitBehavior::kIsolated));
  }
  return PreTokenizer(std::move(steps));
}

}  // namespace quantd
