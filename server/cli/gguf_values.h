#ifndef QUANTD_SERVER_CLI_GGUF_VALUES_H_
#define QUANTD_SERVER_CLI_GGUF_VALUES_H_

#include <string>

#include "runtime/formats/gguf.h"
#include "server/cli/json_output.h"

namespace quantd {

/// A metadata value on one short line: long strings cut, arrays as their count and first elements.
std::string GgufValueText(const GgufKeyValue& entry);

/// The value as JSON: scalars as they are, arrays as {type, count, first: [...]}.
Json GgufValueJson(const GgufKeyValue& entry);

/// "string", "u32", "array of f32".
std::string GgufValueType(const GgufKeyValue& entry);

}  // namespace quantd

#endif  // QUANTD_SERVER_CLI_GGUF_VALUES_H_
