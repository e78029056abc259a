#define PCRE2_CODE_UNIT_WIDTH 8
#include "runtime/tokenizer/regex.h"

#include <pcre2.h>

#include <algorithm>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "kernels/base/check.h"
#include "kernels/base/status_macros.h"
#include "runtime/tokenizer/regex_syntax.h"

namespace quantd {
namespace {

constexpr size_t kMaxPatternBytes = size_t{1} << 16;

// Bounded cost. A try may take `steps` steps with `window` bytes in view, and in the worst case
// each step looks at all of them; kLooksPerUnit looks are a unit of cost, about a microsecond. Real
// patterns succeed with what a try has at first, on long words after some growth.
constexpr size_t kFirstWindow = 32;
constexpr uint32_t kFirstSteps = 32;
constexpr size_t kGrowth = 8;
constexpr uint64_t kLooksPerUnit = kFirstWindow * kFirstSteps;
constexpr uint64_t kBytesPerUnit = 2;
constexpr uint64_t kUnitsAtLeast = uint64_t{1} << 20;

struct CodeDeleter {
  void operator()(pcre2_code* code) const { pcre2_code_free(code); }
};
struct CompileContextDeleter {
  void operator()(pcre2_compile_context* context) const { pcre2_compile_context_free(context); }
};
struct MatchDeleter {
  void operator()(pcre2_match_data* data) const { pcre2_match_data_free(data); }
};
struct MatchContextDeleter {
  void operator()(pcre2_match_context* context) const { pcre2_match_context_free(context); }
};

std::string ErrorText(int error) {
  PCRE2_UCHAR text[128] = {};
  pcre2_get_error_message(error, text, sizeof text);
  return reinterpret_cast<const char*>(text);
}

// The end of a window that should end at `end`: at the next start of a character.
size_t CharacterEnd(absl::string_view text, size_t end) {
  while (end < text.size() && (static_cast<uint8_t>(text[end]) & 0xC0) == 0x80) ++end;
  return std::min(end, text.size());
}

}  // namespace

struct Regex::Code {
  std::unique_ptr<pcre2_code, CodeDeleter> code;
};

Regex::Regex() = default;
Regex::Regex(Regex&&) noexcept = default;
Regex& Regex::operator=(Regex&&) noexcept = default;
Regex::~Regex() = default;

absl::StatusOr<Regex> Regex::Compile(absl::string_view pattern, Cost cost, bool compiled) {
  if (pattern.size() > kMaxPatternBytes) {
    return absl::InvalidArgumentError(absl::StrCat(
        "a pattern of ", pattern.size(), " bytes; at most ", kMaxPatternBytes, " are read"));
  }
  QUANTD_ASSIGN_OR_RETURN(const std::string translated, TranslateRegex(pattern));
  const std::unique_ptr<pcre2_compile_context, CompileContextDeleter> context(
      pcre2_compile_context_create(nullptr));
  QUANTD_CHECK(context != nullptr, "PCRE2 is out of memory");
  pcre2_set_newline(context.get(), PCRE2_NEWLINE_LF);
  uint32_t options = PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C;
  if (cost == Cost::kBounded) options |= PCRE2_ANCHORED;
  int error = 0;
  PCRE2_SIZE offset = 0;
  auto code = std::make_unique<Code>();
  code->code.reset(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(translated.data()), translated.size(),
                                 options, &error, &offset, context.get()));
  if (code->code == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat("no valid pattern: ", ErrorText(error), " (at ", offset, ")"));
  }
  // When this fails, matching is interpreted.
  if (compiled) {
    pcre2_jit_compile(code->code.get(), cost == Cost::kBounded
                                            ? PCRE2_JIT_COMPLETE | PCRE2_JIT_PARTIAL_HARD
                                            : PCRE2_JIT_COMPLETE);
  }
  Regex regex;
  regex.code_ = std::move(code);
  regex.cost_ = cost;
  return regex;
}

struct RegexSearch::Buffers {
  std::unique_ptr<pcre2_match_data, MatchDeleter> data;
  std::unique_ptr<pcre2_match_context, MatchContextDeleter> context;
};

