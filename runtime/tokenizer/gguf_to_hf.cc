#include "runtime/tokenizer/gguf_to_hf.h"

#include <algorithm>
#include <array>
#include <memory>
#include <tuple>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "kernels/base/status_macros.h"
#include "nlohmann/json.hpp"
#include "runtime/formats/file_error.h"
#include "runtime/tokenizer/byte_alphabet.h"
#include "runtime/tokenizer/gguf_tokenizer_keys.h"
#include "runtime/tokenizer/pre_tokenizer_rules.h"
#include "runtime/tokenizer/tokenizer.h"
#include "runtime/tokenizer/utf8.h"
#include "runtime/tokenizer/vocabulary.h"
#include "runtime/tokenizer/vocabulary_parts.h"

namespace quantd {
namespace {

using Json = nlohmann::ordered_json;

constexpr char kWordStart[] = "\xE2\x96\x81";  // U+2581
constexpr size_t kBytes = 256;

std::string Quoted(absl::string_view text) { return Json(std::string(text)).dump(); }

Json Replace(const char* from, const char* to) {
  return {{"type", "Replace"}, {"pattern", {{"String", from}}}, {"content", to}};
}

Json Sequence(const char* parts, Json list) {
  return {{"type", "Sequence"}, {parts, std::move(list)}};
}

Json ByteLevel(bool trim_offsets) {
  return {{"type", "ByteLevel"},
          {"add_prefix_space", false},
          {"trim_offsets", trim_offsets},
          {"use_regex", false}};
}

class Converter {
 public:
  explicit Converter(const GgufFile& file) : file_(file) {}

  absl::StatusOr<HfTokenizerText> Convert() {
    QUANTD_ASSIGN_OR_RETURN(const auto model, file_.OptionalString(gguf_tokenizer::kModel));
    model_ = model.value_or(gguf_tokenizer::kModelNone);
    if (model_ == gguf_tokenizer::kModelNone) return OfNone();
    const bool bytes = model_ == gguf_tokenizer::kModelMerges;
    QUANTD_ASSIGN_OR_RETURN(tokenizer_, Tokenizer::FromGguf(file_));
    if (!bytes && model_ != gguf_tokenizer::kModelScores) {
      return UnsupportedError(
          file_.path(), gguf_tokenizer::kModel,
          absl::StrCat("\"", Printable(model_), "\" is not written to a tokenizer.json; \"",
                       gguf_tokenizer::kModelMerges, "\" and \"", gguf_tokenizer::kModelScores,
                       "\" are"));
    }
    QUANTD_ASSIGN_OR_RETURN(vocabulary_, ReadVocabulary(file_));
    QUANTD_ASSIGN_OR_RETURN(
        out_.padding, ReadTokenId(file_, gguf_tokenizer::kPaddingId, vocabulary_.texts.size()));
    out_.bos = tokenizer_->bos();
    out_.eos = tokenizer_->eos();
    out_.end_ids = tokenizer_->end_ids();
    QUANTD_RETURN_IF_ERROR(NameTokens());
    QUANTD_RETURN_IF_ERROR(bytes ? ConvertBytes() : ConvertCharacters());
    WriteConfig();
    return std::move(out_);
  }

 private:
  absl::StatusOr<HfTokenizerText> OfNone() {
    constexpr size_t kAny = size_t{1} << 31;
    QUANTD_ASSIGN_OR_RETURN(out_.bos, ReadTokenId(file_, gguf_tokenizer::kBosId, kAny));
    QUANTD_ASSIGN_OR_RETURN(out_.eos, ReadTokenId(file_, gguf_tokenizer::kEosId, kAny));
    if (out_.eos) out_.end_ids.push_back(*out_.eos);
    Note(gguf_tokenizer::kModel, "the file holds no tokenizer; the output takes token ids only");
    return std::move(out_);
  }

  void Note(absl::string_view field, absl::string_view what) {
    out_.notes.push_back(absl::StrCat(file_.path(), ": ", field, ": ", what));
  }

  TokenType type(int32_t id) const { return vocabulary_.types[static_cast<size_t>(id)]; }
  int32_t size() const { return static_cast<int32_t>(names_.size()); }
  static std::string Unused(int32_t id) { return absl::StrCat("[PAD", id, "]"); }

  /// The text of a token as a tokenizer.json has it.
  std::string Name(int32_t id) const {
    const std::string text(vocabulary_.texts[static_cast<size_t>(id)]);
    const bool spelled = type(id) == TokenType::kNormal || type(id) == TokenType::kUnused;
    if (model_ != gguf_tokenizer::kModelScores) return text;
    // What is cut out of texts stands in them with spaces, what is merged with U+2581.
    if (type(id) == TokenType::kUserDefined) return absl::StrReplaceAll(text, {{kWordStart, " "}});
    return spelled ? absl::StrReplaceAll(text, {{" ", kWordStart}}) : text;
  }

