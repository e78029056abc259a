#include "kernels/base/quant_format.h"

#include <array>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "kernels/base/code_tables.h"

namespace quantd {
namespace {

constexpr std::array<float, kTableCodes> Floats(const signed char (&table)[kTableCodes]) {
  std::array<float, kTableCodes> values{};
  for (int i = 0; i < kTableCodes; ++i) values[i] = table[i];
  return values;
}

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
  static constexpr auto kIq4NlValues = Floats(kIq4NlTable);
  static constexpr auto kE2M1Values = Floats(kE2M1Table);
  switch (table) {
    case CodeTable::kIq4Nl:
      return kIq4NlValues;
    case CodeTable::kE2M1:
      return kE2M1Values;
    case CodeTable::kNf4:
      return kNf4Table;
    case CodeTable::kFp4:
      return kFp4Table;
    case CodeTable::kNone:
      break;
  }
  return {};
}

const std::vector<NamedFormat>& NamedFormats() {
  static const auto* const formats = new std::vector<NamedFormat>{
      {"F32", kF32},   {"F16", kF16},   {"BF16", kBF16},    {"FP8", kFp8},      {"NF4", kNf4},
      {"FP4", kFp4},   {"INT8", kInt8}, {"Q8_0", kQ8_0},    {"Q4_0", kQ4_0},    {"Q4_1", kQ4_1},
      {"Q5_0", kQ5_0}, {"Q5_1", kQ5_1}, {"Q2_K", kQ2_K},    {"Q3_K", kQ3_K},    {"Q4_K", kQ4_K},
      {"Q5_K", kQ5_K}, {"Q6_K", kQ6_K}, {"IQ4_NL", kIq4Nl}, {"IQ4_XS", kIq4Xs}, {"MXFP4", kMxFp4},
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
