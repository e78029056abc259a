#include "server/yaml_reader.h"

#include <yaml-cpp/anchor.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <exception>
#include <sstream>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "kernels/base/status_macros.h"
#include "runtime/tokenizer/utf8.h"

// The only file that yaml-cpp's exceptions reach: ReadYaml turns them into a Status.

namespace quantd {
namespace {

constexpr size_t kShownBytes = 64;  // of a wrong key in an error

YamlPosition PositionOf(const YAML::Mark& mark) {
  if (mark.is_null()) return {};
  return {mark.line + 1, mark.column + 1};
}

YamlPosition PositionOfByte(absl::string_view text, size_t offset) {
  YamlPosition at;
  for (const char c : text.substr(0, offset)) {
    at.line += c == '\n';
    at.column = c == '\n' ? 1 : at.column + 1;
  }
  return at;
}

// What a handler throws through the parser.
struct Refused {
  YamlPosition at;
  std::string what;
};

// Builds the tree from the parser's events. Lists and maps that are not complete are on the stack.
class TreeBuilder : public YAML::EventHandler {
 public:
  YamlNode TakeRoot() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    throw Refused{PositionOf(mark), "aliases are not supported; write the value out"};
  }
  void OnAnchor(const YAML::Mark& mark, const std::string&) override {
    throw Refused{PositionOf(mark), "anchors are not supported; write the value out"};
  }
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    Finish(Make(YamlNode::Kind::kNull, mark, "", anchor));
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    YamlNode node = Make(YamlNode::Kind::kScalar, mark, tag, anchor);
    node.text = value;
    node.quoted = tag == "!";
    Finish(std::move(node));
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    Open(Make(YamlNode::Kind::kList, mark, tag, anchor));
  }
  void OnSequenceEnd() override { Close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    Open(Make(YamlNode::Kind::kMap, mark, tag, anchor));
  }
  void OnMapEnd() override { Close(); }

 private:
  struct Level {
    YamlNode node;
    bool has_key = false;  // of a map: the next value belongs to members.back()
    absl::flat_hash_set<std::string> keys;
  };

  static YamlNode Make(YamlNode::Kind kind, const YAML::Mark& mark, const std::string& tag,
                       YAML::anchor_t anchor) {
    const YamlPosition at = PositionOf(mark);
    if (anchor != 0) throw Refused{at, "anchors are not supported; write the value out"};
    if (!tag.empty() && tag != "?" && tag != "!") {
      throw Refused{at, "tags are not supported; leave the tag out"};
    }
    YamlNode node;
    node.kind = kind;
    node.at = at;
    return node;
  }

  void Open(YamlNode node) {
    if (stack_.size() >= static_cast<size_t>(kMaxYamlDepth)) {
      throw Refused{node.at, absl::StrCat("nested deeper than ", kMaxYamlDepth, " levels")};
    }
    if (!stack_.empty() && stack_.back().node.kind == YamlNode::Kind::kMap &&
        !stack_.back().has_key) {
      throw Refused{node.at, "a key must be a name"};
    }
    stack_.emplace_back().node = std::move(node);
  }

  void Close() {
    YamlNode node = std::move(stack_.back().node);
    stack_.pop_back();
    Finish(std::move(node));
  }

  // A complete node goes into the innermost open list or map.
  void Finish(YamlNode node) {
    if (stack_.empty()) {
      root_ = std::move(node);
      return;
    }
    Level& level = stack_.back();
    if (level.node.kind == YamlNode::Kind::kList) {
      level.node.items.push_back(std::move(node));
    } else if (level.has_key) {
      level.node.members.back().value = std::move(node);
      level.has_key = false;
    } else {
      AddKey(level, std::move(node));
    }
  }

  static void AddKey(Level& level, YamlNode key) {
    if (key.kind != YamlNode::Kind::kScalar) throw Refused{key.at, "a key must be a name"};
    if (!level.keys.insert(key.text).second) {
      throw Refused{
          key.at, absl::StrCat(absl::CHexEscape(absl::string_view(key.text).substr(0, kShownBytes)),
                               ": duplicate key; keep one of the two")};
    }
    level.node.members.push_back({std::move(key.text), key.at, {}});
    level.has_key = true;
  }

  YamlNode root_;
  std::vector<Level> stack_;
};

// Offset of the first ill-formed byte; npos when there is none.
size_t FindInvalidUtf8(absl::string_view text) {
  for (size_t i = 0; i < text.size();) {
    const Utf8Step step = NextUtf8(text.substr(i));
    if (!step.valid) return i;
    i += step.length;
  }
  return absl::string_view::npos;
}

// The scanner sits below the parser and does not mind control characters or broken UTF-8.
absl::Status CheckBytes(const std::string& text, const std::string& file) {
  if (text.size() > kMaxYamlBytes) {
    return YamlError(file, {}, absl::StrCat("larger than ", kMaxYamlBytes, " bytes"));
  }
  if (text.rfind("\xEF\xBB\xBF", 0) == 0) {
    return YamlError(file, {}, "starts with a byte order mark; save it as UTF-8 without one");
  }
  const size_t invalid = FindInvalidUtf8(text);
  if (invalid != absl::string_view::npos) {
    return YamlError(file, PositionOfByte(text, invalid), "invalid UTF-8");
  }
  const auto control = std::find_if(text.begin(), text.end(), [](unsigned char c) {
    return (c < 0x20 && c != '\n' && c != '\r' && c != '\t') || c == 0x7F;
  });
  if (control != text.end()) {
    return YamlError(file, PositionOfByte(text, control - text.begin()),
                     "NUL or another control character");
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status YamlError(const std::string& file, YamlPosition at, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(file, ":", at.line, ":", at.column, ": ", what));
}

absl::StatusOr<YamlNode> ReadYaml(const std::string& text, const std::string& file) {
  QUANTD_RETURN_IF_ERROR(CheckBytes(text, file));
  try {
    std::istringstream stream(text);
    YAML::Parser parser(stream);
    TreeBuilder first, second;
    if (!parser.HandleNextDocument(first)) return YamlNode{};
    if (parser.HandleNextDocument(second)) {
      return YamlError(file, second.TakeRoot().at, "a second document; keep one");
    }
    return first.TakeRoot();
  } catch (const Refused& refused) {
    return YamlError(file, refused.at, refused.what);
  } catch (const YAML::Exception& error) {
    return YamlError(file, PositionOf(error.mark), error.msg);
  } catch (const std::exception& error) {
    return YamlError(file, {}, error.what());
  }
}

}  // namespace quantd
