#include "kernels/base/quant_format.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace quantd {
namespace {

constexpr float kIq4NlValues[] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                  1,    13,   25,  38,  53,  69,  89,  113};
constexpr float kE2M1Values[] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};
constexpr float kNf4Values[] = {-1.0f,
                                -0.6961928009986877f,
                                -0.5250730514526367f,
                                -0.39491748809814453f,
                                -0.28444138169288635f,
                                -0.18477343022823334f,
                                -0.09105003625154495f,
                                0.0f,
                                0.07958029955625534f,
                                0.16093020141124725f,
                                0.24611230194568634f,
                                0.33791524171829224f,
                                0.44070982933044434f,
                                0.5626170039176941f,
                                0.7229568362236023f,
                                1.0f};
constexpr float kFp4Values[] = {
    0.0f, 0.0052083335f,  0.6666667f,  1.0f,  0.33333334f,  0.5f,  0.16666667f,  0.25f,
    0.0f, -0.0052083335f, -0.6666667f, -1.0f, -0.33333334f, -0.5f, -0.16666667f, -0.25f};

const char* CodeName(const QuantFormat& format) {
  switch (format.code) {
    case CodeType::kF32:
      return "F32";
    case CodeType::kF16:
      return "F16";
    case CodeType::kBF16:
      return "BF16";
    case CodeType::kF8E4M3:
      return "FP8";
    case CodeType::kInt:
      return "INT";
    case CodeType::kTable:
      break;
  }
  switch (format.table) {
    case CodeTable::kIq4Nl:
      return "IQ4";
    case CodeTable::kE2M1:
      return "E2M1";
    case CodeTable::kNf4:
      return "NF4";
    case CodeTable::kFp4:
      return "FP4";
    case CodeTable::kNone:
      break;
  }
  return "TABLE";
}

const char* ZeroSuffix(ZeroType zero) {
  if (zero == ZeroType::kCode) return "-zero";
  return zero == ZeroType::kMin ? "-min" : "";
}

const char* ScaleSuffix(ScaleType scale) {
  if (scale == ScaleType::kF16) return "-f16scale";
  if (scale == ScaleType::kE8M0) return "-e8m0scale";
  return scale == ScaleType::kTwoLevel ? "-twolevel" : "";
}

}  // namespace

absl::Span<const float> TableValues(CodeTable table) {
  switch (table) {
    case CodeTable::kIq4Nl:
      return kIq4NlValues;
    case CodeTable::kE2M1:
      return kE2M1Values;
    case CodeTable::kNf4:
      return kNf4Values;
    case CodeTable::kFp4:
      return kFp4Values;
    case CodeTable::kNone:
      break;
  }
  return {};
}

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
  return absl::StrCat(CodeName(format),
                      format.code == CodeType::kInt ? absl::StrCat(format.bits) : "",
                      format.group == 0 ? "-row" : absl::StrCat("-g", format.group),
                      ZeroSuffix(format.zero), ScaleSuffix(format.scale));
}

const NamedFormat* FindFormat(absl::string_view name) {
  for (const NamedFormat& named : NamedFormats()) {
    if (absl::EqualsIgnoreCase(named.name, name)) return &named;
  }
  return nullptr;
}

}  // namespace quantd