RegexSearch::RegexSearch(size_t bytes)
    : buffers_(std::make_unique<Buffers>()),
      bytes_(bytes),
      budget_(kUnitsAtLeast + bytes / kBytesPerUnit) {
  buffers_->data.reset(pcre2_match_data_create(1, nullptr));
  buffers_->context.reset(pcre2_match_context_create(nullptr));
  QUANTD_CHECK(buffers_->data != nullptr && buffers_->context != nullptr, "PCRE2 is out of memory");
}
RegexSearch::~RegexSearch() = default;

void RegexSearch::Start(const Regex& regex, absl::string_view text) {
  regex_ = &regex;
  text_ = text;
  from_ = 0;
  last_end_ = absl::string_view::npos;
  if (regex.cost_ == Regex::Cost::kLinear) {
    // No such pattern backtracks more than a few times per byte from one start.
    const size_t limit = std::min<size_t>(10'000'000 + 8 * bytes_, UINT32_MAX);
    pcre2_set_match_limit(buffers_->context.get(), static_cast<uint32_t>(limit));
  }
}

bool RegexSearch::Next(size_t* begin, size_t* end) {
  while (from_ <= text_.size()) {
    if (!Find(from_, begin, end)) break;
    if (*begin == *end && *end == last_end_) {
      from_ = from_ == text_.size() ? from_ + 1 : CharacterEnd(text_, from_ + 1);
      continue;
    }
    from_ = last_end_ = *end;
    return true;
  }
  from_ = text_.size() + 1;
  return false;
}

bool RegexSearch::Find(size_t from, size_t* begin, size_t* end) {
  if (regex_->cost_ == Regex::Cost::kBounded) return FindBounded(from, begin, end);
  const int result = pcre2_match(regex_->code_->code.get(),
                                 reinterpret_cast<PCRE2_SPTR>(text_.data()), text_.size(), from,
                                 PCRE2_NO_UTF_CHECK, buffers_->data.get(), buffers_->context.get());
  if (result < 0) return false;
  const PCRE2_SIZE* span = pcre2_get_ovector_pointer(buffers_->data.get());
  *begin = span[0];
  *end = std::max(span[0], span[1]);
  return true;
}

bool RegexSearch::FindBounded(size_t from, size_t* begin, size_t* end) {
  for (size_t at = from; budget_ > 0; at = CharacterEnd(text_, at + 1)) {
    if (MatchAt(at, begin, end)) return true;
    if (at == text_.size()) break;
  }
  return false;
}

bool RegexSearch::MatchAt(size_t at, size_t* begin, size_t* end) {
  size_t window = kFirstWindow;
  uint32_t steps = kFirstSteps;
  uint32_t options = PCRE2_NO_UTF_CHECK;
  while (true) {
    const size_t view_end = CharacterEnd(text_, std::min(text_.size(), at + window));
    // The first try is free: there are no more of them than characters.
    const uint64_t cost = (view_end - at) * steps / kLooksPerUnit;
    if (cost > budget_) {
      budget_ = 0;
      return false;
    }
    if (window != kFirstWindow || steps != kFirstSteps) budget_ -= cost;
    pcre2_set_match_limit(buffers_->context.get(), steps);
    // A match that depends on what follows the view is reported as partial.
    const uint32_t partial = view_end < text_.size() ? PCRE2_PARTIAL_HARD : 0;
    const int result =
        pcre2_match(regex_->code_->code.get(), reinterpret_cast<PCRE2_SPTR>(text_.data()), view_end,
                    at, options | partial, buffers_->data.get(), buffers_->context.get());
    if (result >= 0) {
      const PCRE2_SIZE* span = pcre2_get_ovector_pointer(buffers_->data.get());
      *begin = std::max<size_t>(at, span[0]);  // \K moves it
      *end = std::max<size_t>(*begin, span[1]);
      return true;
    }
    if (result == PCRE2_ERROR_PARTIAL) {
      window *= kGrowth;
    } else if (result == PCRE2_ERROR_MATCHLIMIT && steps <= UINT32_MAX / kGrowth) {
      steps *= kGrowth;
    } else if (result == PCRE2_ERROR_JIT_STACKLIMIT && (options & PCRE2_NO_JIT) == 0) {
      options |= PCRE2_NO_JIT;  // which keeps its stack on the heap
    } else {
      return false;
    }
  }
}

}  // namespace quantd
