#include "server/cli/json_output.h"

#include <array>
#include <charconv>
#include <cmath>

#include "server/cli/output.h"

namespace quantd {

double JsonFloat(float value) {
  if (!std::isfinite(value)) return value;
  std::array<char, 32> text;
  const char* end = std::to_chars(text.data(), text.data() + text.size(), value).ptr;
  double decimal = 0;
  std::from_chars(text.data(), end, decimal);
  return decimal;
}

Json JsonFloats(const std::vector<float>& values) {
  Json array = Json::array();
  for (const float value : values) array.push_back(JsonFloat(value));
  return array;
}

double JsonSeconds(absl::Duration duration) {
  return std::round(absl::ToDoubleSeconds(duration) * 1e6) / 1e6;
}

std::string DumpJson(const Json& value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

void PrintJson(const Json& value) { Print(DumpJson(value) + "\n"); }

}  // namespace quantd
