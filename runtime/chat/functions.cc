// The functions that every template has.
#include <ctime>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "kernels/base/status_macros.h"
#include "runtime/chat/builtin.h"
#include "runtime/chat/operations.h"
#include "runtime/chat/unicode.h"

namespace quantd::jinja {
namespace {

// The sandbox's limit on range().
constexpr int64_t kMaxRange = 100'000;
constexpr size_t kMaxMessage = 1024;
// Names of a namespace take about this many bytes beside the value.
constexpr size_t kNamespaceBytes = 200;

absl::StatusOr<Value> Range(Runtime& runtime, const Value&, const Arguments& given) {
  QUANTD_ASSIGN_OR_RETURN(const auto arguments,
                          BoundArguments::Bind("range", given, {"start", "stop", "step"}, 1));
  int64_t start = 0, stop = 0;
  if (arguments.has(1)) {
    QUANTD_ASSIGN_OR_RETURN(start, arguments.Integer(0, 0));
    QUANTD_ASSIGN_OR_RETURN(stop, arguments.Integer(1, 0));
  } else {
    QUANTD_ASSIGN_OR_RETURN(stop, arguments.Integer(0, 0));
  }
  QUANTD_ASSIGN_OR_RETURN(const int64_t step, arguments.Integer(2, 1));
  if (step == 0) return absl::InvalidArgumentError("range() arg 3 must not be zero");
  // In doubles: differences of 64-bit numbers overflow.
  const double span =
      (static_cast<double>(stop) - static_cast<double>(start)) / static_cast<double>(step);
  if (span > static_cast<double>(kMaxRange)) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "Range too big. The sandbox blocks ranges larger than MAX_RANGE (", kMaxRange, ")."));
  }
  QUANTD_RETURN_IF_ERROR(runtime.budget().SpendOn(static_cast<size_t>(std::max(span, 0.0)), 4));
  std::vector<Value> numbers;
  for (int64_t at = start; step > 0 ? at < stop : at > stop;) {
    numbers.push_back(Value::Int(at));
    if (__builtin_add_overflow(at, step, &at)) break;
  }
  QUANTD_ASSIGN_OR_RETURN(Value range,
                          MakeList(&runtime.budget(), std::move(numbers), ListType::kRange));
  range.list()->range =
      absl::StrCat("range(", start, ", ", stop, step == 1 ? "" : absl::StrCat(", ", step), ")");
  return range;
}

// What dict() and namespace() take: at most one mapping, or list of pairs, and named values.
absl::StatusOr<DictData> Entries(Runtime& runtime, const char* function, const Arguments& given) {
  DictData dict;
  if (given.positional.size() > 1) {
    return absl::InvalidArgumentError(absl::StrCat(function, "() takes at most one argument"));
  }
  const auto set = [&](const Value& key, const Value& value) -> absl::Status {
    if (!IsKey(key)) {
      return absl::InvalidArgumentError(absl::StrCat("unhashable type: '", TypeName(key), "'"));
    }
    QUANTD_RETURN_IF_ERROR(
        runtime.budget().SpendOn(key.is(Kind::kString) ? key.bytes().size() : 0));
    dict.Set(key, value);
    return absl::OkStatus();
  };
  for (const Value& source : given.positional) {
    if (source.is(Kind::kDict)) {
      for (const auto& [key, value] : source.dict().entries) {
        QUANTD_RETURN_IF_ERROR(set(key, value));
      }
      continue;
    }
    QUANTD_ASSIGN_OR_RETURN(const ListPtr pairs, Iterate(source, runtime.budget()));
    for (const Value& item : pairs->items) {
      QUANTD_ASSIGN_OR_RETURN(const ListPtr pair, Iterate(item, runtime.budget()));
      if (pair->items.size() != 2) {
        return absl::InvalidArgumentError(absl::StrCat(function, "() needs pairs"));
      }
      QUANTD_RETURN_IF_ERROR(set(pair->items[0], pair->items[1]));
    }
  }
  for (const auto& [name, value] : given.named) {
    QUANTD_RETURN_IF_ERROR(set(MakeString(name), value));
  }
  return dict;
}

absl::StatusOr<Value> Dict(Runtime& runtime, const Value&, const Arguments& given) {
  QUANTD_ASSIGN_OR_RETURN(DictData dict, Entries(runtime, "dict", given));
  return MakeDict(&runtime.budget(), std::move(dict));
}

absl::StatusOr<Value> Namespace(Runtime& runtime, const Value&, const Arguments& given) {
  QUANTD_ASSIGN_OR_RETURN(const DictData dict, Entries(runtime, "namespace", given));
  auto data = std::make_shared<NamespaceData>();
  data->claim = MemoryClaim(&runtime.budget());
  if (!data->claim.Resize(kNamespaceBytes * (1 + dict.entries.size()))) {
    return runtime.budget().MemoryError();
  }
  for (const auto& [key, value] : dict.entries) {
    if (key.is(Kind::kString)) data->names[key.bytes()] = value;
  }
  runtime.Keep(data);
  return Value(std::move(data));
}

absl::StatusOr<Value> RaiseException(Runtime& runtime, const Value&, const Arguments& given) {
  QUANTD_ASSIGN_OR_RETURN(const auto arguments,
                          BoundArguments::Bind("raise_exception", given, {"message"}, 1));
  TextBuilder message(&runtime.budget());
  AppendString(*arguments.at(0), &message);
  return RaisedError(Shorten(message.bytes(), kMaxMessage));
}

// The time of day here, as C's strftime writes it, which Python's calls.
absl::StatusOr<Value> StrftimeNow(Runtime& runtime, const Value&, const Arguments& given) {
  QUANTD_ASSIGN_OR_RETURN(const auto arguments,
                          BoundArguments::Bind("strftime_now", given, {"format"}, 1));
  QUANTD_ASSIGN_OR_RETURN(const Text* format, arguments.String(0));
  if (format == nullptr) return absl::InvalidArgumentError("strftime_now() takes a string");
  const std::time_t now = absl::ToTimeT(runtime.now());
  std::tm local{};
  localtime_r(&now, &local);
  char text[1024];
  const size_t length = std::strftime(text, sizeof(text), format->bytes.c_str(), &local);
  if (length == 0 && !format->bytes.empty()) {
    return absl::InvalidArgumentError("strftime_now(): no date, or a very long one");
  }
  TextBuilder result(&runtime.budget());
  result.Append(absl::string_view(text, length), /*outside=*/!format->outside.empty());
  return FinishString(&result);
}

constexpr Builtin kFunctions[] = {
    {"dict", Dict},   {"namespace", Namespace},      {"raise_exception", RaiseException},
    {"range", Range}, {"strftime_now", StrftimeNow},
};

}  // namespace

absl::Span<const Builtin> Functions() { return kFunctions; }

}  // namespace quantd::jinja
