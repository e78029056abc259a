// Folders of Hugging Face through all that loading does, with a tokenizer and a chat template: what
// they give, and the malformed ones of each kind, whose errors name file and field.

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "runtime/lifecycle/load_plan.h"
#include "tests/runtime/lifecycle/lifecycle_fixture.h"
#include "tests/runtime/model/tiny_hf_model.h"
#include "tests/support/temporary_folder.h"

namespace quantd {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr int64_t kPlenty = int64_t{1} << 40;
constexpr int kVocab = 640;  // padded, as models are: the tokenizer has 602 tokens
constexpr char kTemplate[] =
    "{% for m in messages %}<|begin|>{{ m['content'] }}<|end|>{% endfor %}";

json Golden(const std::string& name) {
  std::ifstream file(SourcePath("tests/golden/tokenizers/" + name));
  return json::parse(file);
}

/// A model whose tokenizer is a golden one.
class LoadFolderTest : public ::testing::Test {
 protected:
  LoadFolderTest() {
    TinyHfModel tiny;
    tiny.keys["vocab_size"] = absl::StrCat(kVocab);
    for (const char* name : {"model.embed_tokens.weight", "lm_head.weight"}) {
      tiny.Remove(name);
      tiny.AddFloats(name, {kVocab, 12});
    }
    folder_.Write("config.json", tiny.ConfigText());
    folder_.Write("model.safetensors", tiny.FileBytes());
    tokenizer_ = Golden("qwen2.json");
    folder_.Write("tokenizer.json", tokenizer_.dump());
    folder_.Write("tokenizer_config.json", R"({"eos_token": "<|end|>"})");
    folder_.Write("chat_template.jinja", kTemplate);
  }

  ModelSpec Spec() const {
    ModelSpec spec = DemoSpec("folder");
    spec.path = folder_.path();
    return spec;
  }

  void ExpectError(const std::string& file, const std::string& text, const std::string& field) {
    folder_.Write(file, text);
    const absl::Status status = PlanLoad(Spec(), kPlenty).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << field << ": " << status;
    EXPECT_THAT(std::string(status.message()),
                AllOf(HasSubstr(folder_.Path(file)), HasSubstr(field)));
  }

