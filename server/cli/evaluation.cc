#include "server/cli/evaluation.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <memory>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "kernels/base/status_macros.h"
#include "server/cli/interrupt.h"
#include "server/cli/local_runtime.h"
#include "server/cli/output.h"
#include "server/cli/progress.h"

namespace quantd {
namespace {

absl::StatusOr<Evaluation> EvaluateTokens(const ServedModel& served, const ServedModel* reference,
                                          const std::vector<int32_t>& tokens,
                                          const ChunkOptions& options) {
  Evaluation evaluation;
  if (reference == nullptr) {
    QUANTD_ASSIGN_OR_RETURN(evaluation.result,
                            ComputePerplexity(served.model(), served.kv_type(), tokens, options));
    return evaluation;
  }
  QUANTD_ASSIGN_OR_RETURN(
      evaluation.comparison,
      CompareModels({served.model(), served.kv_type()}, {reference->model(), reference->kv_type()},
                    tokens, options));
  evaluation.result = evaluation.comparison->model;
  return evaluation;
}

}  // namespace

absl::StatusOr<EvaluationText> ReadText(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream bytes;
  // A directory opens but cannot be read; an empty file gives no characters, which is no error.
  if (in.good() && in.peek() != std::ifstream::traits_type::eof()) bytes << in.rdbuf();
  if (!in.is_open() || in.bad()) {
    return absl::NotFoundError(absl::StrCat(path, ": cannot be read: ", std::strerror(errno)));
  }
  return EvaluationText{path, bytes.str(), /*max_tokens=*/0};
}

std::vector<int32_t> EncodeText(const ServedModel& served, const EvaluationText& text) {
  EncodeOptions options;
  options.add_bos = served.tokenizer().default_add_bos();
  std::vector<int32_t> tokens = served.tokenizer().Encode(text.bytes, options);
  if (text.max_tokens > 0) tokens.resize(std::min(tokens.size(), text.max_tokens));
  return tokens;
}

ChunkOptions ReadingOptions(const ServedModel& served, int32_t chunk, const std::string& label,
                            bool quiet) {
  ChunkOptions options;
  options.chunk = chunk;
  if (served.tokenizer().default_add_bos()) options.bos = served.tokenizer().bos();
  auto bar = std::make_shared<Progress>(label, quiet);
  options.progress = [bar](int64_t done, int64_t total) {
    bar->Update(static_cast<double>(done) / static_cast<double>(total),
                absl::StrCat("chunk ", done, " of ", total));
    return !InterruptScope::Interrupted();
  };
  return options;
}

absl::StatusOr<Evaluation> Evaluate(const ServedModel& served, const ServedModel* reference,
                                    const EvaluationText& text, int32_t chunk, bool quiet) {
  const std::vector<int32_t> tokens = EncodeText(served, text);
  if (reference != nullptr && EncodeText(*reference, text) != tokens) {
    return absl::InvalidArgumentError(
        absl::StrCat(text.path,
                     ": the two models cut it into different tokens; only models of one "
                     "vocabulary can be compared"));
  }
  const std::string label =
      absl::StrCat("evaluating ", served.format(), " on ", BaseName(text.path));
  auto evaluation =
      EvaluateTokens(served, reference, tokens, ReadingOptions(served, chunk, label, quiet));
  if (evaluation.ok()) return evaluation;
  return absl::Status(evaluation.status().code(),
                      absl::StrCat(text.path, ": ", evaluation.status().message()));
}

std::string DescribeComparison(const std::string& against, const ModelComparison& comparison) {
  return absl::StrFormat(
      "against %s: perplexity %.4f, KL divergence %.6f +- %.6f (99 %% of the tokens below %.4f,\n"
      "all below %.4f), same most likely token %.2f %%\n",
      EscapeText(against), comparison.reference.perplexity, comparison.kl_mean,
      comparison.kl_standard_error, comparison.kl_99th_percentile, comparison.kl_max,
      100 * comparison.top1_agreement);
}

Json ComparisonJson(const std::string& against, const ModelComparison& comparison) {
  return {{"model", against},
          {"perplexity", comparison.reference.perplexity},
          {"kl_mean", comparison.kl_mean},
          {"kl_standard_error", comparison.kl_standard_error},
          {"kl_99th_percentile", comparison.kl_99th_percentile},
          {"kl_max", comparison.kl_max},
          {"top1_agreement", comparison.top1_agreement}};
}

}  // namespace quantd
