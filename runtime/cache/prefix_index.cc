#include "runtime/cache/prefix_index.h"

#include <algorithm>

#include "kernels/base/check.h"

namespace quantd {

PrefixIndex::~PrefixIndex() {
  for (const auto& [key, node] : index_) pool_->Release(node.block);
}

PrefixIndex::Key PrefixIndex::MakeKey(uint64_t parent, const std::string& salt,
                                      absl::Span<const int32_t> tokens) {
  Key key;
  key.parent = parent;
  if (parent == kRoot) key.salt = salt;
  std::copy_n(tokens.begin(), kKvBlockTokens, key.tokens.begin());
  return key;
}

PrefixIndex::Match PrefixIndex::Find(absl::Span<const int32_t> tokens,
                                     const std::string& salt) const {
  Match match;
  for (size_t begin = 0; begin + kKvBlockTokens < tokens.size(); begin += kKvBlockTokens) {
    const auto it = index_.find(MakeKey(match.chain, salt, tokens.subspan(begin)));
    if (it == index_.end()) break;
    match.blocks.push_back(it->second.block);
    match.chain = it->second.id;
    if (users(it->second.block) == 0) ++match.idle;
  }
  return match;
}

void PrefixIndex::Use(int32_t block) {
  if (users(block) == 0) idle_.erase(nodes_[block]->idle_position);
  pool_->AddRef(block);
}

void PrefixIndex::Acquire(const Match& match) {
  for (int32_t block : match.blocks) {
    QUANTD_CHECK(nodes_[block] != nullptr, "a match must be used before the index changes");
    Use(block);
  }
}

void PrefixIndex::Evict() {
  Node* node = idle_.front();
  idle_.pop_front();
  const int32_t block = node->block;
  nodes_[block] = nullptr;
  index_.erase(*node->key);
  pool_->Release(block);
}

int32_t PrefixIndex::Allocate() {
  if (pool_->free_blocks() == 0 && !idle_.empty()) Evict();
  return pool_->Allocate();
}

void PrefixIndex::Release(absl::Span<const int32_t> blocks) {
  for (auto it = blocks.rbegin(); it != blocks.rend(); ++it) {
    pool_->Release(*it);
    Node* node = nodes_[*it];
    if (node != nullptr && users(*it) == 0) {
      node->idle_position = idle_.insert(idle_.end(), node);
    }
  }
}

int32_t PrefixIndex::Insert(absl::Span<const int32_t> tokens, const std::string& salt,
                            int32_t block, uint64_t* chain) {
  QUANTD_CHECK(tokens.size() == kKvBlockTokens, "only full blocks never change again");
  auto [it, inserted] = index_.try_emplace(MakeKey(*chain, salt, tokens));
  Node& node = it->second;
  if (inserted) {
    node.id = next_id_++;
    node.block = block;
    node.key = &it->first;
    nodes_[block] = &node;
    pool_->AddRef(block);
  } else if (node.block != block) {
    Use(node.block);
    pool_->Release(block);
  }
  *chain = node.id;
  return node.block;
}

}  // namespace quantd