  /// Gives every token a text of its own, without the unused ids behind the last token.
  absl::Status NameTokens() {
    size_t count = vocabulary_.texts.size();
    while (count > 0 && type(static_cast<int32_t>(count - 1)) == TokenType::kUnused) --count;
    std::vector<std::string> doubles;
    for (int32_t id = 0; id < static_cast<int32_t>(count); ++id) {
      std::string name = Name(id);
      if (!IsUtf8(name)) {
        return UnsupportedError(file_.path(), gguf_tokenizer::kTokens,
                                absl::StrCat("token ", id, " is no UTF-8, as JSON must be"));
      }
      if (name.empty() || ids_.contains(name)) {
        if (!name.empty() && type(id) != TokenType::kUnused) doubles.push_back(absl::StrCat(id));
        name = Unused(id);
        while (ids_.contains(name)) name += '_';
      }
      ids_.emplace(name, id);
      names_.push_back(std::move(name));
    }
    if (doubles.empty()) return absl::OkStatus();
    Note(gguf_tokenizer::kTokens,
         absl::StrCat("tokens have the text of others, which a tokenizer.json cannot say; they "
                      "are decoded as [PADn]: ",
                      doubles[0], doubles.size() > 1 ? ", ..." : ""));
    return absl::OkStatus();
  }

  /// Tokens that are cut out of texts.
  bool IsAdded(int32_t id) const {
    return type(id) == TokenType::kControl || type(id) == TokenType::kUserDefined ||
           id == vocabulary_.unknown;
  }

  Json AddedToken(int32_t id) const {
    return {{"content", names_[static_cast<size_t>(id)]},
            {"single_word", false},
            {"lstrip", false},
            {"rstrip", false},
            {"normalized", false},
            {"special", type(id) != TokenType::kUserDefined}};
  }

  /// Puts the parts together, by hand, since vocabulary and merges are long.
  void WriteJson(const Json& normalizer, const Json& pre_tokenizer, const Json& post_processor,
                 const Json& decoder, const Json& model, const std::string& merges) {
    Json added = Json::array();
    for (int32_t id = 0; id < size(); ++id) {
      if (!IsAdded(id)) continue;
      Json& token = added.emplace_back(Json{{"id", id}});
      token.update(AddedToken(id));
    }
    std::string& text = out_.tokenizer_json;
    text = "{\"version\": \"1.0\",\n\"truncation\": null,\n\"padding\": null,\n\"added_tokens\": [";
    const char* separator = "\n";
    for (const Json& token : added) {
      absl::StrAppend(&text, separator, token.dump());
      separator = ",\n";
    }
    absl::StrAppend(&text, "],\n\"normalizer\": ", normalizer.dump(),
                    ",\n\"pre_tokenizer\": ", pre_tokenizer.dump(),
                    ",\n\"post_processor\": ", post_processor.dump(),
                    ",\n\"decoder\": ", decoder.dump(), ",\n\"model\": ", model.dump());
    text.pop_back();  // the brace
    absl::StrAppend(&text, ",\n\"vocab\": {");
    separator = "\n";
    for (int32_t id = 0; id < size(); ++id) {
      absl::StrAppend(&text, separator, Quoted(names_[static_cast<size_t>(id)]), ": ", id);
      separator = ",\n";
    }
    absl::StrAppend(&text, "},\n\"merges\": [", merges, "]}}\n");
  }

  static void AddMerge(absl::string_view left, absl::string_view right, std::string* merges) {
    absl::StrAppend(merges, merges->empty() ? "\n" : ",\n", Quoted(absl::StrCat(left, " ", right)));
  }

  Json Model(bool byte_fallback, bool whole_words) const {
    Json model = {{"type", "BPE"},
                  {"dropout", nullptr},
                  {"unk_token", nullptr},
                  {"continuing_subword_prefix", nullptr},
                  {"end_of_word_suffix", nullptr},
                  {"fuse_unk", true},
                  {"byte_fallback", byte_fallback},
                  {"ignore_merges", whole_words}};
    if (vocabulary_.unknown) model["unk_token"] = names_[static_cast<size_t>(*vocabulary_.unknown)];
    return model;
  }

