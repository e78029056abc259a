#include "runtime/tokenizer/hf_vocabulary.h"

#include <limits>
#include <optional>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "kernels/base/status_macros.h"
#include "runtime/formats/file_error.h"
#include "runtime/formats/json_events.h"

namespace quantd {
namespace {

using Kind = JsonEvent::Kind;

// The longest published one has 33 MB.
constexpr uint64_t kMaxBytes = uint64_t{64} << 20;
constexpr char kVocabularyField[] = "model.vocab";
constexpr char kMergesField[] = "model.merges";

absl::Status Unexpected(const std::string& path, const std::string& field,
                        absl::string_view expected, const JsonEvent& event) {
  return FileError(path, field,
                   absl::StrCat("expected ", expected, ", found ", JsonKindName(event.kind)));
}

// Reads model.vocab, whichever form it has.
class VocabularyHandler final : public JsonHandler {
 public:
  VocabularyHandler(const std::string& path, HfVocabulary* vocabulary)
      : path_(path), vocabulary_(*vocabulary) {}

  std::string Field() const override {
    if (vocabulary_.scored) {
      return absl::StrCat(kVocabularyField, "[", vocabulary_.texts.size(), "]");
    }
    return text_.has_value() ? absl::StrCat(kVocabularyField, ".", Printable(*text_))
                             : kVocabularyField;
  }

  absl::Status On(const JsonEvent& event) override {
    if (!begun_) return Begin(event);
    return vocabulary_.scored ? OnList(event) : OnObject(event);
  }

 private:
  absl::Status Begin(const JsonEvent& event) {
    if (event.kind == Kind::kNull) return absl::OkStatus();
    if (event.kind != Kind::kObjectBegin && event.kind != Kind::kArrayBegin) {
      return Unexpected(path_, kVocabularyField, "an object or an array", event);
    }
    begun_ = true;
    vocabulary_.scored = event.kind == Kind::kArrayBegin;
    return absl::OkStatus();
  }

  absl::Status OnObject(const JsonEvent& event) {
    if (event.kind == Kind::kObjectEnd) return absl::OkStatus();
    if (event.kind == Kind::kKey) {
      text_ = std::string(event.text);
      return seen_.insert(*text_).second ? absl::OkStatus()
                                         : FileError(path_, Field(), "the key occurs twice");
    }
    if (event.kind != Kind::kInteger) return Unexpected(path_, Field(), "an id", event);
    if (event.integer > static_cast<uint64_t>(std::numeric_limits<int32_t>::max())) {
      return FileError(path_, Field(), absl::StrCat("id ", event.integer, "; ids take 31 bits"));
    }
    vocabulary_.texts.push_back(*std::move(text_));
    vocabulary_.ids.push_back(static_cast<int32_t>(event.integer));
    text_.reset();
    return absl::OkStatus();
  }

  // Within an entry, text_ and score_ say how far it has been read.
  absl::Status OnList(const JsonEvent& event) {
    if (!in_entry_) {
      if (event.kind == Kind::kArrayEnd) return absl::OkStatus();
      if (event.kind != Kind::kArrayBegin) return Unexpected(path_, Field(), "an array", event);
      in_entry_ = true;
      return absl::OkStatus();
    }
    if (!text_.has_value()) {
      if (event.kind != Kind::kString) return Unexpected(path_, Field(), "a string", event);
      text_ = std::string(event.text);
      return absl::OkStatus();
    }
    if (!score_.has_value()) {
      if (event.kind == Kind::kFloat) {
        score_ = event.number;
      } else if (event.kind == Kind::kInteger) {
        score_ = static_cast<double>(event.integer);
      } else if (event.kind == Kind::kNegative) {
        score_ = static_cast<double>(event.negative);
      } else {
        return Unexpected(path_, Field(), "a score", event);
      }
      return absl::OkStatus();
    }
    if (event.kind != Kind::kArrayEnd) {
      return FileError(path_, Field(), "has more than a text and a score");
    }
    vocabulary_.ids.push_back(static_cast<int32_t>(vocabulary_.texts.size()));
    vocabulary_.texts.push_back(*std::move(text_));
    vocabulary_.scores.push_back(*score_);
    in_entry_ = false;
    text_.reset();
    score_.reset();
    return absl::OkStatus();
  }

