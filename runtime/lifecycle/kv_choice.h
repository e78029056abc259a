#ifndef QUANTD_RUNTIME_LIFECYCLE_KV_CHOICE_H_
#define QUANTD_RUNTIME_LIFECYCLE_KV_CHOICE_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "kernels/attention/attention.h"

namespace quantd {

/// The element type of a KV cache as users choose it: none means automatic, which is F32 for a
/// model whose weights are F32, else F16.
using KvChoice = std::optional<KvType>;

/// What can be written for it: "auto", then the names of all types in lower case.
const std::vector<std::string>& KvChoiceNames();

/// The choice of this name; none for "auto" and for what is no name.
KvChoice ParseKvChoice(absl::string_view name);
std::string KvChoiceName(KvChoice choice);

}  // namespace quantd

#endif  // QUANTD_RUNTIME_LIFECYCLE_KV_CHOICE_H_
