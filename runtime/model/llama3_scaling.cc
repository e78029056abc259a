#include "runtime/model/llama3_scaling.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

namespace quantd {
namespace {

// Programs that compute the factors in floats come as near as this.
constexpr double kTolerance = 1e-4;

double Frequency(float rope_base, size_t pair, size_t pairs) {
  return std::pow(double{rope_base}, -static_cast<double>(pair) / static_cast<double>(pairs));
}

/// Where a pair lies between those that are slowed down (share 0) and those that are not (1).
struct Point {
  double frequency, share;
};

/// Two points of the line on which shares lie before they are cut to [0, 1].
struct Line {
  Point low, high;
};

/// The line through pairs whose share is between 0 and 1. With one such pair, or none, it is any
/// that leaves the others where they are.
std::optional<Line> FindLine(const std::vector<Point>& points) {
  constexpr double kEdge = 1e-6;
  const auto below_one = std::find_if(points.begin(), points.end(),
                                      [](const Point& p) { return p.share < 1 - kEdge; });
  auto zero = std::find_if(below_one, points.end(), [](const Point& p) { return p.share < kEdge; });
  if (zero - below_one >= 2) return Line{*(zero - 1), *below_one};
  // Neighbours, or what would be neighbours: frequencies fall by one ratio.
  const double step = points[0].frequency / points[1].frequency;
  const double one =
      below_one == points.begin() ? points[0].frequency * step : (below_one - 1)->frequency;
  const double none = zero == points.end() ? points.back().frequency / step : zero->frequency;
  if (zero == below_one) {
    return Line{{none * std::cbrt(step), 0}, {one / std::cbrt(step), 1}};
  }
  // Steep enough for both neighbours.
  const Point& middle = *below_one;
  const double slope = 2 * std::max((1 - middle.share) / (one - middle.frequency),
                                    middle.share / (middle.frequency - none));
  return Line{middle, {middle.frequency + 1 / slope, middle.share + 1}};
}

/// The largest error, as a share of the factor.
double ErrorOf(const Llama3Scaling& scaling, absl::Span<const float> factors, float rope_base) {
  const std::vector<float> made =
      Llama3Factors(scaling, rope_base, static_cast<int32_t>(2 * factors.size()));
  double error = 0;
  for (size_t i = 0; i < made.size(); ++i) {
    error = std::max(error, std::fabs(double{made[i]} / factors[i] - 1));
  }
  return error;
}

/// The scaling of a line; the original context is a whole number.
std::optional<Llama3Scaling> ScalingOf(const Line& line, float factor) {
  const double slope =
      (line.high.share - line.low.share) / (line.high.frequency - line.low.frequency);
  const double zero = line.low.frequency - line.low.share / slope;  // where the share is 0
  if (!(slope > 0 && zero > 0)) return std::nullopt;
  const double exact = 2 * std::numbers::pi / zero;  // tokens within which that turns once
  const double context = std::round(exact);
  if (!(context >= 1 && context <= std::numeric_limits<int32_t>::max())) return std::nullopt;
  const double turns = context / (2 * std::numbers::pi);
  return Llama3Scaling{factor, static_cast<float>(zero * turns),
                       static_cast<float>((zero + 1 / slope) * turns),
                       static_cast<int32_t>(context)};
}

}  // namespace

std::vector<float> Llama3Factors(const Llama3Scaling& scaling, float rope_base, int32_t rope_dim) {
  const double factor = scaling.factor, low = scaling.low, high = scaling.high;
  std::vector<float> factors;
  for (int32_t pair = 0; pair < rope_dim / 2; ++pair) {
    const double frequency = std::pow(double{rope_base}, -2.0 * pair / rope_dim);
    const double turns = scaling.original_context * frequency / (2 * std::numbers::pi);
    const double share = std::clamp((turns - low) / (high - low), 0.0, 1.0);
    factors.push_back(static_cast<float>(1 / ((1 - share) / factor + share)));
  }
  return factors;
}

std::optional<Llama3Scaling> FindLlama3Scaling(absl::Span<const float> factors, float rope_base) {
  if (factors.size() < 2) return std::nullopt;
  const float factor = factors.back();
  if (!(factor > 1)) return std::nullopt;
  std::vector<Point> points;
  for (size_t i = 0; i < factors.size(); ++i) {
    const double share = (1 / double{factors[i]} - 1 / double{factor}) / (1 - 1 / double{factor});
    points.push_back({Frequency(rope_base, i, factors.size()), share});
  }
  const std::optional<Line> line = FindLine(points);
  const std::optional<Llama3Scaling> found = line ? ScalingOf(*line, factor) : std::nullopt;
  if (!found || !(found->low < found->high)) return std::nullopt;
  // Turns count from the context, so it may be anything: with Llama's own `low`, which is 1, it is
  // as published, and `high` a round number.
  Llama3Scaling round = *found;
  round.low = 1;
  round.high = std::round(4 * found->high / found->low) / 4;
  round.original_context =
      static_cast<int32_t>(std::lround(found->original_context / double{found->low}));
  const double round_error =
      round.high > round.low ? ErrorOf(round, factors, rope_base) : 2 * kTolerance;
  const double error = ErrorOf(*found, factors, rope_base);
  if (round_error <= kTolerance && (error > 0 || round_error == 0)) return round;
  if (error <= kTolerance) return found;
  return std::nullopt;
}

}  // namespace quantd
