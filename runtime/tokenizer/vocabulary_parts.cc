#include "runtime/tokenizer/vocabulary_parts.h"

#include <algorithm>
#include <vector>

#include "runtime/tokenizer/utf8.h"

namespace quantd {

TokenizerParts PartsOfVocabulary(const Vocabulary& vocabulary, const DecodeText& decode) {
  TokenizerParts parts;
  parts.types = vocabulary.types;
  parts.bos = vocabulary.bos;
  parts.eos = vocabulary.eos;
  parts.end_ids = vocabulary.end_ids;
  parts.add_bos = vocabulary.add_bos.value_or(false);
  parts.add_eos = vocabulary.add_eos.value_or(false);
  for (int32_t id = 0; id < static_cast<int32_t>(parts.types.size()); ++id) {
    const absl::string_view text = vocabulary.texts[id];
    std::string bytes;
    switch (parts.types[id]) {
      case TokenType::kControl:
        parts.special.push_back({.text = std::string(text), .id = id, .control = true});
        break;
      case TokenType::kUnknown:
        bytes = kReplacementCharacter;
        break;
      case TokenType::kByte:
        bytes.assign(1, static_cast<char>(*ParseByteToken(text)));
        break;
      case TokenType::kUserDefined:
        bytes = decode(parts.types[id], text);
        parts.special.push_back({.text = bytes, .id = id});
        break;
      case TokenType::kNormal:
      case TokenType::kUnused:
        bytes = decode(parts.types[id], text);
        break;
    }
    parts.token_bytes.Add(bytes);
  }
  parts.token_bytes.ShrinkToFit();
  return parts;
}

void AddEndIds(absl::Span<const int32_t> ids, TokenizerParts* parts) {
  std::vector<int32_t>& ends = parts->end_ids;
  for (const int32_t id : ids) {
    if (static_cast<size_t>(id) >= parts->types.size()) continue;
    if (std::find(ends.begin(), ends.end(), id) == ends.end()) ends.push_back(id);
  }
}

std::array<int32_t, 256> ByteTokens(const Vocabulary& vocabulary) {
  std::array<int32_t, 256> tokens;
  tokens.fill(-1);
  for (size_t id = 0; id < vocabulary.texts.size(); ++id) {
    if (vocabulary.types[id] != TokenType::kByte) continue;
    int32_t& slot = tokens[*ParseByteToken(vocabulary.texts[id])];
    if (slot < 0) slot = static_cast<int32_t>(id);
  }
  return tokens;
}

}  // namespace quantd
