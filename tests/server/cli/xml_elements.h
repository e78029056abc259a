#ifndef QUANTD_TESTS_SERVER_CLI_XML_ELEMENTS_H_
#define QUANTD_TESTS_SERVER_CLI_XML_ELEMENTS_H_

#include <cstdlib>
#include <map>
#include <regex>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace quantd {

/// An element of an XML document, with the text directly inside it, entities resolved.
struct XmlElement {
  std::string name;
  std::map<std::string, std::string> attributes;
  std::string text;

  std::string Get(const std::string& attribute) const {
    const auto it = attributes.find(attribute);
    return it == attributes.end() ? "" : it->second;
  }
  double Number(const std::string& attribute) const {
    return std::strtod(Get(attribute).c_str(), nullptr);
  }
};

/// `text` with its entities resolved; fails the test at a character that had to be one.
inline std::string ResolveEntities(std::string text) {
  EXPECT_EQ(text.find_first_of("<>"), std::string::npos) << text;
  EXPECT_FALSE(std::regex_search(text, std::regex("&(?!(amp|lt|gt|quot|#39);)"))) << text;
  const std::pair<const char*, const char*> entities[] = {
      {"&lt;", "<"}, {"&gt;", ">"}, {"&quot;", "\""}, {"&#39;", "'"}, {"&amp;", "&"}};
  for (const auto& [entity, character] : entities) {
    text = std::regex_replace(text, std::regex(entity), character);
  }
  return text;
}

/// The elements of a document in the order in which they begin. Fails the test, and returns
/// nothing, where it is not well-formed XML of elements, attributes in double quotes and text: all
/// that a chart needs.
inline std::vector<XmlElement> ParseXml(const std::string& document) {
  static const std::regex tag(R"re(<(/?)([A-Za-z]+)((?:\s+[A-Za-z0-9:-]+="[^"<]*")*)\s*(/?)>)re");
  static const std::regex attribute(R"re(([A-Za-z0-9:-]+)="([^"]*)")re");
  std::vector<XmlElement> elements;
  std::vector<size_t> open;
  size_t end = 0;
  for (std::sregex_iterator it(document.begin(), document.end(), tag), last; it != last; ++it) {
    const std::smatch& match = *it;
    const std::string text = document.substr(end, match.position() - end);
    end = match.position() + match.length();
    if (!open.empty()) elements[open.back()].text += ResolveEntities(text);
    if (match[1] == "/") {
      if (open.empty() || elements[open.back()].name != match[2]) {
        ADD_FAILURE() << "unexpected " << match.str();
        return {};
      }
      open.pop_back();
      continue;
    }
    if (open.empty() && !elements.empty()) {
      ADD_FAILURE() << "a second root: " << match.str();
      return {};
    }
    XmlElement element{match[2], {}, ""};
    const std::string attributes = match[3];
    for (std::sregex_iterator a(attributes.begin(), attributes.end(), attribute); a != last; ++a) {
      EXPECT_TRUE(element.attributes.emplace((*a)[1], ResolveEntities((*a)[2])).second);
    }
    elements.push_back(element);
    if (match[4] != "/") open.push_back(elements.size() - 1);
  }
  EXPECT_TRUE(open.empty()) << "an element is not closed";
  EXPECT_EQ(document.substr(end), "\n");
  return open.empty() ? elements : std::vector<XmlElement>{};
}

}  // namespace quantd

#endif  // QUANTD_TESTS_SERVER_CLI_XML_ELEMENTS_H_
