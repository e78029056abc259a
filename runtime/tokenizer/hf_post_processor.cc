#include "runtime/tokenizer/hf_post_processor.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "kernels/base/status_macros.h"
#include "runtime/formats/file_error.h"
#include "runtime/tokenizer/hf_kinds.h"

namespace quantd {
namespace {

absl::StatusOr<int32_t> ReadId(const JsonValue& value, size_t vocab_size) {
  QUANTD_ASSIGN_OR_RETURN(const int64_t id, value.Int(0, static_cast<int64_t>(vocab_size) - 1));
  return static_cast<int32_t>(id);
}

// The ids of a special token that a template names.
absl::Status AddNamed(const JsonValue& object, const JsonValue& name_value, size_t vocab_size,
                      std::vector<int32_t>* ids) {
  QUANTD_ASSIGN_OR_RETURN(const absl::string_view name, name_value.String());
  QUANTD_ASSIGN_OR_RETURN(const JsonValue tokens, object.At("special_tokens"));
  QUANTD_ASSIGN_OR_RETURN(const std::optional<JsonValue> token, tokens.Find(name));
  if (!token.has_value()) {
    return name_value.Error(
        absl::StrCat("'", Printable(name), "' is not in the template's special_tokens"));
  }
  QUANTD_ASSIGN_OR_RETURN(const JsonValue list, token->At("ids"));
  QUANTD_ASSIGN_OR_RETURN(const std::vector<JsonValue> elements, list.Elements());
  for (const JsonValue& element : elements) {
    QUANTD_ASSIGN_OR_RETURN(const int32_t id, ReadId(element, vocab_size));
    ids->push_back(id);
  }
  return absl::OkStatus();
}

absl::StatusOr<HfFrame> ReadTemplate(const JsonValue& object, size_t vocab_size) {
  HfFrame frame;
  QUANTD_ASSIGN_OR_RETURN(const JsonValue single, object.At("single"));
  QUANTD_ASSIGN_OR_RETURN(const std::vector<JsonValue> items, single.Elements());
  size_t texts = 0;
  for (const JsonValue& item : items) {
    QUANTD_ASSIGN_OR_RETURN(const std::optional<JsonValue> special, item.Find("SpecialToken"));
    if (!special.has_value()) {
      QUANTD_RETURN_IF_ERROR(item.At("Sequence").status());
      ++texts;
      continue;
    }
    QUANTD_ASSIGN_OR_RETURN(const JsonValue name, special->At("id"));
    QUANTD_RETURN_IF_ERROR(
        AddNamed(object, name, vocab_size, texts == 0 ? &frame.prefix : &frame.suffix));
  }
  if (texts != 1) return single.Unsupported(absl::StrCat("holds the text ", texts, " times"));
  return frame;
}

// A member that is [text, id].
absl::Status AddPair(const JsonValue& object, absl::string_view key, size_t vocab_size,
                     std::vector<int32_t>* ids) {
  QUANTD_ASSIGN_OR_RETURN(const JsonValue pair, object.At(key));
  QUANTD_ASSIGN_OR_RETURN(const std::vector<JsonValue> elements, pair.Elements());
  if (elements.size() != 2) return pair.Error("is no token and its id");
  QUANTD_ASSIGN_OR_RETURN(const int32_t id, ReadId(elements[1], vocab_size));
  ids->push_back(id);
  return absl::OkStatus();
}

absl::StatusOr<HfFrame> ReadBert(const JsonValue& object, size_t vocab_size) {
  HfFrame frame;
  QUANTD_RETURN_IF_ERROR(AddPair(object, "cls", vocab_size, &frame.prefix));
  QUANTD_RETURN_IF_ERROR(AddPair(object, "sep", vocab_size, &frame.suffix));
  return frame;
}

// It only corrects offsets into the text.
absl::StatusOr<HfFrame> ReadByteLevel(const JsonValue&, size_t) { return HfFrame(); }

/// ONE row per kind of post-processor.
struct PostProcessorRow {
  const char* name;
  absl::StatusOr<HfFrame> (*read)(const JsonValue& object, size_t vocab_size);
};
constexpr PostProcessorRow kPostProcessors[] = {
    {"BertProcessing", &ReadBert},
    {"ByteLevel", &ReadByteLevel},
    {"RobertaProcessing", &ReadBert},
    {"TemplateProcessing", &ReadTemplate},
};

}  // namespace

absl::StatusOr<HfFrame> ReadHfPostProcessor(const std::optional<JsonValue>& post_processor,
                                            size_t vocab_size) {
  HfFrame result;
  QUANTD_RETURN_IF_ERROR(
      ForEachPart(post_processor, "processors", [&](const JsonValue& object) -> absl::Status {
        QUANTD_ASSIGN_OR_RETURN(const PostProcessorRow* row, FindKind(kPostProcessors, object));
        QUANTD_ASSIGN_OR_RETURN(const HfFrame frame, row->read(object, vocab_size));
        // Each frames what those before it made.
        result.prefix.insert(result.prefix.begin(), frame.prefix.begin(), frame.prefix.end());
        result.suffix.insert(result.suffix.end(), frame.suffix.begin(), frame.suffix.end());
        return absl::OkStatus();
      }));
  return result;
}

}  // namespace quantd
