// Any tokenizer.json, or, of bytes that do not start with '{', any tokenizer.model, must give a
// tokenizer or a status that names the file. The tokenizer must encode and decode any text: ids are
// of the vocabulary, and without parse_control no text becomes a control token. What GGUF can say
// of it is written without a crash.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "kernels/base/check.h"
#include "runtime/tokenizer/hf_to_gguf.h"
#include "runtime/tokenizer/hf_tokenizer.h"
#include "runtime/tokenizer/sentencepiece_file.h"
#include "runtime/tokenizer/utf8.h"

namespace quantd {
namespace {

void CheckGguf(const absl::StatusOr<GgufVocabulary>& vocabulary) {
  if (!vocabulary.ok()) {
    QUANTD_CHECK(absl::StartsWith(vocabulary.status().message(), "fuzz: "), "errors name the file");
    return;
  }
  GgufWriter writer;
  WriteGgufVocabulary(*vocabulary, static_cast<int32_t>(vocabulary->texts.size()), &writer);
}

absl::StatusOr<std::unique_ptr<Tokenizer>> Read(absl::string_view bytes) {
  if (!absl::StartsWith(bytes, "{")) {
    CheckGguf(SentencePieceToGguf(bytes, "fuzz", {}));
    return MakeSentencePieceTokenizer(bytes, "fuzz", {});
  }
  auto file = HfTokenizerFile::Parse(bytes, "fuzz");
  if (!file.ok()) return file.status();
  CheckGguf(HfToGguf(*file, {}));
  return MakeHfTokenizer(*file, {});
}

void CheckText(const Tokenizer& tokenizer, absl::string_view text) {
  const std::vector<int32_t> ids = tokenizer.Encode(text, {});
  for (const int32_t id : ids) {
    QUANTD_CHECK(id >= 0 && id < tokenizer.vocab_size(), "ids are of the vocabulary");
    QUANTD_CHECK(tokenizer.type(id) != TokenType::kControl, "text is never a control token");
  }
  QUANTD_CHECK(IsUtf8(tokenizer.Decode(ids)), "decoded text is UTF-8");
  const EncodeOptions all{.add_bos = true, .add_eos = true, .parse_control = true};
  for (const int32_t id : tokenizer.Encode(text, all)) {
    QUANTD_CHECK(id >= 0 && id < tokenizer.vocab_size(), "ids are of the vocabulary");
  }
}

}  // namespace
}  // namespace quantd

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr size_t kLongestText = 256;
  const absl::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto tokenizer = quantd::Read(bytes);
  if (!tokenizer.ok()) {
    QUANTD_CHECK(absl::StartsWith(tokenizer.status().message(), "fuzz: "), "errors name the file");
    return 0;
  }
  quantd::CheckText(**tokenizer, bytes.substr(size - std::min(size, kLongestText)));
  quantd::CheckText(**tokenizer, "<s> the ab aab 12 é 中\u0301 <0x41>\n\t Ġ▁\xFF</s>");
  for (const int32_t id : {-1, 0, 1, 1 << 30}) (*tokenizer)->Decode({id});
  return 0;
}
