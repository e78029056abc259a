#ifndef QUANTD_RUNTIME_CHAT_ACCESS_H_
#define QUANTD_RUNTIME_CHAT_ACCESS_H_

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "runtime/chat/value.h"

// How a template reaches into values: as Jinja's immutable sandbox, in which what a value does not
// have is undefined, methods that would change a list or dict and names with a leading underscore
// are out of reach, and undefined values have nothing.
namespace quantd::jinja {

/// value.name: a method or attribute, else the entry of a dict.
absl::StatusOr<Value> GetAttribute(const Value& value, absl::string_view name, Budget& budget);
/// value[key]: the element or entry, else a method or attribute of that name.
absl::StatusOr<Value> GetItem(const Value& value, const Value& key, Budget& budget);
/// value[start:stop:step]; an end that is None is not given.
absl::StatusOr<Value> GetSlice(const Value& value, const Value& start, const Value& stop,
                               const Value& step, Budget& budget);

}  // namespace quantd::jinja

#endif  // QUANTD_RUNTIME_CHAT_ACCESS_H_
