#ifndef QUANTD_TESTS_RUNTIME_TOKENIZER_SAMPLE_VOCABS_H_
#define QUANTD_TESTS_RUNTIME_TOKENIZER_SAMPLE_VOCABS_H_

#include <string>
#include <vector>

#include "runtime/tokenizer/pre_tokenizer_rules.h"
#include "tests/runtime/tokenizer/charsmap_builder.h"
#include "tests/runtime/tokenizer/vocab_builder.h"

namespace quantd {

// A small vocabulary of every kind that GGUF knows, with special tokens.

inline VocabBuilder LlamaSample() {
  VocabBuilder vocab = LlamaVocab({"▁t", "he", "▁the", "▁", "t", "h", "e", "aa", "a", "aaaa", "éa",
                                   "\n", "▁▁", "中文", "</", "s>"});
  vocab.Add("<tool>", TokenType::kUserDefined);
  vocab.Add("<|im_end|>", TokenType::kControl);
  return vocab;
}

inline VocabBuilder BpeSample(const std::string& pre) {
  VocabBuilder vocab = BpeVocab(pre, {"Ġ t", "h e", "Ġt he", "a a", "aa aa", "1 2", "Ċ Ċ"});
  vocab.Add("<|endoftext|>", TokenType::kControl);
  vocab.Add("<tool>", TokenType::kUserDefined);
  return vocab;
}

// 0 is the unknown token of both.
inline VocabBuilder T5Sample() {
  VocabBuilder vocab = LlamaSample();
  vocab.model = "t5";
  vocab.SetBool("add_space_prefix", true);
  vocab.SetBool("remove_extra_whitespaces", true);
  const std::string map = CharsmapBuilder({{"ａ", "a"}, {"ａ\u0301", "á"}, {"\t", " "}}).Bytes();
  vocab.more_keys.push_back(
      RawKey("tokenizer.ggml.precompiled_charsmap", 9, RawArray(0, map.size(), map)));
  return vocab;
}

inline VocabBuilder BertSample() {
  VocabBuilder vocab;
  vocab.model = "bert";
  vocab.types.emplace();
  vocab.Add("[UNK]", TokenType::kUnknown);
  vocab.Add("[SEP]", TokenType::kControl);
  for (const char* piece : {"▁the", "▁t", "he", "e", "▁.", "▁中", "▁["}) vocab.Add(piece);
  return vocab;
}

/// One of each kind: every pre-tokenizer, and every other model.
inline std::vector<VocabBuilder> SampleVocabs() {
  std::vector<VocabBuilder> vocabs = {LlamaSample(), T5Sample(), BertSample()};
  for (const PreTokenizerRule& rule : PreTokenizerRules()) {
    vocabs.push_back(BpeSample(rule.names[0]));
  }
  return vocabs;
}

}  // namespace quantd

#endif  // QUANTD_TESTS_RUNTIME_TOKENIZER_SAMPLE_VOCABS_H_
