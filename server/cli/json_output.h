#ifndef QUANTD_SERVER_CLI_JSON_OUTPUT_H_
#define QUANTD_SERVER_CLI_JSON_OUTPUT_H_

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "nlohmann/json.hpp"

namespace quantd {

/// JSON with its keys in the order they were set.
using Json = nlohmann::ordered_json;

/// The double whose shortest decimal form is that of `value`, so that 0.1f prints as 0.1. NaN and
/// infinities print as null.
double JsonFloat(float value);
Json JsonFloats(const std::vector<float>& values);

/// Seconds, to the microsecond.
double JsonSeconds(absl::Duration duration);

/// `value` on one line. Never throws: bytes that are no UTF-8 become U+FFFD.
std::string DumpJson(const Json& value);
/// Writes `value` to stdout on one line of its own.
void PrintJson(const Json& value);

}  // namespace quantd

#endif  // QUANTD_SERVER_CLI_JSON_OUTPUT_H_
