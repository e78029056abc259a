#ifndef QUANTD_TESTS_RUNTIME_TOKENIZER_SENTENCEPIECE_BUILDER_H_
#define QUANTD_TESTS_RUNTIME_TOKENIZER_SENTENCEPIECE_BUILDER_H_

#include <bit>
#include <cstdint>
#include <string>

namespace quantd {

/// A message in protobuf's wire format.
class ProtobufBuilder {
 public:
  ProtobufBuilder& Int(uint32_t number, uint64_t value) {
    Varint(number << 3);
    Varint(value);
    return *this;
  }
  ProtobufBuilder& Float(uint32_t number, float value) {
    Varint(number << 3 | 5);
    const auto bits = std::bit_cast<uint32_t>(value);
    for (int shift = 0; shift < 32; shift += 8) bytes_ += static_cast<char>(bits >> shift);
    return *this;
  }
  ProtobufBuilder& Bytes(uint32_t number, const std::string& value) {
    Varint(number << 3 | 2);
    Varint(value.size());
    bytes_ += value;
    return *this;
  }
  const std::string& bytes() const { return bytes_; }

 private:
  void Varint(uint64_t value) {
    for (; value >= 0x80; value >>= 7) bytes_ += static_cast<char>(value | 0x80);
    bytes_ += static_cast<char>(value);
  }
  std::string bytes_;
};

/// A piece of a SentencePiece model; types as of TokenType.
inline std::string SentencePiece(const std::string& text, float score, uint64_t type = 1) {
  return ProtobufBuilder().Bytes(1, text).Float(2, score).Int(3, type).bytes();
}

/// A SentencePiece model: <unk> 0, <s> 1, </s> 2, then ▁ab 3, ab 4, ▁a 5, b 6, a 7, ▁ 8.
/// `type`: 1 unigram, 2 BPE.
inline std::string SentencePieceModel(uint64_t type) {
  ProtobufBuilder model;
  model.Bytes(1, SentencePiece("<unk>", 0, 2))
      .Bytes(1, SentencePiece("<s>", 0, 3))
      .Bytes(1, SentencePiece("</s>", 0, 3));
  float score = -1;
  for (const char* piece : {"▁ab", "ab", "▁a", "b", "a", "▁"}) {
    model.Bytes(1, SentencePiece(piece, score--));
  }
  return model.Bytes(2, ProtobufBuilder().Int(3, type).bytes())
      .Bytes(3, ProtobufBuilder().Bytes(1, "identity").Int(4, 0).bytes())
      .bytes();
}

}  // namespace quantd

#endif  // QUANTD_TESTS_RUNTIME_TOKENIZER_SENTENCEPIECE_BUILDER_H_