  const TemporaryFolder folder_;
  json tokenizer_;
};

TEST_F(LoadFolderTest, TextsAndIdsAreThoseOfTheTokenizer) {
  const auto model =
      ServedModel::Load(Spec(), SharedRuntime().kernels(), SharedRuntime().pool(), {}, nullptr);
  ASSERT_TRUE(model.ok()) << model.status();
  const Tokenizer& tokenizer = (*model)->tokenizer();
  EXPECT_TRUE(tokenizer.CheckText().ok());
  EXPECT_THAT(tokenizer.end_ids(), ::testing::Contains(601));
  const json texts = Golden("texts.json"), expected = Golden("qwen2.expected.json");
  ASSERT_EQ(texts.size(), expected.size());
  for (size_t i = 0; i < texts.size(); ++i) {
    const std::string hex = texts[i].value("hex", "");
    const std::string text = hex.empty() ? texts[i].value("text", "") : absl::HexStringToBytes(hex);
    const auto ids = expected[i]["ids"].get<std::vector<int32_t>>();
    EXPECT_EQ(tokenizer.Encode(text, {.parse_control = true}), ids) << i;
    const json& decoded = expected[i]["text"];  // null where it is no UTF-8
    if (!decoded.is_null()) {
      EXPECT_EQ(tokenizer.Decode(ids), decoded.get<std::string>()) << i;
    }
  }
}

TEST_F(LoadFolderTest, TemplateIsTheFoldersOrTheOneAskedFor) {
  Conversation conversation;
  conversation.messages.push_back({"user", "hi<|end|>"});
  const auto own = PlanLoad(Spec(), kPlenty);
  ASSERT_TRUE(own.ok()) << own.status();
  ASSERT_TRUE(own->chat_template.ok()) << own->chat_template.status();
  const auto prompt = (*own->chat_template)->Render(conversation);
  ASSERT_TRUE(prompt.ok()) << prompt.status();
  EXPECT_EQ(prompt->text, "<|begin|>hi<|end|><|end|>");
  // The user's "<|end|>" is text, the template's is a token.
  const std::vector<int32_t> ids =
      own->tokenizer->Encode(prompt->text, {.parse_control = true, .plain = prompt->outside});
  EXPECT_EQ(ids.front(), 600);
  EXPECT_EQ(ids.back(), 601);
  EXPECT_EQ(std::count(ids.begin(), ids.end(), 601), 1);

  ModelSpec spec = Spec();
  spec.chat_template = folder_.Write("other.jinja", "{{ eos_token }}other");
  const auto other = PlanLoad(spec, kPlenty);
  ASSERT_TRUE(other.ok()) << other.status();
  EXPECT_EQ((*other->chat_template)->Render(conversation)->text, "<|end|>other");
  spec.chat_template = folder_.Write("bad.jinja", "{% for %}");
  const absl::Status bad = PlanLoad(spec, kPlenty).status();
  EXPECT_EQ(bad.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(bad.message()),
              AllOf(HasSubstr("chat_template: "), HasSubstr("bad.jinja")));
}

TEST_F(LoadFolderTest, MalformedTokenizersAreRefusedNamingTheField) {
  const struct {
    const char* field;
    std::function<void(json*)> change;
  } kCases[] = {
      {"model.merges[0]",
       [](json* t) {
         (*t)["model"]["merges"][0] = {"abcdefghij", "klmnopqrst"};
       }},
      {"model.merges[1]",
       [](json* t) {
         (*t)["model"]["merges"][1] = {"a", "nowhere"};
       }},
      {"model.merges[2]", [](json* t) { (*t)["model"]["merges"][2] = "a b c"; }},
      {"model.vocab", [](json* t) { (*t)["model"]["vocab"] = json::object(); }},
      {"model.vocab.x y", [](json* t) { (*t)["model"]["vocab"]["x y"] = 0; }},
      {"model.vocab.x y", [](json* t) { (*t)["model"]["vocab"]["x y"] = -1; }},
      {"model.vocab.x y", [](json* t) { (*t)["model"]["vocab"]["x y"] = int64_t{1} << 31; }},
      {"model.vocab.x y", [](json* t) { (*t)["model"]["vocab"]["x y"] = (int64_t{1} << 31) - 1; }},
      {"model.vocab.x y", [](json* t) { (*t)["model"]["vocab"]["x y"] = nullptr; }},
      {"added_tokens[0]", [](json* t) { (*t)["added_tokens"][0]["content"] = ""; }},
      {"added_tokens[1]", [](json* t) { (*t)["added_tokens"][1]["id"] = 600; }},
      {"added_tokens[0]", [](json* t) { (*t)["added_tokens"][0]["id"] = -1; }},
      {"byte_fallback",
       [](json* t) {
         (*t)["model"]["byte_fallback"] = true;
         (*t)["model"]["vocab"]["<0x00>"] = 602;
       }},
      {"pre_tokenizer",
       [](json* t) {
         (*t)["pre_tokenizer"] = {
             {"type", "Split"}, {"behavior", "Isolated"}, {"pattern", {{"Regex", "(a"}}}};
       }},
  };
  for (const auto& test : kCases) {
    json changed = tokenizer_;
    test.change(&changed);
    ExpectError("tokenizer.json", changed.dump(), test.field);
  }
  for (const std::string& text : {std::string(), std::string("{"), std::string("[]"),
                                  std::string(100'000, '['), std::string("{\"\\ud800\": 1}"),
                                  std::string("{\"\xff\": 1}"), std::string("{\"a\": 1e309}")}) {
    ExpectError("tokenizer.json", text, "");
  }
}

TEST_F(LoadFolderTest, AVocabularyBeyondTheLogitsIsRefused) {
  json changed = tokenizer_;
  changed["added_tokens"].push_back({{"id", 700}, {"content", "far"}});
  folder_.Write("tokenizer.json", changed.dump());
  const absl::Status status = PlanLoad(Spec(), kPlenty).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(status.message()), HasSubstr("computes logits for 640"));
}

/// A pattern that takes exponential time to fail loads, and is given up within its bound.
TEST_F(LoadFolderTest, CatastrophicPatternsDoNotHang) {
  json changed = tokenizer_;
  changed["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"] = "(a*)*b|(a|aa)+c";
  folder_.Write("tokenizer.json", changed.dump());
  const auto plan = PlanLoad(Spec(), kPlenty);
  if (!plan.ok()) {
    EXPECT_THAT(std::string(plan.status().message()), HasSubstr("tokenizer.json"));
    return;
  }
  const std::string text(10'000, 'a');
  EXPECT_EQ(plan->tokenizer->Decode(plan->tokenizer->Encode(text, {})), text);
}

TEST_F(LoadFolderTest, UnknownIdsHaveNoText) {
  const auto plan = PlanLoad(Spec(), kPlenty);
  ASSERT_TRUE(plan.ok()) << plan.status();
  for (const int32_t id : {-1, 602, 639, kVocab, std::numeric_limits<int32_t>::max()}) {
    EXPECT_EQ(plan->tokenizer->Decode({id}), "") << id;
  }
}

/// The model loads; conversations get the error, and all else is served.
TEST_F(LoadFolderTest, MalformedTemplatesFailConversationsOnly) {
  const std::string loop = "{% for a in range(100000) %}";
  const std::string unusable =
      "chat_template.jinja: the chat template 'default' cannot be used: line 1";
  const struct {
    std::string text, message;
  } kCases[] = {
      // Of the template itself:
      {"{% if x %}", unusable},
      {"{{ " + std::string(10'000, '(') + "1" + std::string(10'000, ')') + " }}", unusable},
      {"\xff",
       "chat_template.jinja: the chat template 'default' cannot be used: is not valid UTF-8"},
      // Of a conversation, which is what the caller gave:
      {loop + loop + "{% endfor %}{% endfor %}", "messages: "},
      {loop + loop + "{{ a }}{% endfor %}{% endfor %}", "line 1: the template takes more than"},
      {"{{ 'x' * 1000000000 }}", "line 1: the template takes more than"},
      {"{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "line 1: the template recurses"},
      {"{{ ''.__class__.__mro__ }}", "line 1: access to attribute '__class__'"},
      {"{{ messages[0].role.missing.deeper }}", "has no attribute 'missing'"},
      {"{{ messages[9].role }}", "has no attribute '9'"},
      {"{{ unknown_function() }}", "'unknown_function' is undefined"},
  };
  Conversation conversation;
  conversation.messages.push_back({"user", "hi"});
  for (const auto& test : kCases) {
    folder_.Write("chat_template.jinja", test.text);
    const auto plan = PlanLoad(Spec(), kPlenty);
    ASSERT_TRUE(plan.ok()) << plan.status();
    EXPECT_FALSE(plan->tokenizer->Encode("hi", {}).empty());
    absl::Status status = plan->chat_template.status();
    if (status.ok()) status = (*plan->chat_template)->Render(conversation).status();
    EXPECT_FALSE(status.ok()) << test.text.substr(0, 60);
    EXPECT_THAT(std::string(status.message()), HasSubstr(test.message));
  }
  std::remove(folder_.Path("chat_template.jinja").c_str());
  folder_.Write("tokenizer_config.json", R"({"chat_template": 1})");
  EXPECT_THAT(std::string(PlanLoad(Spec(), kPlenty)->chat_template.status().message()),
              HasSubstr("tokenizer_config.json: chat_template"));
}

}  // namespace
}  // namespace quantd
