#define PCRE2_CODE_UNIT_WIDTH 8
#include "runtime/formats/hf_compressed_group.h"

#include <pcre2.h>

#include <memory>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "kernels/base/check.h"
#include "kernels/base/status_macros.h"
#include "runtime/formats/file_error.h"

namespace quantd {
namespace {

struct CodeDeleter {
  void operator()(pcre2_code* code) const { pcre2_code_free(code); }
};
struct MatchDeleter {
  void operator()(pcre2_match_data* data) const { pcre2_match_data_free(data); }
};
struct ContextDeleter {
  void operator()(pcre2_match_context* context) const { pcre2_match_context_free(context); }
};

/// How precisely a target names a module; kNo: it does not.
enum class Precision { kNo, kClass, kPattern, kName };

absl::StatusOr<Precision> Match(absl::string_view target, absl::string_view name) {
  if (target == name) return Precision::kName;
  if (absl::ConsumePrefix(&target, "re:")) {
    QUANTD_ASSIGN_OR_RETURN(const bool matches, MatchesPattern(target, name));
    return matches ? Precision::kPattern : Precision::kNo;
  }
  return target == "Linear" ? Precision::kClass : Precision::kNo;
}

}  // namespace

absl::StatusOr<bool> MatchesPattern(absl::string_view pattern, absl::string_view name) {
  constexpr uint32_t kMatchLimit = 100'000, kHeapKilobytes = 1024;
  int error = 0;
  PCRE2_SIZE offset = 0;
  const std::unique_ptr<pcre2_code, CodeDeleter> code(pcre2_compile(
      reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(),
      PCRE2_ANCHORED | PCRE2_UTF | PCRE2_NEVER_BACKSLASH_C, &error, &offset, nullptr));
  if (code == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat("the pattern \"", Printable(pattern), "\" is not valid at byte ", offset));
  }
  const std::unique_ptr<pcre2_match_data, MatchDeleter> data(pcre2_match_data_create(1, nullptr));
  const std::unique_ptr<pcre2_match_context, ContextDeleter> context(
      pcre2_match_context_create(nullptr));
  QUANTD_CHECK(data != nullptr && context != nullptr, "PCRE2 is out of memory");
  pcre2_set_match_limit(context.get(), kMatchLimit);
  pcre2_set_heap_limit(context.get(), kHeapKilobytes);
  const int result = pcre2_match(code.get(), reinterpret_cast<PCRE2_SPTR>(name.data()), name.size(),
                                 0, 0, data.get(), context.get());
  if (result >= 0) return true;
  if (result == PCRE2_ERROR_NOMATCH) return false;
  return absl::InvalidArgumentError(absl::StrCat(
      "the pattern \"", Printable(pattern), "\" cannot be matched (PCRE2 error ", result, ")"));
}

absl::StatusOr<const CompressedTensorsGroup*> FindCompressedGroup(const HfModule& module) {
  const CompressedTensorsConfig& config = *module.config<CompressedTensorsConfig>();
  const CompressedTensorsGroup* best = nullptr;
  Precision precision = Precision::kNo;
  for (const CompressedTensorsGroup& group : config.groups) {
    for (const std::string& target : group.targets) {
      const absl::StatusOr<Precision> match = Match(target, module.name());
      if (!match.ok()) {
        return module.Error(absl::StrCat("config_groups.", Printable(group.name),
                                         ".targets: ", match.status().message()));
      }
      if (*match <= precision) continue;
      precision = *match;
      best = &group;
    }
  }
  if (best != nullptr) return best;
  return module.Error("is quantized, but no target of config_groups names it");
}

}  // namespace quantd
