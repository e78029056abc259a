#ifndef QUANTD_TESTS_RUNTIME_MODEL_GOLDEN_H_
#define QUANTD_TESTS_RUNTIME_MODEL_GOLDEN_H_

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tests/runtime/model/model_fixture.h"
#include "tests/support/test_data.h"

namespace quantd {

inline int32_t ArgMax(const std::vector<float>& logits) {
  return static_cast<int32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
}

/// Compares with what an independent program computed (see tests/golden/README.md), in the file
/// `golden` of this repository: the logits after the prompt within `tolerance` of the largest, and
/// the greedy ids wherever the two best logits are farther apart than `clear_margin`.
inline void ExpectGolden(Model& model, const std::string& golden, KvType type, float tolerance,
                         double clear_margin = 0.02) {
  const auto cases = nlohmann::json::parse(ReadFileOrDie(SourcePath(golden)));
  ASSERT_FALSE(cases.empty());
  for (const auto& c : cases) {
    const auto prompt = c["prompt_ids"].get<std::vector<int32_t>>();
    const auto expected = c["logits_after_prompt"].get<std::vector<float>>();
    const auto ids = c["greedy_ids"].get<std::vector<int32_t>>();
    const auto margins = c["greedy_margin"].get<std::vector<double>>();
    Sequences sequences(model, type, 9);
    std::vector<float> logits = sequences.Step({{0, prompt}})[0];
    ASSERT_EQ(logits.size(), expected.size());
    float largest = 0, error = 0;
    for (size_t i = 0; i < expected.size(); ++i) {
      largest = std::max(largest, std::fabs(expected[i]));
      error = std::max(error, std::fabs(logits[i] - expected[i]));
    }
    EXPECT_LE(error, tolerance * largest);
    ASSERT_EQ(ids.size(), 64u);
    for (size_t i = 0; i < ids.size(); ++i) {
      if (margins[i] > clear_margin) {
        ASSERT_EQ(ArgMax(logits), ids[i]) << "step " << i;
      }
      logits = sequences.Step({{0, {ids[i]}}})[0];
    }
  }
}

}  // namespace quantd

#endif  // QUANTD_TESTS_RUNTIME_MODEL_GOLDEN_H_
