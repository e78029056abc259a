#include "runtime/tokenizer/hf_tokens.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "kernels/base/status_macros.h"
#include "runtime/formats/file_error.h"

namespace quantd {
namespace {

constexpr char kVocabularyField[] = "model.vocab";
// Some published files leave a few ids to no token. Beyond as many as there are tokens, and these,
// an id is taken for a mistake: memory is spent for each.
constexpr size_t kSpareIds = 4096;
// Loading a token takes time quadratic in its length.
constexpr size_t kLongestToken = 1024;

std::string EntryName(const HfVocabulary& vocabulary, size_t entry) {
  if (vocabulary.scored) return absl::StrCat(kVocabularyField, "[", entry, "]");
  return absl::StrCat(kVocabularyField, ".", Printable(vocabulary.texts[entry]));
}

// Builds HfTokens from the file, then from the configuration.
class TokenCollector {
 public:
  TokenCollector(const HfTokenizerFile& file, size_t added)
      : vocabulary_(file.vocabulary),
        path_(file.document->path()),
        limit_(2 * (vocabulary_.texts.size() + added) + kSpareIds) {}

  absl::Status TakeVocabulary() {
    if (vocabulary_.texts.empty()) {
      return FileError(path_, kVocabularyField, "the vocabulary is empty");
    }
    for (size_t i = 0; i < vocabulary_.texts.size(); ++i) {
      const std::string& text = vocabulary_.texts[i];
      const int32_t id = vocabulary_.ids[i];
      if (text.size() > kLongestToken) {
        return FileError(
            path_, EntryName(vocabulary_, i),
            absl::StrCat("has ", text.size(), " bytes; at most ", kLongestToken, " are read"));
      }
      const std::string fault = Place(id, text, TokenType::kNormal);
      if (!fault.empty()) return FileError(path_, EntryName(vocabulary_, i), fault);
      tokens_.in_model.insert_or_assign(text, id);
    }
    tokens_.scores = vocabulary_.scores;
    return absl::OkStatus();
  }

  absl::Status AddOfFile(const JsonValue& object) {
    QUANTD_ASSIGN_OR_RETURN(HfAddedToken added, ReadHfAddedToken(object, std::nullopt));
    const auto in_model = tokens_.in_model.find(added.token.text);
    if (in_model != tokens_.in_model.end() && in_model->second != added.token.id) {
      return object.Error(absl::StrCat("has id ", added.token.id, ", but ", in_model->second,
                                       " in ", kVocabularyField));
    }
    if (seen_.contains(added.token.text)) {
      return object.Error(absl::StrCat("'", Printable(added.token.text), "' occurs twice"));
    }
    const std::string fault = Add(std::move(added));
    return fault.empty() ? absl::OkStatus() : object.Error(fault);
  }

  absl::Status AddOfConfig(const HfAddedToken& added) {
    if (seen_.contains(added.token.text)) return absl::OkStatus();
    const std::string fault = Add(added);
    if (fault.empty()) return absl::OkStatus();
    return FileError(
        path_, "added_tokens",
        absl::StrCat("'", Printable(added.token.text), "' of tokenizer_config.json ", fault));
  }

  HfTokens Take() { return std::move(tokens_); }

 private:
  // Gives `id` to a token, which may have it already. Returns what is wrong, or "".
  std::string Place(int32_t id, const std::string& text, TokenType type) {
    if (static_cast<size_t>(id) >= limit_) {
      return absl::StrCat("id ", id, " in a vocabulary of ", vocabulary_.texts.size(), " tokens");
    }
    if (static_cast<size_t>(id) >= tokens_.texts.size()) {
      tokens_.texts.resize(static_cast<size_t>(id) + 1);
      tokens_.types.resize(tokens_.texts.size(), TokenType::kUnused);
    }
    const bool taken = tokens_.types[id] != TokenType::kUnused;
    if (taken && (type == TokenType::kNormal || tokens_.texts[id] != text)) {
      return absl::StrCat("has id ", id, ", as '", Printable(tokens_.texts[id]), "' does");
    }
    tokens_.texts[id] = text;
    tokens_.types[id] = type;
    return "";
  }

  std::string Add(HfAddedToken added) {
    const TokenType type = added.token.control ? TokenType::kControl : TokenType::kUserDefined;
    std::string fault = Place(added.token.id, added.token.text, type);
    if (!fault.empty()) return fault;
    seen_.insert(added.token.text);
    tokens_.added.push_back(std::move(added));
    return fault;
  }

