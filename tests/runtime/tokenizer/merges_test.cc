#include "runtime/tokenizer/merges.h"

#include <random>
#include <vector>

#include "gtest/gtest.h"

namespace quantd {
namespace {

std::vector<Symbol> Symbols(const std::vector<int32_t>& ids) {
  std::vector<Symbol> symbols;
  for (uint32_t i = 0; i < ids.size(); ++i) symbols.push_back({ids[i], i, i + 1});
  return symbols;
}

std::vector<int32_t> Ids(const std::vector<Symbol>& symbols) {
  std::vector<int32_t> ids;
  for (const Symbol& symbol : symbols) ids.push_back(symbol.id);
  return ids;
}

// The definition of byte-pair merging, one scan of the whole word for each merge.
std::vector<int32_t> MergeByScanning(const MergeTable& table, std::vector<int32_t> ids) {
  for (;;) {
    const MergeTable::Merge* best = nullptr;
    size_t at = 0;
    for (size_t i = 0; i + 1 < ids.size(); ++i) {
      const MergeTable::Merge* merge = table.Find(ids[i], ids[i + 1]);
      if (merge != nullptr && (best == nullptr || merge->rank < best->rank)) {
        best = merge;
        at = i;
      }
    }
    if (best == nullptr) return ids;
    ids[at] = best->result;
    ids.erase(ids.begin() + at + 1);
  }
}

TEST(MergerTest, JoinsTheBestPairLeftmostFirst) {
  MergeTable table;
  table.Add(0, 0, {5, 1});
  table.Add(1, 0, {7, 2});
  Merger merger(&table);
  std::vector<Symbol> symbols = Symbols({0, 0, 0});
  merger.Run(&symbols);
  EXPECT_EQ(Ids(symbols), (std::vector<int32_t>{2}));
  EXPECT_EQ(symbols[0].begin, 0u);
  EXPECT_EQ(symbols[0].end, 3u);
}

TEST(MergerTest, EmptySingleAndUnknownSymbols) {
  MergeTable table;
  table.Add(0, 0, {0, 1});
  Merger merger(&table);
  std::vector<Symbol> symbols;
  merger.Run(&symbols);
  EXPECT_TRUE(symbols.empty());
  symbols = Symbols({0});
  merger.Run(&symbols);
  EXPECT_EQ(Ids(symbols), (std::vector<int32_t>{0}));
  symbols = Symbols({-1, -1, 0, -1, 0, 0});
  merger.Run(&symbols);
  EXPECT_EQ(Ids(symbols), (std::vector<int32_t>{-1, -1, 0, -1, 1}));
}

// Tables without any order between a merge and those of its result: later merges of lower rank,
// equal ranks, merges into symbols that exist already.
TEST(MergerTest, EqualsTheDefinitionOnRandomTables) {
  std::mt19937 random(1);
  const auto pick = [&](uint32_t n) { return static_cast<int32_t>(random() % n); };
  for (int round = 0; round < 2000; ++round) {
    MergeTable table;
    const int symbols_count = 2 + pick(12), merges = 1 + pick(60);
    const uint32_t ranks = 1 + pick(40);
    for (int i = 0; i < merges; ++i) {
      table.Add(pick(symbols_count), pick(symbols_count),
                {static_cast<uint32_t>(pick(ranks)), pick(symbols_count)});
    }
    Merger merger(&table);
    for (int word = 0; word < 5; ++word) {
      std::vector<int32_t> ids(pick(60));
      for (int32_t& id : ids) id = pick(symbols_count);
      std::vector<Symbol> symbols = Symbols(ids);
      merger.Run(&symbols);
      ASSERT_EQ(Ids(symbols), MergeByScanning(table, ids)) << "round " << round;
    }
  }
}

// Queue operations for `count` symbols from `pattern`, under merges that double a run each time.
uint64_t Operations(size_t count, const std::vector<int32_t>& pattern) {
  MergeTable table;
  for (int32_t level = 0; level < 20; ++level) {
    table.Add(level, level, {static_cast<uint32_t>(20 - level), level + 1});
    table.Add(level + 1, level, {static_cast<uint32_t>(40 + level), level + 1});
  }
  std::vector<int32_t> ids(count);
  for (size_t i = 0; i < count; ++i) ids[i] = pattern[i % pattern.size()];
  std::vector<Symbol> symbols = Symbols(ids);
  Merger merger(&table);
  merger.Run(&symbols);
  return merger.operations();
}

TEST(MergerTest, QueueOperationsGrowLinearly) {
  for (const std::vector<int32_t>& pattern :
       {std::vector<int32_t>{0}, {0, 1}, {1, 0, 0}, {3, 2, 1, 0}, {0, 0, 0, 5}}) {
    const uint64_t small = Operations(50'000, pattern), large = Operations(200'000, pattern);
    EXPECT_LE(large, 5 * small);
    EXPECT_LE(large, 8u * 200'000);
  }
}

}  // namespace
}  // namespace quantd
