#include "runtime/formats/hf_scheme_table.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "kernels/base/status_macros.h"
#include "runtime/formats/hf_schemes.h"

namespace quantd {
namespace {

absl::Status NoScheme(const HfModule& module) {
  const SafetensorsTensor* weight = module.Find(".weight");
  if (weight == nullptr) {
    return module.model().Error(absl::StrCat("tensor ", module.name(), ".weight"), "is missing");
  }
  const std::string method = module.method().empty()
                                 ? "config.json names no quantization"
                                 : absl::StrCat("quant_method is \"", module.method(), "\"");
  return module.Unsupported(absl::StrCat("no scheme reads a weight of type ",
                                         DtypeName(weight->dtype), " with the tensors beside it (",
                                         method, ")"));
}

}  // namespace

const std::vector<HfScheme>& HfSchemes() {
  static const auto* const kSchemes = new std::vector<HfScheme>{
      hf::GptqScheme(),           hf::AwqScheme(),   hf::BitsAndBytes4Scheme(),
      hf::BitsAndBytes8Scheme(),  hf::Mxfp4Scheme(), hf::CompressedPackedScheme(),
      hf::CompressedInt8Scheme(), hf::Fp8Scheme(),   hf::FloatScheme()};
  return *kSchemes;
}

absl::StatusOr<HfWeight> OpenHfWeight(const HfModule& module) {
  for (const HfScheme& scheme : HfSchemes()) {
    if (!scheme.applies(module)) continue;
    HfWeight weight{&scheme, nullptr, {}};
    QUANTD_ASSIGN_OR_RETURN(weight.source, scheme.open(module));
    weight.tensors = weight.source->tensors();
    for (const char* suffix : scheme.others) {
      const SafetensorsTensor* other = module.Find(suffix);
      if (other != nullptr) weight.tensors.push_back(other);
    }
    return weight;
  }
  return NoScheme(module);
}

}  // namespace quantd
