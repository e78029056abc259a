#ifndef QUANTD_RUNTIME_FORMATS_JSON_EVENTS_H_
#define QUANTD_RUNTIME_FORMATS_JSON_EVENTS_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace quantd {

/// Objects and arrays within each other that a file may hold; real ones have fewer than ten.
inline constexpr int kMaxJsonDepth = 64;

/// One step through a JSON text. A key is followed by the events of its value.
struct JsonEvent {
  enum class Kind : uint8_t {
    kNull,
    kBool,
    kNegative,  ///< an integer below 0
    kInteger,   ///< an integer of at least 0 that fits in 64 bits
    kFloat,     ///< any other number; finite
    kString,
    kKey,
    kObjectBegin,
    kObjectEnd,
    kArrayBegin,
    kArrayEnd,
  };
  Kind kind;
  bool truth = false;        ///< of kBool
  int64_t negative = 0;      ///< of kNegative
  uint64_t integer = 0;      ///< of kInteger
  double number = 0;         ///< of kFloat
  absl::string_view text{};  ///< of kString and kKey: unescaped UTF-8, valid during the call
};

/// What a message calls the event: "a string", "a negative number".
const char* JsonKindName(JsonEvent::Kind kind);

/// Receives the events of a text in order. Does not outlive the call of ReadJsonEvents.
class JsonHandler {
 public:
  virtual ~JsonHandler() = default;
  /// A status that is not OK ends the reading and is its result.
  virtual absl::Status On(const JsonEvent& event) = 0;
  /// The field that is being read, for the message about a text that breaks off or is no JSON.
  virtual std::string Field() const = 0;
};

/// Reads one JSON value and nothing behind it but white space, in memory that does not depend on
/// its nesting. Keys that occur twice are for the handler to find.
/// Errors: DATA_LOSS "PATH: FIELD: what" for syntax, invalid UTF-8, a number beyond the range of
/// double, nesting beyond kMaxJsonDepth; those of the handler.
absl::Status ReadJsonEvents(absl::string_view text, const std::string& path, JsonHandler* handler);

}  // namespace quantd

#endif  // QUANTD_RUNTIME_FORMATS_JSON_EVENTS_H_
