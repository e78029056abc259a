#include "runtime/lifecycle/kv_choice.h"

#include "absl/strings/ascii.h"

namespace quantd {
namespace {

constexpr char kAuto[] = "auto";

}  // namespace

const std::vector<std::string>& KvChoiceNames() {
  static const auto* const names = [] {
    auto* list = new std::vector<std::string>{kAuto};
    for (const KvTypeInfo& info : KvTypes()) list->push_back(KvChoiceName(info.type));
    return list;
  }();
  return *names;
}

KvChoice ParseKvChoice(absl::string_view name) {
  for (const KvTypeInfo& info : KvTypes()) {
    if (name == KvChoiceName(info.type)) return info.type;
  }
  return std::nullopt;
}

std::string KvChoiceName(KvChoice choice) {
  return choice ? absl::AsciiStrToLower(KvTypeName(*choice)) : kAuto;
}

}  // namespace quantd
