#include "runtime/tokenizer/merge_tokenizer.h"

#include <algorithm>
#include <memory>

#include "runtime/tokenizer/special_tokens.h"

namespace quantd {
namespace {

constexpr char kReplacement[] = "\xEF\xBF\xBD";  // U+FFFD

}  // namespace

void MergeTokenizer::TakeVocabulary(const Vocabulary& vocabulary, const DecodeText& decode) {
  types_ = vocabulary.types;
  bos_ = vocabulary.bos;
  eos_ = vocabulary.eos;
  unknown_ = vocabulary.unknown;
  end_ids_ = vocabulary.end_ids;
  default_add_eos_ = vocabulary.add_eos.value_or(false);
  auto special = std::make_unique<SpecialTokens>();
  token_bytes_.resize(types_.size());
  for (int32_t id = 0; id < vocab_size(); ++id) {
    const absl::string_view text = vocabulary.texts[id];
    std::string& bytes = token_bytes_[id];
    switch (types_[id]) {
      case TokenType::kControl:
        special->Add(text, id, /*control=*/true);
        break;
      case TokenType::kUnknown:
        bytes = kReplacement;
        break;
      case TokenType::kByte: {
        const uint8_t byte = *ParseByteToken(text);
        bytes.assign(1, static_cast<char>(byte));
        if (byte_ids_[byte] < 0) byte_ids_[byte] = id;
        break;
      }
      case TokenType::kUserDefined:
        bytes = decode(types_[id], text);
        special->Add(bytes, id, /*control=*/false);
        break;
      case TokenType::kNormal:
      case TokenType::kUnused:
        bytes = decode(types_[id], text);
        break;
    }
  }
  special_ = std::move(special);
}

void MergeTokenizer::AppendBytes(absl::string_view bytes, std::vector<int32_t>* ids) const {
  const bool complete = std::all_of(bytes.begin(), bytes.end(), [this](char c) {
    return byte_ids_[static_cast<uint8_t>(c)] >= 0;
  });
  if (complete) {
    for (const char c : bytes) ids->push_back(byte_ids_[static_cast<uint8_t>(c)]);
  } else if (unknown_.has_value()) {
    // A run of unknown characters is one unknown token, as in SentencePiece.
    if (ids->empty() || ids->back() != *unknown_) ids->push_back(*unknown_);
  } else {
    ids->insert(ids->end(), replacement_.begin(), replacement_.end());
  }
}

void MergeTokenizer::MergeWord(absl::string_view word, Scratch* scratch,
                               std::vector<int32_t>* ids) const {
  scratch->symbols.clear();
  Symbolize(word, &scratch->symbols);
  scratch->merger.Run(&scratch->symbols);
  for (const Symbol& symbol : scratch->symbols) {
    if (symbol.id >= 0 && symbol.id < vocab_size()) {
      ids->push_back(symbol.id);
    } else {
      AppendBytes(word.substr(symbol.begin, symbol.end - symbol.begin), ids);
    }
  }
}

void MergeTokenizer::EncodeWord(absl::string_view word, Scratch* scratch,
                                std::vector<int32_t>* ids) const {
  if (word.size() <= longest_whole_word_) {
    const auto found = whole_words_.find(word);
    if (found != whole_words_.end()) {
      ids->push_back(found->second);
      return;
    }
  }
  for (; word.size() > Merger::kMaxSymbols; word.remove_prefix(Merger::kMaxSymbols)) {
    MergeWord(word.substr(0, Merger::kMaxSymbols), scratch, ids);
  }
  MergeWord(word, scratch, ids);
}

void MergeTokenizer::IndexWholeWords(bool unconditionally) {
  Scratch scratch(&merges_);
  MergeWord(kReplacement, &scratch, &replacement_);
  std::vector<int32_t> ids;
  for (int32_t id = 0; id < vocab_size(); ++id) {
    if (types_[id] != TokenType::kNormal || token_bytes_[id].empty()) continue;
    if (!unconditionally) {
      ids.clear();
      MergeWord(token_bytes_[id], &scratch, &ids);
      if (ids.size() != 1 || ids[0] != id) continue;
    }
    whole_words_.try_emplace(token_bytes_[id], id);
    longest_whole_word_ = std::max(longest_whole_word_, token_bytes_[id].size());
  }
}

}  // namespace quantd
