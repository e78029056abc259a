#ifndef QUANTD_TESTS_RUNTIME_TOKENIZER_HF_PARTS_TEST_UTIL_H_
#define QUANTD_TESTS_RUNTIME_TOKENIZER_HF_PARTS_TEST_UTIL_H_

#include <memory>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "runtime/formats/json_document.h"

namespace quantd {

/// One part of a tokenizer.json, as the readers of parts take it; a JSON text of null: absent.
class PartJson {
 public:
  explicit PartJson(const std::string& part) {
    auto document = JsonDocument::Parse(absl::StrCat("{\"part\": ", part, "}"), "tokenizer.json");
    EXPECT_TRUE(document.ok()) << document.status();
    document_ = std::move(document).value();
  }
  std::optional<JsonValue> value() const { return *document_->root().Find("part"); }

 private:
  std::unique_ptr<JsonDocument> document_;
};

}  // namespace quantd

#endif  // QUANTD_TESTS_RUNTIME_TOKENIZER_HF_PARTS_TEST_UTIL_H_
