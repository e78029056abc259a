#include <algorithm>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "runtime/formats/json_document.h"
#include "runtime/tokenizer/tokenizer.h"
#include "tests/runtime/tokenizer/golden_tokenizers.h"

namespace quantd {
namespace {

constexpr uint64_t kMaxBytes = 1 << 20;

std::unique_ptr<JsonDocument> OpenJson(const std::string& name) {
  auto document = JsonDocument::Open(absl::StrCat(GoldenTokenizers(), "/", name), kMaxBytes);
  EXPECT_TRUE(document.ok()) << document.status();
  return std::move(document).value();
}

std::vector<std::string> ReadTexts() {
  std::vector<std::string> texts;
  const auto document = OpenJson("texts.json");
  const std::vector<JsonValue> entries = document->root().Elements().value();
  for (const JsonValue& entry : entries) {
    const std::string hex = *entry.String("hex", "");
    texts.push_back(hex.empty() ? *entry.String("text", "") : absl::HexStringToBytes(hex));
  }
  return texts;
}

std::vector<int32_t> ReadIds(const JsonValue& list) {
  std::vector<int32_t> ids;
  const std::vector<JsonValue> elements = list.Elements().value();
  for (const JsonValue& id : elements) ids.push_back(static_cast<int32_t>(*id.Int(0, INT32_MAX)));
  return ids;
}

class HfGoldenTest : public testing::TestWithParam<std::string> {};

TEST_P(HfGoldenTest, GivesTheIdsOfTheLibrary) {
  const std::string path = GoldenTokenizerPath(GetParam());
  const bool folder = std::filesystem::is_directory(path);
  const auto tokenizer = Tokenizer::Open(path);
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  const auto expected =
      OpenJson(absl::StrCat(GetParam(), folder ? "/expected.json" : ".expected.json"));
  const std::vector<std::string> texts = ReadTexts();
  const std::vector<JsonValue> cases = expected->root().Elements().value();
  ASSERT_EQ(cases.size(), texts.size());
  for (size_t i = 0; i < texts.size(); ++i) {
    SCOPED_TRACE(absl::StrCat("text ", i, ": \"", absl::CHexEscape(texts[i]), "\""));
    const std::vector<int32_t> ids = ReadIds(*cases[i].At("ids"));
    // SentencePiece's library takes control tokens in a text for text.
    EncodeOptions options{.parse_control = !folder};
    EXPECT_EQ((*tokenizer)->Encode(texts[i], options), ids);
    const auto framed = *cases[i].Find("framed");
    if (framed.has_value()) {
      options.add_bos = (*tokenizer)->default_add_bos();
      options.add_eos = (*tokenizer)->default_add_eos();
      EXPECT_EQ((*tokenizer)->Encode(texts[i], options), ReadIds(*framed));
    }
    const auto text = *cases[i].Find("text");
    if (text.has_value()) {
      EXPECT_EQ((*tokenizer)->Decode(ids), *text->String());
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Published, HfGoldenTest, testing::ValuesIn(GoldenTokenizerNames()),
                         [](const auto& info) {
                           std::string name = info.param;
                           name.erase(std::remove(name.begin(), name.end(), '-'), name.end());
                           return name;
                         });

}  // namespace
}  // namespace quantd
