#include "runtime/formats/file_error.h"

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace quantd {

absl::Status FileError(absl::string_view path, absl::string_view field, absl::string_view what) {
  return absl::DataLossError(absl::StrCat(path, ": ", field, ": ", what));
}

absl::Status UnsupportedError(absl::string_view path, absl::string_view field,
                              absl::string_view what) {
  return absl::UnimplementedError(absl::StrCat(path, ": ", field, ": ", what));
}

std::string Printable(absl::string_view text) {
  constexpr size_t kLongest = 80;
  return absl::StrCat(absl::CHexEscape(text.substr(0, kLongest)),
                      text.size() > kLongest ? "..." : "");
}

}  // namespace quantd
