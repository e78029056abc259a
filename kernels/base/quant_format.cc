#include "kernels/base/quant_format.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace quantd {

const std::vector<NamedFormat>& NamedFormats() {
  static const auto* const formats = new std::vector<NamedFormat>{
      {"F32", kF32},   {"F16", kF16},   {"BF16", kBF16}, {"Q8_0", kQ8_0}, {"Q4_0", kQ4_0},
      {"Q4_1", kQ4_1}, {"Q5_0", kQ5_0}, {"Q5_1", kQ5_1}, {"Q6_K", kQ6_K},
  };
  return *formats;
}

std::string FormatName(const QuantFormat& format) {
  for (const NamedFormat& named : NamedFormats()) {
    if (named.format == format) return named.name;
  }
  return absl::StrCat(format.is_float() ? "float" : "int", format.bits, "g", format.group,
                      format.zero == ZeroType::kMin ? "-min" : "",
                      format.scale == ScaleType::kF32 ? "-f32scale" : "");
}

const NamedFormat* FindFormat(absl::string_view name) {
  for (const NamedFormat& named : NamedFormats()) {
    if (absl::EqualsIgnoreCase(named.name, name)) return &named;
  }
  return nullptr;
}

}  // namespace quantd
