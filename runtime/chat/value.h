#ifndef QUANTD_RUNTIME_CHAT_VALUE_H_
#define QUANTD_RUNTIME_CHAT_VALUE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "runtime/chat/budget.h"
#include "runtime/chat/text.h"

namespace quantd::jinja {

class Value;
struct Builtin;
struct MacroData;
struct StringData;
struct ListData;
struct DictData;
struct NamespaceData;
struct LoopData;
struct CallableData;
struct UndefinedData;
using StringPtr = std::shared_ptr<const StringData>;
using ListPtr = std::shared_ptr<ListData>;
using DictPtr = std::shared_ptr<const DictData>;

enum class Kind : uint8_t {
  kUndefined,
  kNone,
  kBool,
  kInt,
  kFloat,
  kString,
  kList,
  kDict,
  kNamespace,
  kLoop,
  kCallable,
};

/// A value of a template, with the semantics of Python's. Cheap to copy: what is big is shared and
/// never changed, but for namespaces, generators and loops. Not thread-safe.
class Value {
 public:
  /// Undefined, with no word on why.
  Value() = default;
  static Value None() { return Value(Data(NoneType())); }
  static Value Bool(bool value) { return Value(Data(value)); }
  static Value Int(int64_t value) { return Value(Data(value)); }
  static Value Float(double value) { return Value(Data(value)); }
  explicit Value(StringPtr value) : data_(std::move(value)) {}
  explicit Value(ListPtr value) : data_(std::move(value)) {}
  explicit Value(DictPtr value) : data_(std::move(value)) {}
  explicit Value(std::shared_ptr<NamespaceData> value) : data_(std::move(value)) {}
  explicit Value(std::shared_ptr<LoopData> value) : data_(std::move(value)) {}
  explicit Value(std::shared_ptr<const CallableData> value) : data_(std::move(value)) {}
  /// Undefined; `why` is the message of the error when it is used.
  static Value Undefined(std::string why);

  Kind kind() const { return static_cast<Kind>(data_.index()); }
  bool is(Kind kind) const { return this->kind() == kind; }
  /// Bool, int or float.
  bool is_number() const { return kind() >= Kind::kBool && kind() <= Kind::kFloat; }

  // Each is for a value of its kind only.
  bool boolean() const { return std::get<bool>(data_); }
  int64_t integer() const { return std::get<int64_t>(data_); }
  double floating() const { return std::get<double>(data_); }
  const Text& text() const;
  /// A string that was escaped for HTML, or declared safe: Jinja's Markup, which a + escapes the
  /// other side for.
  bool markup() const;
  const std::string& bytes() const { return text().bytes; }
  const ListPtr& list() const { return std::get<ListPtr>(data_); }
  const DictData& dict() const { return *std::get<DictPtr>(data_); }
  NamespaceData& names() const { return *std::get<std::shared_ptr<NamespaceData>>(data_); }
  LoopData& loop() const { return *std::get<std::shared_ptr<LoopData>>(data_); }
  const CallableData& callable() const {
    return *std::get<std::shared_ptr<const CallableData>>(data_);
  }
  /// Why it is undefined.
  std::string why() const;

  /// Of bools, too, which are integers in Python; only for is_number() other than a float.
  int64_t as_integer() const { return is(Kind::kBool) ? boolean() : integer(); }
  double as_double() const {
    return is(Kind::kFloat) ? floating() : static_cast<double>(as_integer());
  }
  /// Whether both share one object (or are the same simple value): Python's `is`.
  bool Same(const Value& other) const { return data_ == other.data_; }
  /// Levels of containers in this value.
  int height() const;
  /// Bytes that its holder accounts for.
  size_t Footprint() const;

 private:
  struct NoneType {
    bool operator==(const NoneType&) const = default;
  };
  // In the order of Kind.
  using Data = std::variant<std::shared_ptr<const UndefinedData>, NoneType, bool, int64_t, double,
                            StringPtr, ListPtr, DictPtr, std::shared_ptr<NamespaceData>,
                            std::shared_ptr<LoopData>, std::shared_ptr<const CallableData>>;
  explicit Value(Data data) : data_(std::move(data)) {}
  Data data_;
};

struct UndefinedData {
  std::string why;
};

struct StringData {
  Text text;
  bool markup = false;
  MemoryClaim claim;
};

/// Which of Python's types a list of values stands for. They differ in what can be done with them.
enum class ListType : uint8_t { kList, kTuple, kGenerator, kRange, kKeys, kValues, kItems };

struct ListData {
  std::vector<Value> items;
  ListType type = ListType::kList;
  size_t taken = 0;   ///< of a generator: how many items were consumed
  std::string range;  ///< of a range: how it is written
  int height = 1;
  MemoryClaim claim;
};

/// A dict in the order of insertion. Keys are strings, numbers, bools, None or undefined.
struct DictData {
  std::vector<std::pair<Value, Value>> entries;
  int height = 1;
  MemoryClaim claim;

  /// Null if there is none.
  const Value* Find(const Value& key) const;
  const Value* Find(absl::string_view key) const;
  /// Adds a key or replaces its value. Only while the dict is being made. `key` IsKey.
  void Set(Value key, Value value);

 private:
  // From a key in encoded form to its entry; made when there are many.
  absl::flat_hash_map<std::string, size_t> index_;
};

struct NamespaceData {
  absl::flat_hash_map<std::string, Value> names;
  MemoryClaim claim;
};

/// Gives a loop with a condition its items one by one.
class LoopSource {
 public:
  virtual ~LoopSource() = default;
  /// Appends the next item to *accepted; false at the end.
  virtual absl::StatusOr<bool> Fetch(std::vector<Value>* accepted) = 0;
};

/// The variable `loop`.
struct LoopData {
  ListPtr items;                 ///< all items of a loop without a condition, else null
  std::vector<Value> accepted;   ///< of a loop with a condition: the items found so far
  LoopSource* source = nullptr;  ///< likewise, while the loop runs
  size_t index = 0;
  int depth = 1;
  /// What loop.changed was called with last.
  std::optional<std::vector<Value>> changed;
  std::optional<size_t> ended;  ///< the loop is over; this was its length

  /// The item at `at`, or null past the end.
  absl::StatusOr<const Value*> At(size_t at);
  absl::StatusOr<size_t> Length();
  /// The loop is over: lets go of all values, so that loops never form long chains or cycles.
  void End();
};

/// Something to call: a function, a method with its object, or a macro.
struct CallableData {
  const Builtin* builtin = nullptr;
  Value self;
  std::shared_ptr<const MacroData> macro;
  std::string name;
};

/// Whether it may be the key of a dict.
bool IsKey(const Value& value);

/// A string from the template's side that counts towards no budget.
Value MakeString(absl::string_view trusted);
/// A string from outside (messages, tools) that counts towards no budget. `bytes` is UTF-8.
Value MakeOutsideString(absl::string_view bytes);
/// The string that was built. RESOURCE_EXHAUSTED.
absl::StatusOr<Value> FinishString(TextBuilder* builder, bool markup = false);

// `budget` may be null: then nothing is counted. RESOURCE_EXHAUSTED when it does not suffice or
// the value would be higher than kMaxValueHeight.
absl::StatusOr<Value> MakeList(Budget* budget, std::vector<Value> items,
                               ListType type = ListType::kList);
absl::StatusOr<Value> MakeDict(Budget* budget, DictData dict);

}  // namespace quantd::jinja

#endif  // QUANTD_RUNTIME_CHAT_VALUE_H_
