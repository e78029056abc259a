#include <algorithm>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "runtime/formats/json_document.h"
#include "runtime/tokenizer/tokenizer.h"
#include "tests/support/test_data.h"

namespace quantd {
namespace {

// Small tokenizers and the ids that the libraries they come from give; see the script that wrote
// them, tests/golden/make_tokenizers.py.
const std::string& Folder() {
  static const auto* const folder = new std::string(SourcePath("tests/golden/tokenizers"));
  return *folder;
}

constexpr uint64_t kMaxBytes = 1 << 20;

std::unique_ptr<JsonDocument> OpenJson(const std::string& name) {
  auto document = JsonDocument::Open(absl::StrCat(Folder(), "/", name), kMaxBytes);
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

// Every NAME.json, and every folder.
std::vector<std::string> Names() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(Folder())) {
    const std::string name = entry.path().filename();
    if (entry.is_directory()) {
      names.push_back(name);
    } else if (!absl::EndsWith(name, ".expected.json") && name != "texts.json") {
      names.push_back(entry.path().stem());
    }
  }
  return names;
}

class HfGoldenTest : public testing::TestWithParam<std::string> {};

TEST_P(HfGoldenTest, GivesTheIdsOfTheLibrary) {
  const std::string path = absl::StrCat(Folder(), "/", GetParam());
  const bool folder = std::filesystem::is_directory(path);
  const auto tokenizer = Tokenizer::Open(folder ? path : path + ".json");
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

INSTANTIATE_TEST_SUITE_P(Published, HfGoldenTest, testing::ValuesIn(Names()), [](const auto& info) {
  std::string name = info.param;
  name.erase(std::remove(name.begin(), name.end(), '-'), name.end());
  return name;
});

}  // namespace
}  // namespace quantd