  /// BOS before and EOS behind a text, where that is the default; null: neither.
  Json Frame() const {
    const bool bos = tokenizer_->default_add_bos() && out_.bos;
    const bool eos = tokenizer_->default_add_eos() && out_.eos;
    if (!bos && !eos) return nullptr;
    Json special = Json::object();
    const auto token = [&](int32_t id, int kind) -> Json {
      const std::string& name = names_[static_cast<size_t>(id)];
      special[name] = {{"id", name}, {"ids", {id}}, {"tokens", {name}}};
      return {{"SpecialToken", {{"id", name}, {"type_id", kind}}}};
    };
    const auto framed = [&](const char* text, int kind, Json* list) {
      if (bos) list->push_back(token(*out_.bos, kind));
      list->push_back({{"Sequence", {{"id", text}, {"type_id", kind}}}});
      if (eos) list->push_back(token(*out_.eos, kind));
    };
    Json single = Json::array(), pair = Json::array();
    framed("A", 0, &single);
    framed("A", 0, &pair);
    framed("B", 1, &pair);
    return {{"type", "TemplateProcessing"},
            {"single", std::move(single)},
            {"pair", std::move(pair)},
            {"special_tokens", std::move(special)}};
  }

  // --- Byte-level BPE ---

  absl::Status ConvertBytes() {
    const PreTokenizerRule* rule = FindPreTokenizerRule(tokenizer_->pre_name());
    Json steps = Json::array();
    for (const char* pattern : rule->patterns) {
      steps.push_back({{"type", "Split"},
                       {"pattern", {{"Regex", pattern}}},
                       {"behavior", "Isolated"},
                       {"invert", false}});
    }
    steps.push_back(ByteLevel(true));
    Json post_processor = ByteLevel(false);
    if (Json frame = Frame(); !frame.is_null()) {
      post_processor = Sequence("processors", {std::move(post_processor), std::move(frame)});
    }
    NoteMissingBytes();
    NoteDecoding();
    QUANTD_ASSIGN_OR_RETURN(const GgufArray* list,
                            file_.OptionalStringArray(gguf_tokenizer::kMerges));
    std::string merges;
    for (const absl::string_view merge : list->strings) {
      const size_t space = merge.find(' ', 1);
      const absl::string_view left = merge.substr(0, space), right = merge.substr(space + 1);
      const auto result = ids_.find(absl::StrCat(left, right));
      // Control tokens never come out of text; others are there, or the file had not been read.
      if (result == ids_.end() || type(result->second) == TokenType::kControl) continue;
      AddMerge(left, right, &merges);
    }
    WriteJson(nullptr, Sequence("pretokenizers", std::move(steps)), post_processor, ByteLevel(true),
              Model(/*byte_fallback=*/false, rule->whole_words), merges);
    return absl::OkStatus();
  }

  /// Texts with a byte that has no token lose it, or get the unknown token.
  void NoteMissingBytes() {
    int missing = 0;
    for (size_t byte = 0; byte < kBytes; ++byte) {
      std::string spelled;
      AppendSpelledBytes(std::string(1, static_cast<char>(byte)), &spelled);
      const auto found = ids_.find(spelled);
      missing += found == ids_.end() || type(found->second) != TokenType::kNormal;
    }
    // No UTF-8 has 13 of the bytes.
    constexpr int kNeverThere = 13;
    if (missing <= kNeverThere) return;
    Note(
        gguf_tokenizer::kTokens,
        absl::StrCat(missing, " bytes have no token; texts with them lose them in other programs"));
  }

  /// Readers of a folder take every token for spelled in the alphabet of bytes, if it can be.
  void NoteDecoding() {
    for (int32_t id = 0; id < size(); ++id) {
      const std::string& text = names_[static_cast<size_t>(id)];
      if (type(id) != TokenType::kUserDefined) continue;
      const std::optional<std::string> bytes = BytesOfStrictSpelling(text);
      if (!bytes || *bytes == text) continue;
      Note(gguf_tokenizer::kTokens, absl::StrCat("user-defined tokens such as '", Printable(text),
                                                 "' are decoded as bytes by readers of a folder"));
      return;
    }
  }

  // --- BPE by scores ---

  bool IsPiece(int32_t id) const {
    return type(id) == TokenType::kNormal && !vocabulary_.texts[static_cast<size_t>(id)].empty();
  }

  absl::Status ConvertCharacters() {
    const std::array<int32_t, kBytes> bytes = ByteTokens(vocabulary_);
    const auto known =
        std::count_if(bytes.begin(), bytes.end(), [](int32_t id) { return id >= 0; });
    if (known != 0 && known != static_cast<int64_t>(kBytes)) {
      return UnsupportedError(file_.path(), gguf_tokenizer::kTokens,
                              "has tokens for some bytes only, which a tokenizer.json cannot say");
    }
    QUANTD_ASSIGN_OR_RETURN(const std::optional<bool> add_space,
                            file_.OptionalBool(gguf_tokenizer::kAddSpacePrefix));
    const bool prefix = add_space.value_or(true);
    if (SymbolOf(kWordStart) == -1) {
      Note(gguf_tokenizer::kTokens, "U+2581 is no token; spaces get other tokens in a folder");
    }
    Json normalizer = Replace(" ", kWordStart);
    Json decoders = {Replace(kWordStart, " "), {{"type", "ByteFallback"}}, {{"type", "Fuse"}}};
    if (prefix) {
      normalizer = Sequence(
          "normalizers", {{{"type", "Prepend"}, {"prepend", kWordStart}}, std::move(normalizer)});
      decoders.push_back({{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}});
      NoteUserDefined();
    }
    WriteJson(normalizer, nullptr, Frame(), Sequence("decoders", std::move(decoders)),
              Model(known != 0, /*whole_words=*/false), MergesOfScores());
    return absl::OkStatus();
  }