  const std::string& path_;
  HfVocabulary& vocabulary_;
  bool begun_ = false, in_entry_ = false;
  std::optional<std::string> text_;
  std::optional<double> score_;
  absl::flat_hash_set<std::string> seen_;
};

// Reads model.merges: strings "LEFT RIGHT" or arrays [LEFT, RIGHT].
class MergesHandler final : public JsonHandler {
 public:
  MergesHandler(const std::string& path, HfTokenizerFile* file) : path_(path), file_(*file) {}

  std::string Field() const override {
    return file_.has_merges ? absl::StrCat(kMergesField, "[", file_.merges.size(), "]")
                            : kMergesField;
  }

  absl::Status On(const JsonEvent& event) override {
    if (!file_.has_merges) {
      if (event.kind == Kind::kNull) return absl::OkStatus();
      if (event.kind != Kind::kArrayBegin) return Unexpected(path_, Field(), "an array", event);
      file_.has_merges = true;
      return absl::OkStatus();
    }
    return in_pair_ ? OnPart(event) : OnMerge(event);
  }

 private:
  absl::Status OnMerge(const JsonEvent& event) {
    if (event.kind == Kind::kArrayEnd) return absl::OkStatus();
    in_pair_ = event.kind == Kind::kArrayBegin;
    if (in_pair_) return absl::OkStatus();
    if (event.kind != Kind::kString) return Unexpected(path_, Field(), "a string", event);
    const size_t space = event.text.find(' ');
    if (space == absl::string_view::npos ||
        event.text.find(' ', space + 1) != absl::string_view::npos) {
      return FileError(path_, Field(), "is not two parts and a space");
    }
    file_.merges.emplace_back(event.text.substr(0, space), event.text.substr(space + 1));
    return absl::OkStatus();
  }

  absl::Status OnPart(const JsonEvent& event) {
    if (event.kind == Kind::kArrayEnd && parts_.size() == 2) {
      file_.merges.emplace_back(std::move(parts_[0]), std::move(parts_[1]));
      parts_.clear();
      in_pair_ = false;
      return absl::OkStatus();
    }
    if (event.kind != Kind::kString || parts_.size() == 2) {
      return FileError(path_, Field(), "is not two strings");
    }
    parts_.emplace_back(event.text);
    return absl::OkStatus();
  }

  const std::string& path_;
  HfTokenizerFile& file_;
  bool in_pair_ = false;
  std::vector<std::string> parts_;
};

template <typename ReadDocument>
absl::StatusOr<HfTokenizerFile> Read(const std::string& path, const ReadDocument& read) {
  HfTokenizerFile file;
  VocabularyHandler vocabulary(path, &file.vocabulary);
  MergesHandler merges(path, &file);
  const JsonDetour detours[] = {{{"model", "vocab"}, &vocabulary}, {{"model", "merges"}, &merges}};
  QUANTD_ASSIGN_OR_RETURN(file.document, read(detours));
  return file;
}

}  // namespace

absl::StatusOr<HfTokenizerFile> HfTokenizerFile::Open(const std::string& path) {
  return Read(path, [&](absl::Span<const JsonDetour> detours) {
    return JsonDocument::Open(path, kMaxBytes, detours);
  });
}

absl::StatusOr<HfTokenizerFile> HfTokenizerFile::Parse(absl::string_view text,
                                                       const std::string& name) {
  return Read(name, [&](absl::Span<const JsonDetour> detours) {
    return JsonDocument::Parse(text, name, detours);
  });
}

}  // namespace quantd
