#ifndef QUANTD_SERVER_CLI_EVALUATION_H_
#define QUANTD_SERVER_CLI_EVALUATION_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "runtime/lifecycle/model_manager.h"
#include "runtime/model/perplexity.h"
#include "server/cli/json_output.h"

namespace quantd {

/// A text that models are judged by.
struct EvaluationText {
  std::string path;  ///< for messages
  std::string bytes;
  size_t max_tokens = 0;  ///< read only so many from its start; 0 = all
};

/// Reads the whole file. Errors: NOT_FOUND naming the path.
absl::StatusOr<EvaluationText> ReadText(const std::string& path);

/// The text as the model reads it, and the options to run it with in chunks of `chunk` tokens;
/// progress is drawn as `label` on stderr unless `quiet`, and an interrupt (InterruptScope)
/// cancels.
std::vector<int32_t> EncodeText(const ServedModel& served, const EvaluationText& text);
ChunkOptions ReadingOptions(const ServedModel& served, int32_t chunk, const std::string& label,
                            bool quiet);

/// What was found out about a model: alone, or also compared with another.
struct Evaluation {
  PerplexityResult result;
  std::optional<ModelComparison> comparison;
};

/// Evaluates `served` on the text, against `reference` unless that is null. Errors name the text:
/// those of ComputePerplexity and CompareModels; INVALID_ARGUMENT when the two models do not cut
/// the text into the same tokens.
absl::StatusOr<Evaluation> Evaluate(const ServedModel& served, const ServedModel* reference,
                                    const EvaluationText& text, int32_t chunk, bool quiet);

/// The comparison with the model that `against` names, for people and for programs.
std::string DescribeComparison(const std::string& against, const ModelComparison& comparison);
Json ComparisonJson(const std::string& against, const ModelComparison& comparison);

}  // namespace quantd

#endif  // QUANTD_SERVER_CLI_EVALUATION_H_
