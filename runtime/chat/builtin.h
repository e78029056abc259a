#ifndef QUANTD_RUNTIME_CHAT_BUILTIN_H_
#define QUANTD_RUNTIME_CHAT_BUILTIN_H_

#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "runtime/chat/value.h"

// The filters, tests, functions and methods that templates have: ONE table for each. Adding one is
// a function and a row.
namespace quantd::jinja {

/// The arguments of a call.
struct Arguments {
  std::vector<Value> positional;
  std::vector<std::pair<std::string, Value>> named;
};

/// What a builtin needs of the rendering it is called from.
class Runtime {
 public:
  virtual ~Runtime() = default;
  virtual Budget& budget() = 0;
  virtual absl::Time now() const = 0;
  virtual absl::StatusOr<Value> Call(const Value& callable, Arguments arguments) = 0;
  /// Holds a namespace until the rendering ends, when its values are dropped: it may hold itself.
  virtual void Keep(std::shared_ptr<NamespaceData> names) = 0;
};

/// The error by which a template refuses what it was given, and how to know one.
absl::Status RaisedError(absl::string_view message);
bool IsRaised(const absl::Status& status);

/// `self` is what a filter or test is applied to, the object of a method, undefined for a
/// function. A test returns a bool.
using BuiltinFn = absl::StatusOr<Value> (*)(Runtime& runtime, const Value& self,
                                            const Arguments& arguments);
struct Builtin {
  const char* name;
  BuiltinFn run;
};

absl::Span<const Builtin> Filters();
absl::Span<const Builtin> Tests();
absl::Span<const Builtin> Functions();
absl::Span<const Builtin> StringMethods();
absl::Span<const Builtin> ListMethods();
absl::Span<const Builtin> DictMethods();
absl::Span<const Builtin> LoopMethods();
/// Null if there is none.
const Builtin* FindBuiltin(absl::Span<const Builtin> table, absl::string_view name);

// The parts that the table of filters is made of, by what they work on.
absl::Span<const Builtin> TextFilters();
absl::Span<const Builtin> ListFilters();
absl::Span<const Builtin> SelectFilters();
absl::Span<const Builtin> ScalarFilters();

/// Arguments by parameter. Absent ones are null.
class BoundArguments {
 public:
  /// Binds positional and named arguments to `names`, of which the first `required` must be there.
  static absl::StatusOr<BoundArguments> Bind(absl::string_view function, const Arguments& arguments,
                                             std::initializer_list<const char*> names,
                                             size_t required = 0);

  const Value* at(size_t i) const { return values_[i]; }
  bool has(size_t i) const { return values_[i] != nullptr; }
  // Absent: the default. Another type: TypeError.
  absl::StatusOr<int64_t> Integer(size_t i, int64_t absent) const;
  bool Flag(size_t i, bool absent) const;
  /// Null when absent or None.
  absl::StatusOr<const Text*> String(size_t i) const;

 private:
  absl::Status WrongType(size_t i, const char* wanted) const;
  std::string function_;
  std::vector<const char*> names_;
  std::vector<const Value*> values_;
};

}  // namespace quantd::jinja

#endif  // QUANTD_RUNTIME_CHAT_BUILTIN_H_
