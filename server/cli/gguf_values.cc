#include "server/cli/gguf_values.h"

#include <algorithm>
#include <cstring>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/cli/output.h"

namespace quantd {
namespace {

constexpr uint64_t kShownElements = 4;
constexpr size_t kShownBytes = 80;

template <typename T>
T ReadAt(const GgufArray& array, uint64_t index) {
  T value;
  std::memcpy(&value, array.data + index * sizeof(T), sizeof(T));
  return value;
}

/// Element `index` of an array; null for arrays of arrays, whose elements have no common size.
Json ElementJson(const GgufArray& array, uint64_t index) {
  switch (array.element) {
    case GgufType::kU8:
      return ReadAt<uint8_t>(array, index);
    case GgufType::kI8:
      return ReadAt<int8_t>(array, index);
    case GgufType::kU16:
      return ReadAt<uint16_t>(array, index);
    case GgufType::kI16:
      return ReadAt<int16_t>(array, index);
    case GgufType::kU32:
      return ReadAt<uint32_t>(array, index);
    case GgufType::kI32:
      return ReadAt<int32_t>(array, index);
    case GgufType::kU64:
      return ReadAt<uint64_t>(array, index);
    case GgufType::kI64:
      return ReadAt<int64_t>(array, index);
    case GgufType::kF32:
      return JsonFloat(ReadAt<float>(array, index));
    case GgufType::kF64:
      return ReadAt<double>(array, index);
    case GgufType::kBool:
      return ReadAt<uint8_t>(array, index) != 0;
    case GgufType::kString:
      return std::string(array.strings[index]);
    case GgufType::kArray:
      break;
  }
  return nullptr;
}

Json FirstElements(const GgufArray& array) {
  Json first = Json::array();
  if (array.element == GgufType::kArray) return first;
  for (uint64_t i = 0; i < std::min(array.count, kShownElements); ++i) {
    first.push_back(ElementJson(array, i));
  }
  return first;
}

std::string Shorten(absl::string_view text) {
  if (text.size() <= kShownBytes) return absl::StrCat("\"", EscapeText(text), "\"");
  size_t end = kShownBytes;
  while (end > 0 && (text[end] & 0xC0) == 0x80) --end;  // not inside a character
  return absl::StrCat("\"", EscapeText(text.substr(0, end)), "...\" (", text.size(), " bytes)");
}

std::string ArrayText(const GgufArray& array) {
  std::string text = absl::StrCat(array.count, " x ", GgufTypeName(array.element), " [");
  const Json first = FirstElements(array);
  for (size_t i = 0; i < first.size(); ++i) {
    absl::StrAppend(
        &text, i > 0 ? ", " : "",
        first[i].is_string() ? Shorten(first[i].get<std::string>()) : DumpJson(first[i]));
  }
  return absl::StrCat(text, array.count > first.size() ? ", ...]" : "]");
}

}  // namespace

std::string GgufValueText(const GgufKeyValue& entry) {
  if (const auto* text = std::get_if<absl::string_view>(&entry.value)) return Shorten(*text);
  if (const auto* array = std::get_if<GgufArray>(&entry.value)) return ArrayText(*array);
  return DumpJson(GgufValueJson(entry));
}

Json GgufValueJson(const GgufKeyValue& entry) {
  struct Visitor {
    GgufType type;
    Json operator()(uint64_t value) const { return value; }
    Json operator()(int64_t value) const { return value; }
    Json operator()(bool value) const { return value; }
    // A widened F32 is printed with the digits it was written with.
    Json operator()(double value) const {
      return type == GgufType::kF32 ? JsonFloat(static_cast<float>(value)) : value;
    }
    Json operator()(absl::string_view value) const { return std::string(value); }
    Json operator()(const GgufArray& array) const {
      return {{"type", GgufTypeName(array.element)},
              {"count", array.count},
              {"first", FirstElements(array)}};
    }
  };
  return std::visit(Visitor{entry.type}, entry.value);
}

std::string GgufValueType(const GgufKeyValue& entry) {
  const auto* array = std::get_if<GgufArray>(&entry.value);
  if (array == nullptr) return GgufTypeName(entry.type);
  return absl::StrCat("array of ", GgufTypeName(array->element));
}

}  // namespace quantd
