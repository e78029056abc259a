#ifndef QUANTD_TESTS_RUNTIME_TOKENIZER_VOCAB_BUILDER_H_
#define QUANTD_TESTS_RUNTIME_TOKENIZER_VOCAB_BUILDER_H_

#include <cstdint>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "gtest/gtest.h"
#include "runtime/formats/gguf.h"
#include "runtime/tokenizer/tokenizer.h"
#include "tests/runtime/formats/gguf_builder.h"

namespace quantd {

/// A vocabulary-only GGUF file in memory, valid or not.
struct VocabBuilder {
  std::string model = "llama";
  std::optional<std::string> pre;
  std::vector<std::string> tokens;
  std::optional<std::vector<float>> scores;
  std::optional<std::vector<int32_t>> types;
  std::optional<std::vector<std::string>> merges;
  std::vector<std::string> more_keys;  ///< of RawKey

  /// Appends a token; better tokens of a "llama" vocabulary come first.
  int32_t Add(const std::string& text, TokenType type = TokenType::kNormal) {
    const int32_t id = static_cast<int32_t>(tokens.size());
    tokens.push_back(text);
    if (scores) scores->push_back(static_cast<float>(-id));
    if (types) types->push_back(static_cast<int32_t>(type));
    return id;
  }
  void SetUint(const std::string& key, uint32_t value) {
    more_keys.push_back(RawKey("tokenizer.ggml." + key, 4, Raw(value)));
  }
  void SetBool(const std::string& key, bool value) {
    more_keys.push_back(RawKey("tokenizer.ggml." + key, 7, Raw<uint8_t>(value)));
  }

  std::string Bytes() const {
    const auto strings = [](const std::vector<std::string>& values) {
      std::string bytes;
      for (const std::string& value : values) bytes += RawString(value);
      return RawArray(8, values.size(), bytes);
    };
    const auto numbers = [](uint32_t element, const auto& values) {
      std::string bytes;
      for (const auto value : values) bytes += Raw(value);
      return RawArray(element, values.size(), bytes);
    };
    const std::string prefix = "tokenizer.ggml.";
    GgufBuilder file;
    file.keys = {RawKey(prefix + "model", 8, RawString(model)),
                 RawKey(prefix + "tokens", 9, strings(tokens))};
    if (pre) file.keys.push_back(RawKey(prefix + "pre", 8, RawString(*pre)));
    if (scores) file.keys.push_back(RawKey(prefix + "scores", 9, numbers(6, *scores)));
    if (types) file.keys.push_back(RawKey(prefix + "token_type", 9, numbers(5, *types)));
    if (merges) file.keys.push_back(RawKey(prefix + "merges", 9, strings(*merges)));
    file.keys.insert(file.keys.end(), more_keys.begin(), more_keys.end());
    return file.Bytes();
  }

  /// The file is gone when this returns: a tokenizer does not need it any more.
  absl::StatusOr<std::unique_ptr<Tokenizer>> Load() const {
    const std::string bytes = Bytes();
    const auto file = GgufFile::Parse(
        absl::MakeConstSpan(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()),
        "vocab.gguf");
    if (!file.ok()) return file.status();
    return Tokenizer::FromGguf(**file);
  }
};

inline std::string ByteToken(int byte) {
  char text[8];
  std::snprintf(text, sizeof text, "<0x%02X>", byte);
  return text;
}

/// A "llama" vocabulary with all byte tokens: <unk> 0, <s> 1, </s> 2, byte b is 3 + b, then
/// `pieces` from 259 on, best first.
inline VocabBuilder LlamaVocab(const std::vector<std::string>& pieces) {
  VocabBuilder vocab;
  vocab.scores.emplace();
  vocab.types.emplace();
  vocab.Add("<unk>", TokenType::kUnknown);
  vocab.Add("<s>", TokenType::kControl);
  vocab.Add("</s>", TokenType::kControl);
  for (int byte = 0; byte < 256; ++byte) vocab.Add(ByteToken(byte), TokenType::kByte);
  for (const std::string& piece : pieces) vocab.Add(piece);
  vocab.SetUint("bos_token_id", 1);
  vocab.SetUint("eos_token_id", 2);
  return vocab;
}

/// The character by which a byte-level vocabulary spells a byte, made as GPT-2's encoder does:
/// bytes without a printable Latin-1 character take the code points from 256 on.
inline std::string BpeCharacter(int byte) {
  int code = 256;
  for (int b = 0; b <= byte; ++b) {
    const bool printable = (b > 0x20 && b < 0x7F) || (b > 0xA0 && b != 0xAD);
    if (b == byte && printable) code = b;
    if (b < byte && !printable) ++code;
  }
  if (code < 0x80) return std::string(1, static_cast<char>(code));
  return {static_cast<char>(0xC0 | code >> 6), static_cast<char>(0x80 | (code & 0x3F))};
}

/// A "gpt2" vocabulary: byte b is token b, then the result of each of `merges` from 256 on, in
/// which parts are spelled with BpeCharacter.
inline VocabBuilder BpeVocab(const std::string& pre, const std::vector<std::string>& merges) {
  VocabBuilder vocab;
  vocab.model = "gpt2";
  vocab.pre = pre;
  vocab.types.emplace();
  vocab.merges = merges;
  for (int byte = 0; byte < 256; ++byte) vocab.Add(BpeCharacter(byte));
  for (std::string merge : merges) vocab.Add(merge.erase(merge.find(' '), 1));
  return vocab;
}

using Ids = std::vector<int32_t>;

/// The tokenizer of a vocabulary; null, and the test fails, when it cannot be loaded.
inline std::unique_ptr<Tokenizer> LoadOrDie(const VocabBuilder& vocab) {
  auto tokenizer = vocab.Load();
  EXPECT_TRUE(tokenizer.ok()) << tokenizer.status();
  return tokenizer.ok() ? std::move(*tokenizer) : nullptr;
}

/// Texts that tokenizers get wrong: scripts, emoji, controls, noncharacters, ill-formed UTF-8.
inline std::vector<std::string> DifficultTexts() {
  using namespace std::string_literals;
  return {
      "",
      " ",
      "  leading, trailing  ",
      "Hello, world! It's 12345 o'clock; isn't it?\r\n\r\n\t\tYES",
      "naïve café — Ærøskøbing, Đà Nẵng, İstanbul, ſtraße",
      "нещо на Български, Ελληνικά, עברית, العربية",
      "我想在apple工作1314151天～ 日本語のテキスト 한국어",
      "កាន់តែពិសេសអាចខលចេញ हिन्दी ไทย",
      "🚀 (normal) 😶‍🌫️ 👩‍👩‍👧‍👦 ✅ 🏳️‍🌈",
      "a\u0301\u0302\u0303 z\u0336a\u0336l\u0336g\u0336o",
      "\u00a0\u2003\u3000\u180e\u200b\u2028\u0085",
      "\x01\x02\x07\x1b[0m\x7f\0mid NUL"s,
      "\uFFFD \uFFFE \U0010FFFF \uE000",
      "<s></s><unk><0x41><|endoftext|>",
      "\xff\xfe\x80 \xc0\xaf \xed\xa0\x80 \xf4\x90\x80\x80 \xe4\xb8",
      std::string(1000, 'a') + std::string(1000, ' ') + std::string(1000, '\n'),
  };
}

}  // namespace quantd

#endif  // QUANTD_TESTS_RUNTIME_TOKENIZER_VOCAB_BUILDER_H_
