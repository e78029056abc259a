#include "runtime/cache/prefix_index.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <random>

#include "gtest/gtest.h"

namespace quantd {
namespace {

constexpr int B = kKvBlockTokens;
const KvLayout kLayout{KvType::kF32, 1, 1, 1};

std::vector<int32_t> Tokens(int n, int32_t first = 0) {
  std::vector<int32_t> tokens(n);
  std::iota(tokens.begin(), tokens.end(), first);
  return tokens;
}

class PrefixIndexTest : public testing::Test {
 protected:
  void Make(int32_t blocks) {
    index_.reset();
    pool_ = std::move(KvBlockPool::Create(kLayout, blocks)).value();
    index_ = std::make_unique<PrefixIndex>(pool_.get());
  }

  // What a sequence does: takes the cached prefix, computes the rest, enters the full blocks.
  std::vector<int32_t> Compute(const std::vector<int32_t>& tokens, const std::string& salt = "") {
    PrefixIndex::Match match = index_->Find(tokens, salt);
    index_->Acquire(match);
    std::vector<int32_t> blocks = match.blocks;
    while (static_cast<int64_t>(blocks.size()) < KvBlocksFor(tokens.size())) {
      blocks.push_back(index_->Allocate());
    }
    uint64_t chain = match.chain;
    for (size_t b = match.blocks.size(); (b + 1) * B <= tokens.size(); ++b) {
      blocks[b] = index_->Insert(absl::MakeSpan(tokens).subspan(b * B, B), salt, blocks[b], &chain);
    }
    return blocks;
  }

