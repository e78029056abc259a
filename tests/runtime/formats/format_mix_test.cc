#include "runtime/formats/format_mix.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/formats/gguf.h"
#include "tests/support/test_data.h"

namespace quantd {
namespace {

using ::testing::HasSubstr;

std::string Type(const std::string& mix, const MatrixPlace& place) {
  const auto found = FormatMix::Find(mix);
  EXPECT_TRUE(found.ok()) << found.status();
  return found->SchemeFor(place).name;
}

TEST(FormatMix, OneTypeIsForEverything) {
  EXPECT_EQ(Type("q4_0", {"output", 0, 32, false, 4096}), "Q4_0");
  EXPECT_EQ(Type("Q4_K", {"attn_v", 0, 32, false, 896}), "Q4_K");  // never replaced
  EXPECT_STREQ(FormatMix::Find("q4_0")->name(), "Q4_0");
  EXPECT_STREQ(FormatMix::Find("q4_k_m")->name(), "Q4_K_M");
}

TEST(FormatMix, OneTypeMayHaveAFineOutput) {
  const auto type = [](const char* mix, const MatrixPlace& place) {
    return std::string(FormatMix::Find(mix)->WithFineOutput().SchemeFor(place).name);
  };
  EXPECT_EQ(type("Q4_0", {"output", 0, 32, false, 4096}), "Q6_K");
  EXPECT_EQ(type("Q4_0", {"output", 0, 32, false, 96}), "Q8_0");
  EXPECT_EQ(type("Q4_0", {"token_embd", 0, 32, true, 4096}), "Q6_K");
  EXPECT_EQ(type("Q4_0", {"token_embd", 0, 32, false, 4096}), "Q4_0");
  EXPECT_EQ(type("Q4_0", {"attn_v", 0, 32, true, 4096}), "Q4_0");
  EXPECT_EQ(type("Q8_0", {"output", 0, 32, false, 4096}), "Q8_0");
  EXPECT_EQ(type("F16", {"output", 0, 32, false, 4096}), "F16");
  EXPECT_EQ(type("Q4_K_M", {"attn_q", 0, 32, false, 4096}), "Q4_K");
}

TEST(FormatMix, FileTypesAreThoseOfTheFormat) {
  const std::pair<const char*, uint32_t> types[] = {
      {"F32", 0},     {"F16", 1},   {"Q4_0", 2},    {"Q4_1", 3},    {"Q8_0", 7},  {"Q5_0", 8},
      {"Q5_1", 9},    {"Q2_K", 10}, {"Q3_K", 11},   {"Q3_K_M", 12}, {"Q4_K", 14}, {"Q4_K_S", 14},
      {"Q4_K_M", 15}, {"Q5_K", 16}, {"Q5_K_S", 16}, {"Q5_K_M", 17}, {"Q6_K", 18}, {"IQ4_NL", 25},
      {"IQ4_XS", 30}, {"BF16", 32}, {"MXFP4", 38}};
  for (const auto& [name, type] : types)
    EXPECT_EQ(FormatMix::Find(name)->file_type(), type) << name;
}

TEST(FormatMix, MixesAreThoseOfOtherWriters) {
  struct Case {
    const char* mix;
    const char* part;
    int layer;
    const char* type;
  };
  const Case cases[] = {
      {"Q4_K_M", "attn_q", 0, "Q4_K"},      {"Q4_K_M", "attn_v", 0, "Q6_K"},
      {"Q4_K_M", "attn_v", 3, "Q6_K"},      {"Q4_K_M", "attn_v", 4, "Q4_K"},
      {"Q4_K_M", "attn_v", 5, "Q4_K"},      {"Q4_K_M", "attn_v", 6, "Q6_K"},
      {"Q4_K_M", "ffn_down", 27, "Q6_K"},   {"Q4_K_M", "ffn_down", 26, "Q4_K"},
      {"Q4_K_M", "ffn_down", 31, "Q6_K"},   {"Q4_K_M", "token_embd", 0, "Q4_K"},
      {"Q4_K_M", "output", 0, "Q6_K"},      {"Q4_K_S", "attn_v", 3, "Q5_K"},
      {"Q4_K_S", "attn_v", 4, "Q4_K"},      {"Q4_K_S", "ffn_down", 3, "Q5_K"},
      {"Q4_K_S", "ffn_down", 4, "Q4_K"},    {"Q5_K_M", "ffn_down", 31, "Q6_K"},
      {"Q5_K_M", "ffn_down", 5, "Q5_K"},    {"Q5_K_S", "attn_v", 0, "Q5_K"},
      {"Q3_K_M", "attn_v", 1, "Q5_K"},      {"Q3_K_M", "attn_v", 2, "Q4_K"},
      {"Q3_K_M", "attn_output", 9, "Q4_K"}, {"Q3_K_M", "ffn_down", 1, "Q5_K"},
      {"Q3_K_M", "ffn_down", 2, "Q4_K"},    {"Q3_K_M", "ffn_up", 0, "Q3_K"},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(Type(c.mix, {c.part, c.layer, 32, false, 4096}), c.type)
        << c.mix << " " << c.part << " " << c.layer;
  }
  EXPECT_EQ(Type("Q4_K_M", {"token_embd", 0, 32, true, 4096}), "Q6_K");
}

TEST(FormatMix, ShortRowsGetTypesWithSmallBlocks) {
  EXPECT_EQ(Type("Q4_K_M", {"attn_q", 0, 24, true, 896}), "Q5_0");
  EXPECT_EQ(Type("Q4_K_M", {"attn_v", 0, 24, true, 896}), "Q8_0");
  EXPECT_EQ(Type("Q5_K_M", {"attn_q", 0, 24, true, 896}), "Q5_1");
  EXPECT_EQ(Type("Q3_K_M", {"attn_q", 0, 24, true, 896}), "IQ4_NL");
  EXPECT_EQ(Type("Q4_K_M", {"ffn_down", 1, 5, true, 172}), "F16");
  EXPECT_STREQ(FittingScheme(*FindGgufScheme("Q4_0"), 96).name, "Q4_0");
  EXPECT_STREQ(FittingScheme(*FindGgufScheme("Q4_0"), 172).name, "F16");
}

/// The same choice as the program that wrote this file from the model in F16.
TEST(FormatMix, GivesTheTypesOfABundledFile) {
  const auto file = GgufFile::Open(SourcePath("config/models/shakespeare-6m-Q4_K_M.gguf"));
  ASSERT_TRUE(file.ok()) << file.status();
  int compared = 0;
  for (const GgufTensor& tensor : (*file)->tensors()) {
    if (tensor.shape.size() < 2) continue;
    const size_t end = tensor.name.rfind(".weight"), begin = tensor.name.rfind('.', end - 1) + 1;
    const int layer = begin == 0 ? 0 : std::stoi(tensor.name.substr(4));
    const std::string part = tensor.name.substr(begin, end - begin);
    EXPECT_EQ(Type("Q4_K_M", {part, layer, 6, false, tensor.cols()}),
              KnownGgufTypeName(tensor.type))
        << tensor.name;
    ++compared;
  }
  EXPECT_EQ(compared, 2 + 6 * 7);
}

TEST(FormatMix, UnknownNamesAreAnsweredWithTheKnownOnes) {
  const absl::Status status = FormatMix::Find("Q4_K_XL").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("\"Q4_K_XL\" is unknown; known are F32, "));
  EXPECT_THAT(std::string(status.message()), HasSubstr("MXFP4, Q3_K_M, Q4_K_S, Q4_K_M"));
}

}  // namespace
}  // namespace quantd
