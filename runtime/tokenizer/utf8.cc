#include "runtime/tokenizer/utf8.h"

#include <cstdint>

namespace quantd {
namespace {

// Length of the sequence that `lead` starts and the range of its second byte; later bytes are
// 80..BF. The narrowed ranges exclude overlong forms, surrogates and code points above 10FFFF.
struct LeadByte {
  size_t length;  // 0: starts no sequence
  uint8_t second_low, second_high;
};

LeadByte Classify(uint8_t lead) {
  if (lead < 0x80) return {1, 0, 0};
  if (lead < 0xC2) return {0, 0, 0};
  if (lead < 0xE0) return {2, 0x80, 0xBF};
  if (lead == 0xE0) return {3, 0xA0, 0xBF};
  if (lead == 0xED) return {3, 0x80, 0x9F};
  if (lead < 0xF0) return {3, 0x80, 0xBF};
  if (lead == 0xF0) return {4, 0x90, 0xBF};
  if (lead < 0xF4) return {4, 0x80, 0xBF};
  if (lead == 0xF4) return {4, 0x80, 0x8F};
  return {0, 0, 0};
}

}  // namespace

Utf8Step NextUtf8(absl::string_view bytes) {
  const LeadByte lead = Classify(static_cast<uint8_t>(bytes[0]));
  if (lead.length == 0) return {1, false, false};
  for (size_t i = 1; i < lead.length; ++i) {
    if (i == bytes.size()) return {i, false, true};
    const uint8_t byte = static_cast<uint8_t>(bytes[i]);
    const uint8_t low = i == 1 ? lead.second_low : 0x80;
    const uint8_t high = i == 1 ? lead.second_high : 0xBF;
    if (byte < low || byte > high) return {i, false, false};
  }
  return {lead.length, true, false};
}

char32_t DecodeUtf8(absl::string_view character) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(character[i]); };
  if (character.size() == 1) return byte(0);
  char32_t code = byte(0) & (0x7F >> character.size());
  for (size_t i = 1; i < character.size(); ++i) code = code << 6 | (byte(i) & 0x3F);
  return code;
}

char32_t TakeCharacter(absl::string_view* text) {
  const uint8_t lead = static_cast<uint8_t>((*text)[0]);
  if (lead < 0x80) {
    text->remove_prefix(1);
    return lead;
  }
  const Utf8Step step = NextUtf8(*text);
  const char32_t code = step.valid ? DecodeUtf8(text->substr(0, step.length)) : 0xFFFD;
  text->remove_prefix(step.length);
  return code;
}

void AppendCharacter(char32_t code, std::string* out) {
  const auto push = [&](char32_t byte) { out->push_back(static_cast<char>(byte)); };
  if (code < 0x80) return push(code);
  if (code < 0x800) {
    push(0xC0 | code >> 6);
  } else if (code < 0x10000) {
    push(0xE0 | code >> 12);
    push(0x80 | (code >> 6 & 0x3F));
  } else {
    push(0xF0 | code >> 18);
    push(0x80 | (code >> 12 & 0x3F));
    push(0x80 | (code >> 6 & 0x3F));
  }
  push(0x80 | (code & 0x3F));
}

bool IsUtf8(absl::string_view bytes) {
  for (size_t at = 0; at < bytes.size();) {
    if (static_cast<uint8_t>(bytes[at]) < 0x80) {
      ++at;
      continue;
    }
    const Utf8Step step = NextUtf8(bytes.substr(at));
    if (!step.valid) return false;
    at += step.length;
  }
  return true;
}

size_t AppendUtf8(absl::string_view bytes, bool at_end, std::string* out) {
  size_t copied = 0;  // everything before is in *out
  size_t at = 0;
  while (at < bytes.size()) {
    if (static_cast<uint8_t>(bytes[at]) < 0x80) {
      ++at;
      continue;
    }
    const Utf8Step step = NextUtf8(bytes.substr(at));
    if (!step.valid) {
      out->append(bytes.data() + copied, at - copied);
      if (step.truncated && !at_end) return at;
      out->append(kReplacementCharacter);
      copied = at + step.length;
    }
    at += step.length;
  }
  out->append(bytes.data() + copied, at - copied);
  return at;
}

}  // namespace quantd
