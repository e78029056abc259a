#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "kernels/base/status_macros.h"
#include "runtime/chat/json.h"
#include "runtime/formats/json_events.h"

namespace quantd::jinja {
namespace {

/// Builds a value from the events of a text.
class ValueBuilder : public JsonHandler {
 public:
  const Value& result() const { return result_; }

  absl::Status On(const JsonEvent& event) override {
    switch (event.kind) {
      case JsonEvent::Kind::kNull:
        return Add(Value::None());
      case JsonEvent::Kind::kBool:
        return Add(Value::Bool(event.truth));
      case JsonEvent::Kind::kNegative:
        return Add(Value::Int(event.negative));
      case JsonEvent::Kind::kInteger:
        if (event.integer > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
          return absl::InvalidArgumentError(
              absl::StrCat("the number ", event.integer, " does not fit 64 bits with a sign"));
        }
        return Add(Value::Int(static_cast<int64_t>(event.integer)));
      case JsonEvent::Kind::kFloat:
        return Add(Value::Float(event.number));
      case JsonEvent::Kind::kString:
        return Add(MakeOutsideString(event.text));
      case JsonEvent::Kind::kKey:
        open_.back().key = MakeOutsideString(event.text);
        return absl::OkStatus();
      case JsonEvent::Kind::kObjectBegin:
        open_.emplace_back().is_dict = true;
        return absl::OkStatus();
      case JsonEvent::Kind::kArrayBegin:
        open_.emplace_back();
        return absl::OkStatus();
      case JsonEvent::Kind::kObjectEnd:
      case JsonEvent::Kind::kArrayEnd:
        return Close();
    }
    return absl::OkStatus();
  }
  std::string Field() const override { return ""; }

 private:
  struct Level {
    bool is_dict = false;
    DictData dict;
    Value key;
    std::vector<Value> items;
  };

  absl::Status Close() {
    Level level = std::move(open_.back());
    open_.pop_back();
    QUANTD_ASSIGN_OR_RETURN(Value value, level.is_dict ? MakeDict(nullptr, std::move(level.dict))
                                                       : MakeList(nullptr, std::move(level.items)));
    return Add(std::move(value));
  }
  absl::Status Add(Value value) {
    if (open_.empty()) {
      result_ = std::move(value);
    } else if (Level& level = open_.back(); level.is_dict) {
      level.dict.Set(std::move(level.key), std::move(value));
    } else {
      level.items.push_back(std::move(value));
    }
    return absl::OkStatus();
  }

  std::vector<Level> open_;
  Value result_;
};

// The reader's messages are "PATH: FIELD: what", both empty here.
absl::string_view WithoutPlace(absl::string_view message) {
  while (!message.empty() && (message[0] == ':' || message[0] == ' ')) message.remove_prefix(1);
  return message;
}

}  // namespace

absl::StatusOr<Value> ParseJson(absl::string_view text) {
  ValueBuilder builder;
  const absl::Status status = ReadJsonEvents(text, "", &builder);
  if (!status.ok()) return absl::InvalidArgumentError(WithoutPlace(status.message()));
  return builder.result();
}

}  // namespace quantd::jinja