  std::unique_ptr<KvBlockPool> pool_;
  std::unique_ptr<PrefixIndex> index_;
};

TEST_F(PrefixIndexTest, FindsWhatWasComputedButNeverTheLastToken) {
  Make(8);
  const auto blocks = Compute(Tokens(3 * B));
  EXPECT_EQ(index_->Find(Tokens(3 * B + 1), "").blocks, blocks);
  // The same prompt again: its last token must be computed, so its last block is not shared.
  EXPECT_EQ(index_->Find(Tokens(3 * B), "").blocks,
            std::vector<int32_t>(blocks.begin(), blocks.end() - 1));
  EXPECT_EQ(index_->Find(Tokens(2 * B + 1), "").tokens(), 2 * B);
  EXPECT_EQ(index_->Find(Tokens(B), "").tokens(), 0);
  EXPECT_EQ(index_->Find({}, "").tokens(), 0);
}

TEST_F(PrefixIndexTest, OneOtherTokenEndsTheMatch) {
  Make(8);
  Compute(Tokens(3 * B));
  for (int change = 0; change < 3 * B; ++change) {
    auto other = Tokens(3 * B + 1);
    other[change] += 1000;
    EXPECT_EQ(index_->Find(other, "").tokens(), change / B * B) << "token " << change;
  }
}

TEST_F(PrefixIndexTest, EqualBlockElsewhereInAChainIsNotShared) {
  Make(8);
  auto twice = Tokens(B);
  twice.insert(twice.end(), twice.begin(), twice.begin() + B);
  Compute(twice);
  auto thrice = twice;
  thrice.insert(thrice.end(), twice.begin(), twice.begin() + B);
  thrice.push_back(0);
  EXPECT_EQ(index_->Find(thrice, "").tokens(), 2 * B);
}

TEST_F(PrefixIndexTest, SaltsAreApart) {
  Make(8);
  Compute(Tokens(2 * B), "alice");
  EXPECT_EQ(index_->Find(Tokens(2 * B + 1), "").tokens(), 0);
  EXPECT_EQ(index_->Find(Tokens(2 * B + 1), "bob").tokens(), 0);
  EXPECT_EQ(index_->Find(Tokens(2 * B + 1), "alice").tokens(), 2 * B);
}

TEST_F(PrefixIndexTest, ReleasedBlocksStayFindableUntilNeeded) {
  Make(4);
  const auto blocks = Compute(Tokens(2 * B));
  EXPECT_EQ(index_->available(), 2);
  index_->Release(blocks);
  EXPECT_EQ(index_->available(), 4);
  EXPECT_EQ(index_->idle_blocks(), 2);
  EXPECT_EQ(index_->used_blocks(), 0);
  const auto match = index_->Find(Tokens(2 * B + 1), "");
  EXPECT_EQ(match.blocks, blocks);
  EXPECT_EQ(match.idle, 2);
  index_->Acquire(match);
  EXPECT_EQ(index_->available(), 2);
  EXPECT_EQ(index_->users(blocks[0]), 1);
  // In use, they are not evicted even when the pool is dry.
  EXPECT_GE(index_->Allocate(), 0);
  EXPECT_GE(index_->Allocate(), 0);
  EXPECT_EQ(index_->Allocate(), -1);
  EXPECT_EQ(index_->Find(Tokens(2 * B + 1), "").blocks, blocks);
}

TEST_F(PrefixIndexTest, EvictsLeastRecentlyUsedChainFromItsEnd) {
  Make(4);
  const auto old_chain = Compute(Tokens(2 * B, 0));
  const auto new_chain = Compute(Tokens(2 * B, 500));
  index_->Release(new_chain);
  index_->Release(old_chain);
  // Used again: now the most recently used.
  const auto again = index_->Find(Tokens(2 * B + 1, 500), "");
  index_->Acquire(again);
  index_->Release(again.blocks);
  EXPECT_EQ(index_->Allocate(), old_chain[1]);
  EXPECT_EQ(index_->Find(Tokens(2 * B + 1, 0), "").tokens(), B);
  EXPECT_EQ(index_->Allocate(), old_chain[0]);
  EXPECT_EQ(index_->Allocate(), new_chain[1]);
  EXPECT_EQ(index_->Allocate(), new_chain[0]);
  EXPECT_EQ(index_->Allocate(), -1);
  EXPECT_EQ(index_->Find(Tokens(2 * B + 1, 500), "").tokens(), 0);
}

TEST_F(PrefixIndexTest, SameBlockComputedTwiceBecomesOne) {
  Make(4);
  const auto tokens = Tokens(2 * B);
  // Two sequences in the same step: neither finds the other's blocks.
  std::vector<int32_t> a = {index_->Allocate(), index_->Allocate()};
  std::vector<int32_t> b = {index_->Allocate(), index_->Allocate()};
  uint64_t chain_a = PrefixIndex::kRoot, chain_b = PrefixIndex::kRoot;
  for (int i = 0; i < 2; ++i) {
    a[i] = index_->Insert(absl::MakeSpan(tokens).subspan(i * B, B), "", a[i], &chain_a);
    b[i] = index_->Insert(absl::MakeSpan(tokens).subspan(i * B, B), "", b[i], &chain_b);
  }
  EXPECT_EQ(a, b);
  EXPECT_EQ(chain_a, chain_b);
  EXPECT_EQ(pool_->free_blocks(), 2);
  EXPECT_EQ(index_->users(a[0]), 2);
  index_->Release(a);
  EXPECT_EQ(index_->idle_blocks(), 0);
  index_->Release(b);
  EXPECT_EQ(index_->idle_blocks(), 2);
}

TEST_F(PrefixIndexTest, GivesItsBlocksBackToThePool) {
  Make(4);
  index_->Release(Compute(Tokens(2 * B)));
  EXPECT_EQ(pool_->free_blocks(), 2);
  index_.reset();
  EXPECT_EQ(pool_->free_blocks(), 4);
}

// Random sequences over few tokens against a model that remembers what each block holds.
TEST_F(PrefixIndexTest, RandomUseNeverServesWrongContent) {
  std::mt19937 rng(7);
  Make(24);
  std::map<int32_t, std::vector<int32_t>> content;  // by block: every token up to its end
  std::vector<std::vector<int32_t>> held;
  int hits = 0;
  for (int round = 0; round < 5000; ++round) {
    if (held.size() > 4 || (!held.empty() && rng() % 3 == 0)) {
      const size_t victim = rng() % held.size();
      index_->Release(held[victim]);
      held.erase(held.begin() + victim);
      continue;
    }
    std::vector<int32_t> tokens;
    for (int b = 0, n = 1 + rng() % 4; b < n; ++b) {
      const int32_t symbol = rng() % 3;
      tokens.insert(tokens.end(), b + 1 < n ? B : 1 + rng() % B, symbol);
    }
    const auto match = index_->Find(tokens, "");
    ASSERT_LT(match.tokens(), static_cast<int>(tokens.size()));
    hits += match.tokens() > 0;
    for (size_t b = 0; b < match.blocks.size(); ++b) {
      ASSERT_EQ(content[match.blocks[b]],
                std::vector<int32_t>(tokens.begin(), tokens.begin() + (b + 1) * B));
    }
    if (KvBlocksFor(tokens.size()) - static_cast<int>(match.blocks.size()) + match.idle >
        index_->available()) {
      continue;
    }
    const auto blocks = Compute(tokens);
    ASSERT_EQ(std::count(blocks.begin(), blocks.end(), -1), 0);
    for (size_t b = 0; b < blocks.size(); ++b) {
      const size_t end = std::min(tokens.size(), (b + 1) * B);
      content[blocks[b]] = std::vector<int32_t>(tokens.begin(), tokens.begin() + end);
    }
    held.push_back(blocks);
  }
  for (const auto& blocks : held) index_->Release(blocks);
  EXPECT_EQ(index_->used_blocks(), 0);
  EXPECT_GT(hits, 500);
}

}  // namespace
}  // namespace quantd