  void NoteUserDefined() {
    const auto& types = vocabulary_.types;
    const auto found = std::find(types.begin(), types.end(), TokenType::kUserDefined);
    if (found == types.end()) return;
    const size_t id = static_cast<size_t>(found - types.begin());
    Note(gguf_tokenizer::kAddSpacePrefix,
         absl::StrCat("in a folder, text that follows a user-defined token, such as '",
                      Printable(vocabulary_.texts[id]), "', gets a space in front too"));
  }

  /// A token may be made of any two that it can be cut into, the best first.
  std::string MergesOfScores() {
    struct Merge {
      float score;
      int32_t result, left, right;
    };
    std::vector<Merge> merges;
    std::string impossible;
    for (int32_t id = 0; id < size(); ++id) {
      if (!IsPiece(id)) continue;
      const absl::string_view text = names_[static_cast<size_t>(id)];
      for (size_t cut = NextUtf8(text).length; cut < text.size();
           cut += NextUtf8(text.substr(cut)).length) {
        const std::optional<int32_t> left = SymbolOf(text.substr(0, cut));
        const std::optional<int32_t> right = SymbolOf(text.substr(cut));
        if (!left || !right) continue;
        if (*left < 0 || *right < 0) {
          impossible = names_[static_cast<size_t>(id)];
          continue;
        }
        merges.push_back({vocabulary_.scores[static_cast<size_t>(id)], id, *left, *right});
      }
    }
    std::sort(merges.begin(), merges.end(), [](const Merge& a, const Merge& b) {
      if (a.score != b.score) return a.score > b.score;
      return std::tie(a.result, a.left, a.right) < std::tie(b.result, b.left, b.right);
    });
    if (!impossible.empty()) {
      Note(gguf_tokenizer::kTokens,
           absl::StrCat("'", Printable(impossible),
                        "' is made of a character that is no token, which merges of a "
                        "tokenizer.json cannot say; texts with it may get other tokens"));
    }
    std::string text;
    for (const Merge& merge : merges) {
      AddMerge(names_[static_cast<size_t>(merge.left)], names_[static_cast<size_t>(merge.right)],
               &text);
    }
    return text;
  }

  /// The token that a part of a token is; -1: a character that is none; nothing: no such part.
  std::optional<int32_t> SymbolOf(absl::string_view part) const {
    const auto found = ids_.find(part);
    if (found != ids_.end() && IsPiece(found->second)) return found->second;
    if (NextUtf8(part).length == part.size()) return -1;
    return std::nullopt;
  }

  // --- tokenizer_config.json ---

  void WriteConfig() {
    Json config = {{"tokenizer_class", "PreTrainedTokenizerFast"},
                   {"clean_up_tokenization_spaces", false}};
    config["add_bos_token"] = tokenizer_->default_add_bos();
    config["add_eos_token"] = tokenizer_->default_add_eos();
    const std::pair<const char*, std::optional<int32_t>> named[] = {
        {"bos_token", out_.bos},
        {"eos_token", out_.eos},
        {"unk_token", vocabulary_.unknown},
        {"pad_token", out_.padding}};
    for (const auto& [key, id] : named) {
      const bool there = id && *id < size();
      if (there) config[key] = names_[static_cast<size_t>(*id)];
    }
    Json added = Json::object();
    for (int32_t id = 0; id < size(); ++id) {
      if (IsAdded(id)) added.push_back({absl::StrCat(id), AddedToken(id)});
    }
    config["added_tokens_decoder"] = std::move(added);
    out_.tokenizer_config = config.dump();
  }

  const GgufFile& file_;
  absl::string_view model_;
  std::unique_ptr<Tokenizer> tokenizer_;
  Vocabulary vocabulary_;
  std::vector<std::string> names_;                 ///< by id
  absl::flat_hash_map<std::string, int32_t> ids_;  ///< by name
  HfTokenizerText out_;
};

}  // namespace

absl::StatusOr<HfTokenizerText> GgufToHf(const GgufFile& file) { return Converter(file).Convert(); }

}  // namespace quantd
