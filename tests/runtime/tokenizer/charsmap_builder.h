#ifndef QUANTD_TESTS_RUNTIME_TOKENIZER_CHARSMAP_BUILDER_H_
#define QUANTD_TESTS_RUNTIME_TOKENIZER_CHARSMAP_BUILDER_H_

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "tests/runtime/formats/gguf_builder.h"

namespace quantd {

/// A compiled charsmap that replaces each key by its value: the double array is laid out by trying
/// bases until all children of a node fit.
class CharsmapBuilder {
 public:
  explicit CharsmapBuilder(const std::map<std::string, std::string>& rules) {
    for (const auto& [key, value] : rules) {
      offsets_[key] = static_cast<uint32_t>(replacements_.size());
      replacements_ += value;
      replacements_ += '\0';
    }
    Units(1);
    used_.insert(0);
    Place(0, "");
  }

  std::string Bytes() const {
    std::string bytes = Raw(static_cast<uint32_t>(units_.size() * 4));
    for (const uint32_t unit : units_) bytes += Raw(unit);
    return bytes + replacements_;
  }

 private:
  void Units(size_t count) {
    if (units_.size() < count) units_.resize(count, 0x80000000);  // no byte leads there
  }

  // Bytes that continue `prefix`; 0 for its own end.
  std::set<uint32_t> Labels(const std::string& prefix) const {
    std::set<uint32_t> labels;
    for (auto at = offsets_.lower_bound(prefix); at != offsets_.end(); ++at) {
      if (at->first.compare(0, prefix.size(), prefix) != 0) break;
      labels.insert(
          at->first.size() == prefix.size() ? 0 : static_cast<uint8_t>(at->first[prefix.size()]));
    }
    return labels;
  }

  void Place(uint32_t node, const std::string& prefix) {
    const std::set<uint32_t> labels = Labels(prefix);
    uint32_t offset = 1;
    const auto taken = [&] {
      for (const uint32_t label : labels) {
        if (used_.count(node ^ offset ^ label) != 0) return true;
      }
      return false;
    };
    while (taken()) ++offset;
    const uint32_t leaf = labels.count(0) != 0 ? 0x100 : 0;
    units_[node] = (units_[node] & 0xFF) | offset << 10 | leaf;
    for (const uint32_t label : labels) {
      const uint32_t child = node ^ offset ^ label;
      used_.insert(child);
      Units(child + 1);
      units_[child] = label == 0 ? 0x80000000 | offsets_.at(prefix) : label;
    }
    for (const uint32_t label : labels) {
      if (label != 0) Place(node ^ offset ^ label, prefix + static_cast<char>(label));
    }
  }

  std::map<std::string, uint32_t> offsets_;
  std::string replacements_;
  std::vector<uint32_t> units_;
  std::set<uint32_t> used_;
};

}  // namespace quantd

#endif  // QUANTD_TESTS_RUNTIME_TOKENIZER_CHARSMAP_BUILDER_H_
