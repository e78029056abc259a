#ifndef QUANTD_RUNTIME_FORMATS_HF_SCHEMES_H_
#define QUANTD_RUNTIME_FORMATS_HF_SCHEMES_H_

#include "runtime/formats/hf_scheme_table.h"

// The rows of the table of Hugging Face schemes. Layouts are those that the libraries named write;
// N is the number of output features (rows), K that of input features; all numbers are
// little-endian and unaligned.
namespace quantd::hf {

HfScheme GptqScheme();              // hf_schemes_gptq.cc
HfScheme AwqScheme();               // hf_schemes_awq.cc
HfScheme BitsAndBytes4Scheme();     // hf_schemes_bnb.cc
HfScheme BitsAndBytes8Scheme();     // hf_schemes_bnb.cc
HfScheme CompressedPackedScheme();  // hf_schemes_compressed.cc
HfScheme CompressedInt8Scheme();    // hf_schemes_compressed.cc
HfScheme Fp8Scheme();               // hf_schemes_fp8.cc
HfScheme Mxfp4Scheme();             // hf_schemes_fp8.cc
HfScheme FloatScheme();             // hf_schemes_float.cc

}  // namespace quantd::hf

#endif  // QUANTD_RUNTIME_FORMATS_HF_SCHEMES_H_
