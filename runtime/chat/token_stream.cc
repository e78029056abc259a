#include "runtime/chat/token_stream.h"

#include "absl/strings/str_cat.h"

namespace quantd::jinja {

absl::Status TokenStream::Expect(TokenKind kind, absl::string_view what) {
  if (current().kind != kind) {
    return Fail(absl::StrCat("expected ", what, ", got ", Describe(current())));
  }
  Skip();
  return absl::OkStatus();
}

absl::Status TokenStream::ExpectOperator(absl::string_view op) {
  if (SkipOperator(op)) return absl::OkStatus();
  return Fail(absl::StrCat("expected '", op, "', got ", Describe(current())));
}

absl::Status TokenStream::ExpectName(absl::string_view name) {
  if (SkipName(name)) return absl::OkStatus();
  return Fail(absl::StrCat("expected '", name, "', got ", Describe(current())));
}

absl::StatusOr<std::string> TokenStream::TakeName() {
  if (current().kind != TokenKind::kName) {
    return Fail(absl::StrCat("expected a name, got ", Describe(current())));
  }
  std::string name = current().text;
  Skip();
  return name;
}

Symbol TokenStream::Intern(absl::string_view name) {
  const auto [found, added] = ids_.try_emplace(name, static_cast<Symbol>(symbols_.size()));
  if (added) symbols_.emplace_back(name);
  return found->second;
}

}  // namespace quantd::jinja
