// Any bytes must be encoded, and what comes out must decode to the same text where it is valid
// UTF-8 and the vocabulary has every byte; the pieces of a stream must make up the whole text. The
// metadata of a vocabulary, with any bytes of it replaced, must give a tokenizer or a status.

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/types/span.h"
#include "kernels/base/check.h"
#include "runtime/formats/gguf.h"
#include "runtime/tokenizer/tokenizer.h"
#include "runtime/tokenizer/utf8.h"
#include "tests/runtime/tokenizer/sample_vocabs.h"

namespace quantd {
namespace {

const std::vector<std::unique_ptr<Tokenizer>>& Tokenizers() {
  static const auto* const tokenizers = [] {
    auto* all = new std::vector<std::unique_ptr<Tokenizer>>();
    for (const VocabBuilder& vocab : SampleVocabs()) {
      auto tokenizer = vocab.Load();
      QUANTD_CHECK(tokenizer.ok(), "the fuzzer's vocabularies are valid");
      all->push_back(std::move(*tokenizer));
    }
    return all;
  }();
  return *tokenizers;
}

void CheckDecoding(const Tokenizer& tokenizer, const std::vector<int32_t>& ids) {
  IncrementalDetokenizer detokenizer(&tokenizer, /*at_text_start=*/true);
  std::string joined;
  for (const int32_t id : ids) joined += detokenizer.Push(id);
  joined += detokenizer.Flush();
  const std::string whole = tokenizer.Decode(ids);
  QUANTD_CHECK(joined == whole, "the pieces make up the whole");
  std::string again;
  AppendUtf8(whole, /*at_end=*/true, &again);
  QUANTD_CHECK(again == whole, "decoded text is UTF-8");
}

void CheckText(const Tokenizer& tokenizer, const std::string& text) {
  const std::vector<int32_t> ids = tokenizer.Encode(text, {});
  for (const int32_t id : ids) {
    QUANTD_CHECK(id >= 0 && id < tokenizer.vocab_size(), "ids are of the vocabulary");
    QUANTD_CHECK(tokenizer.type(id) != TokenType::kControl, "text is never a control token");
  }
  std::string expected;
  AppendUtf8(text, /*at_end=*/true, &expected);
  // A llama vocabulary spells the space U+2581 and cannot tell the two apart; the models of T5 and
  // BERT normalize.
  const std::string& model = tokenizer.model_name();
  const bool exact = model == "gpt2" || (model == "llama" && !absl::StrContains(text, "▁"));
  QUANTD_CHECK(!exact || tokenizer.Decode(ids) == expected, "decoding gives the text back");
  CheckDecoding(tokenizer, ids);
  tokenizer.Encode(text, {.add_bos = true, .add_eos = true, .parse_control = true});
}

void CheckIds(const Tokenizer& tokenizer, absl::Span<const uint8_t> bytes) {
  std::vector<int32_t> ids;
  for (size_t i = 0; i + 1 < bytes.size(); i += 2)
    ids.push_back(bytes[i] | (bytes[i + 1] & 1) << 8);
  CheckDecoding(tokenizer, ids);
}

// Replaces bytes of a valid file: each three of the input are a position and a value.
void CheckMutatedFile(std::string file, absl::Span<const uint8_t> edits) {
  for (size_t i = 0; i + 2 < edits.size(); i += 3) {
    file[(edits[i] | edits[i + 1] << 8) % file.size()] = static_cast<char>(edits[i + 2]);
  }
  const auto parsed = GgufFile::Parse(
      absl::MakeConstSpan(reinterpret_cast<const uint8_t*>(file.data()), file.size()), "fuzz.gguf");
  if (!parsed.ok()) return;
  const auto tokenizer = Tokenizer::FromGguf(**parsed);
  if (!tokenizer.ok()) {
    QUANTD_CHECK(!tokenizer.status().message().empty(), "errors say what is wrong");
    return;
  }
  const std::string text(edits.begin(), edits.end());
  CheckDecoding(**tokenizer,
                (*tokenizer)->Encode("the <tool> </s>" + text, {.parse_control = true}));
}

}  // namespace
}  // namespace quantd

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace quantd;
  if (size == 0) return 0;
  static const std::string files[] = {LlamaSample().Bytes(), BpeSample("gpt-2").Bytes(),
                                      T5Sample().Bytes(), BertSample().Bytes()};
  const auto& tokenizers = Tokenizers();
  const absl::Span<const uint8_t> rest(data + 1, size - 1);
  const size_t choice = data[0] % (tokenizers.size() + std::size(files));
  if (choice < tokenizers.size()) {
    CheckText(*tokenizers[choice], std::string(rest.begin(), rest.end()));
    CheckIds(*tokenizers[choice], rest);
  } else {
    CheckMutatedFile(files[choice - tokenizers.size()], rest);
  }
  return 0;
}