  const HfVocabulary& vocabulary_;
  const std::string& path_;
  const size_t limit_;  // of ids
  HfTokens tokens_;
  absl::flat_hash_set<std::string> seen_;  // texts of added tokens
};

}  // namespace

absl::StatusOr<HfAddedToken> ReadHfAddedToken(const JsonValue& object, std::optional<int32_t> id) {
  HfAddedToken added;
  SpecialToken& token = added.token;
  if (id.has_value()) {
    token.id = *id;
  } else {
    QUANTD_ASSIGN_OR_RETURN(const JsonValue value, object.At("id"));
    QUANTD_ASSIGN_OR_RETURN(const int64_t number,
                            value.Int(0, std::numeric_limits<int32_t>::max()));
    token.id = static_cast<int32_t>(number);
  }
  QUANTD_ASSIGN_OR_RETURN(const JsonValue content, object.At("content"));
  QUANTD_ASSIGN_OR_RETURN(const absl::string_view text, content.String());
  if (text.empty() || text.size() > kLongestToken) {
    return content.Error(
        absl::StrCat("has ", text.size(), " bytes; 1 to ", kLongestToken, " are read"));
  }
  token.text = std::string(text);
  QUANTD_ASSIGN_OR_RETURN(token.control, object.Bool("special", false));
  QUANTD_ASSIGN_OR_RETURN(token.single_word, object.Bool("single_word", false));
  QUANTD_ASSIGN_OR_RETURN(token.lstrip, object.Bool("lstrip", false));
  QUANTD_ASSIGN_OR_RETURN(token.rstrip, object.Bool("rstrip", false));
  QUANTD_ASSIGN_OR_RETURN(added.normalized, object.Bool("normalized", !token.control));
  return added;
}

absl::StatusOr<std::vector<HfAddedToken>> ReadAddedTokensDecoder(
    const std::optional<JsonValue>& decoder) {
  std::vector<HfAddedToken> tokens;
  if (!decoder.has_value()) return tokens;
  QUANTD_ASSIGN_OR_RETURN(const auto members, decoder->Members());
  for (const auto& [key, value] : members) {
    int32_t id = 0;
    if (!absl::SimpleAtoi(key, &id) || id < 0) {
      return decoder->Error(absl::StrCat("'", Printable(key), "' is no id"));
    }
    QUANTD_ASSIGN_OR_RETURN(HfAddedToken token, ReadHfAddedToken(value, id));
    tokens.push_back(std::move(token));
  }
  std::sort(tokens.begin(), tokens.end(),
            [](const HfAddedToken& a, const HfAddedToken& b) { return a.token.id < b.token.id; });
  return tokens;
}

std::optional<int32_t> HfTokens::Find(absl::string_view text) const {
  for (const HfAddedToken& other : added) {
    if (other.token.text == text) return other.token.id;
  }
  const auto found = in_model.find(text);
  if (found == in_model.end()) return std::nullopt;
  return found->second;
}

void HfTokens::MakeControl(int32_t id) {
  if (types[id] == TokenType::kControl) return;
  types[id] = TokenType::kControl;
  for (HfAddedToken& other : added) {
    if (other.token.id != id) continue;
    other.token.control = true;
    return;
  }
  added.push_back({.token = {.text = texts[id], .id = id, .control = true}});
}

absl::StatusOr<HfTokens> CollectHfTokens(const HfTokenizerFile& file,
                                         const std::vector<HfAddedToken>& more) {
  std::vector<JsonValue> objects;
  QUANTD_ASSIGN_OR_RETURN(const std::optional<JsonValue> list,
                          file.document->root().Find("added_tokens"));
  if (list.has_value()) {
    QUANTD_ASSIGN_OR_RETURN(objects, list->Elements());
  }
  TokenCollector collector(file, objects.size() + more.size());
  QUANTD_RETURN_IF_ERROR(collector.TakeVocabulary());
  for (const JsonValue& object : objects) QUANTD_RETURN_IF_ERROR(collector.AddOfFile(object));
  for (const HfAddedToken& added : more) QUANTD_RETURN_IF_ERROR(collector.AddOfConfig(added));
  return collector.Take();
}

}  // namespace quantd
