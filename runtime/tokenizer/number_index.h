#ifndef QUANTD_RUNTIME_TOKENIZER_NUMBER_INDEX_H_
#define QUANTD_RUNTIME_TOKENIZER_NUMBER_INDEX_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/hash/hash.h"

namespace quantd {

/// Finds the entries of a list by their keys. A slot of the hash table is the number of an entry,
/// so that the slots that are empty, 9 of 16 at worst, cost 5 bytes each. `KeyOf` gives the key of
/// a number: it must go on doing so when the index moves. Thread-safe once all are added.
template <typename Key, typename KeyOf>
class NumberIndex {
 public:
  explicit NumberIndex(KeyOf key_of) : numbers_(0, Hash{{key_of}}, Equal{{key_of}}) {}

  /// The entry `number` must be in the list. Of two with one key the first stays.
  void Add(uint32_t number) { numbers_.insert(number); }
  std::optional<uint32_t> Find(const Key& key) const {
    const auto found = numbers_.find(key);
    if (found == numbers_.end()) return std::nullopt;
    return *found;
  }

 private:
  struct Keys {
    using is_transparent = void;
    KeyOf key_of;
    const Key& Of(const Key& key) const { return key; }
    decltype(auto) Of(const uint32_t& number) const { return key_of(number); }
  };
  struct Hash : Keys {
    template <typename T>
    size_t operator()(const T& key) const {
      return absl::Hash<Key>()(this->Of(key));
    }
  };
  struct Equal : Keys {
    template <typename T, typename U>
    bool operator()(const T& a, const U& b) const {
      return this->Of(a) == this->Of(b);
    }
  };

  absl::flat_hash_set<uint32_t, Hash, Equal> numbers_;
};

}  // namespace quantd

#endif  // QUANTD_RUNTIME_TOKENIZER_NUMBER_INDEX_H_
