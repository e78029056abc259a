#ifndef QUANTD_SERVER_CLI_ADVICE_H_
#define QUANTD_SERVER_CLI_ADVICE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "runtime/model/format_speed.h"
#include "server/cli/json_output.h"

namespace quantd {

/// What quantizing to a format does to a model's predictions on a text.
struct FormatLoss {
  double perplexity = 0;
  double kl_mean = 0;  ///< Kullback-Leibler divergence from the full-precision model, nats
};

/// What is known about one format for a model.
struct AdviceRow {
  ComparedFormat format;
  bool has_file_type = false;  ///< a GGUF file can have it
  int64_t weight_bytes = 0;    ///< 0: the model's rows do not suit the format
  bool fits = false;           ///< weights and KV cache, into memory
  std::optional<FormatSpeed> speed;
  std::optional<FormatLoss> loss;
  std::string note;  ///< why something is missing
};

/// Everything that a recommendation is made of. A plain value.
struct Advice {
  ModelConfig config;
  int32_t context = 0;       ///< tokens
  int64_t kv_bytes = 0;      ///< of one sequence of `context` tokens
  int64_t memory_bytes = 0;  ///< that weights and KV cache may take
  std::vector<AdviceRow> rows;
  /// Of the model in full precision; nothing when losses were not measured.
  std::optional<double> full_perplexity;
};

/// Perplexity may rise by this share before a format counts as lossy.
inline constexpr double kAcceptableLoss = 0.02;
/// Without measured losses, formats of fewer bits per weight are not recommended.
inline constexpr int kLeastBits = 4;

/// Index of the recommended row, a pure function of the rows: of the formats that fit, have a file
/// type and cost little (see above; if none does: the one that costs least), the one that decodes
/// one sequence fastest. Nothing when no format fits.
std::optional<size_t> Recommended(const Advice& advice);

/// The recommendation and its reasons in a few sentences.
std::string RecommendationText(const Advice& advice);

/// {shape, context, kv_bytes, memory_bytes, full_perplexity, formats: [...], recommended, reason}.
Json AdviceJson(const Advice& advice);

/// One line per format, for people.
std::string AdviceTable(const Advice& advice, int width);

}  // namespace quantd

#endif  // QUANTD_SERVER_CLI_ADVICE_H_
