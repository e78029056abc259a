#include "runtime/chat/value.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace quantd::jinja {
namespace {

TEST(ValueTest, KindsAreTold) {
  EXPECT_TRUE(Value().is(Kind::kUndefined));
  EXPECT_TRUE(Value::None().is(Kind::kNone));
  EXPECT_TRUE(Value::Bool(true).is_number());
  EXPECT_EQ(Value::Bool(true).as_integer(), 1);
  EXPECT_EQ(Value::Int(-3).as_double(), -3.0);
  EXPECT_EQ(Value::Float(0.5).as_double(), 0.5);
  EXPECT_FALSE(MakeString("1").is_number());
  EXPECT_EQ(MakeString("a").bytes(), "a");
  EXPECT_TRUE(MakeString("a").text().outside.empty());
  EXPECT_EQ(MakeOutsideString("ab").text().outside[0], (TextRange{0, 2}));
  EXPECT_TRUE(MakeOutsideString("").text().outside.empty());
  EXPECT_EQ(Value::Undefined("why not").why(), "why not");
  EXPECT_FALSE(Value().why().empty());
}

TEST(ValueTest, SameMeansOneObject) {
  const Value list = *MakeList(nullptr, {});
  EXPECT_TRUE(list.Same(list));
  EXPECT_FALSE(list.Same(*MakeList(nullptr, {})));
  EXPECT_TRUE(Value::Int(1).Same(Value::Int(1)));
  EXPECT_FALSE(Value::Int(1).Same(Value::Float(1)));
}

// Small dicts are searched, larger ones have an index.
TEST(ValueTest, DictsFindTheirKeysWhateverTheirSize) {
  for (const int size : {0, 1, 8, 9, 10, 100}) {
    DictData dict;
    for (int i = 0; i < size; ++i) {
      dict.Set(MakeString(absl::StrCat("key", i)), Value::Int(i));
      dict.Set(Value::Int(i), Value::Int(-i));
    }
    for (int i = 0; i < size; ++i) {
      const Value* by_name = dict.Find(absl::StrCat("key", i));
      ASSERT_NE(by_name, nullptr) << size << " " << i;
      EXPECT_EQ(by_name->integer(), i);
      EXPECT_EQ(dict.Find(Value::Float(i))->integer(), -i) << "1.0 and 1 are one key";
    }
    EXPECT_EQ(dict.Find("nope"), nullptr);
    EXPECT_EQ(dict.Find(Value::Float(0.5)), nullptr);
    EXPECT_EQ(dict.Find(Value::None()), nullptr);
    EXPECT_EQ(dict.Find(*MakeList(nullptr, {})), nullptr);
  }
}

TEST(ValueTest, DictsReplaceValuesAndKeepTheOrder) {
  DictData dict;
  dict.Set(MakeString("a"), Value::Int(1));
  dict.Set(Value::Int(1), Value::Int(2));
  dict.Set(MakeString("a"), Value::Int(3));
  dict.Set(Value::Bool(true), Value::Int(4));
  ASSERT_EQ(dict.entries.size(), 2u);
  EXPECT_EQ(dict.entries[0].second.integer(), 3);
  EXPECT_EQ(dict.entries[1].second.integer(), 4);
  EXPECT_TRUE(dict.entries[1].first.is(Kind::kInt)) << "the first key stays";
}

TEST(ValueTest, NestingIsLimited) {
  Value value = Value::Int(1);
  absl::Status status;
  int levels = 0;
  for (; status.ok() && levels <= kMaxValueHeight; ++levels) {
    if (levels % 2 == 0) {
      auto list = MakeList(nullptr, {value});
      status = list.status();
      if (list.ok()) value = *list;
    } else {
      DictData dict;
      dict.Set(MakeString("k"), value);
      auto made = MakeDict(nullptr, std::move(dict));
      status = made.status();
      if (made.ok()) value = *made;
    }
  }
  EXPECT_TRUE(absl::IsResourceExhausted(status));
  EXPECT_EQ(value.height(), kMaxValueHeight);
}

TEST(ValueTest, ContainersCountTowardsTheBudget) {
  Budget budget({.memory_bytes = 10'000});
  {
    const auto list = MakeList(&budget, std::vector<Value>(100, Value::Int(0)));
    ASSERT_TRUE(list.ok()) << list.status();
    EXPECT_FALSE(MakeList(&budget, std::vector<Value>(1000, Value::Int(0))).ok());
  }
  MemoryClaim all(&budget);
  EXPECT_TRUE(all.Resize(10'000)) << "given back with the list";
}

TEST(ValueTest, LoopsLetGoOfTheirItemsAtTheEnd) {
  LoopData loop;
  loop.items = MakeList(nullptr, {Value::Int(1), Value::Int(2)})->list();
  EXPECT_EQ((*loop.At(1))->integer(), 2);
  EXPECT_EQ(*loop.At(2), nullptr);
  const std::weak_ptr<ListData> items = loop.items;
  loop.End();
  EXPECT_TRUE(items.expired());
  EXPECT_EQ(*loop.Length(), 2u);
  EXPECT_EQ(*loop.At(0), nullptr);
}

}  // namespace
}  // namespace quantd::jinja
