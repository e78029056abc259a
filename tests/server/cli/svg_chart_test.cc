#include "server/cli/svg_chart.h"

#include <cmath>
#include <limits>
#include <regex>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "tests/server/cli/xml_elements.h"

namespace quantd {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

BarChart Example() {
  BarChart chart;
  chart.title = "Speed";
  chart.subtitle = {"one machine"};
  chart.axis = "times F16";
  chart.reference = 1;
  chart.series = {{"fast"}, {"slow"}, {"naive"}};
  BarChart::Group q4{"Q4_0", {{0, 4, "4.0", "100 tokens/s"}, {2, 0.5, "0.5", ""}}};
  BarChart::Group f16{"F16", {{1, 1, "1.0", ""}}};
  chart.panels = {{"decode", {q4, f16}}, {"prefill", {{"Q4_0", {{0, 2, "2.0", ""}}}}}};
  return chart;
}

std::vector<XmlElement> Bars(const std::string& svg, const std::string& style) {
  std::vector<XmlElement> bars;
  for (const XmlElement& element : ParseXml(svg)) {
    if (element.name == "rect" && element.Get("class") == style) bars.push_back(element);
  }
  return bars;
}

TEST(SvgChart, IsWellFormedWithEverythingThatWasGiven) {
  const std::string svg = RenderSvg(Example());
  std::vector<std::string> texts;
  for (const XmlElement& element : ParseXml(svg)) texts.push_back(element.text);
  for (const char* expected : {"Speed", "one machine", "times F16", "fast", "slow", "naive",
                               "decode", "prefill", "Q4_0", "F16", "4.0", "0.5", "100 tokens/s"}) {
    EXPECT_THAT(texts, testing::Contains(expected));
  }
  EXPECT_THAT(svg, HasSubstr("prefers-color-scheme: dark"));
}

TEST(SvgChart, BarsAreAsLongAsTheirValuesWithinAPanel) {
  const std::string svg = RenderSvg(Example());
  // The first of each colour is the legend's.
  const auto fast = Bars(svg, "s0"), slow = Bars(svg, "s1"), naive = Bars(svg, "s2");
  ASSERT_EQ(fast.size(), 3u);
  ASSERT_EQ(slow.size(), 2u);
  ASSERT_EQ(naive.size(), 2u);
  const double unit = fast[1].Number("width") / 4;
  EXPECT_NEAR(slow[1].Number("width"), unit, 0.1);
  EXPECT_NEAR(naive[1].Number("width"), unit / 2, 0.1);
  // The longest bar of each panel fills it.
  EXPECT_EQ(fast[2].Number("width"), fast[1].Number("width"));
  EXPECT_EQ(fast[1].Number("x"), slow[1].Number("x"));
  EXPECT_GT(fast[2].Number("x"), fast[1].Number("x") + fast[1].Number("width"));
}

TEST(SvgChart, TheReferenceIsWhereABarOfItsLengthEnds) {
  const std::string svg = RenderSvg(Example());
  const XmlElement bar = Bars(svg, "s1")[1];
  std::vector<double> lines;
  for (const XmlElement& element : ParseXml(svg)) {
    if (element.Get("class") == "reference") lines.push_back(element.Number("x1"));
  }
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_NEAR(lines[0], bar.Number("x") + bar.Number("width"), 0.11);
}

TEST(SvgChart, NothingLiesOutsideOfThePage) {
  BarChart chart = Example();
  for (int i = 0; i < 30; ++i) chart.panels[1].groups.push_back(chart.panels[0].groups[0]);
  const auto elements = ParseXml(RenderSvg(chart));
  double height = 0;
  ASSERT_EQ(std::sscanf(elements[0].Get("viewBox").c_str(), "0 0 960 %lf", &height), 1);
  for (const XmlElement& element : elements) {
    if (element.name != "rect" || element.Get("class") == "page") continue;
    EXPECT_LE(element.Number("x") + element.Number("width"), 960);
    EXPECT_LE(element.Number("y") + element.Number("height"), height);
  }
}

TEST(SvgChart, ValuesThatAreNoLengthsDrawNothing) {
  BarChart chart = Example();
  chart.panels = {
      {"p",
       {{"a", {{0, NAN, "nan", ""}, {0, INFINITY, "inf", ""}, {0, 0, "0", ""}}}, {"empty", {}}}}};
  const auto bars = Bars(RenderSvg(chart), "s0");
  ASSERT_EQ(bars.size(), 2u);
  EXPECT_EQ(bars[1].Number("width"), 0);
  chart.reference = 0;
  chart.panels[0].groups.clear();
  EXPECT_FALSE(ParseXml(RenderSvg(chart)).empty());
}

TEST(SvgChart, UntrustedTextIsEscaped) {
  BarChart chart = Example();
  const std::string evil = "<script>&\"'\x1b\xff\xef\xbf\xbf";
  chart.title = evil;
  chart.panels[0].groups[0].label = evil;
  chart.panels[0].groups[0].bars[0].details = evil;
  const std::string svg = RenderSvg(chart);
  EXPECT_THAT(svg, Not(HasSubstr("<script")));
  EXPECT_FALSE(ParseXml(svg).empty());
  EXPECT_EQ(EscapeXml("a<b>&\"'"), "a&lt;b&gt;&amp;&quot;&#39;");
  EXPECT_EQ(EscapeXml("\x1b\xff"), "\\x1b\\xff");
  EXPECT_EQ(EscapeXml("\xef\xbf\xbf"), "\xef\xbf\xbd");
}

TEST(SvgChart, TicksAreRoundNumbersAndNotMany) {
  EXPECT_EQ(TickStep(1), 0.2);
  EXPECT_EQ(TickStep(4), 1);
  EXPECT_EQ(TickStep(7), 2);
  EXPECT_EQ(TickStep(20), 5);
  for (double most = 0.01; most < 1000; most *= 1.07) {
    const double count = std::floor(most / TickStep(most) * 1.0001);
    EXPECT_GE(count, 2) << most;
    EXPECT_LE(count, 5) << most;
  }
}

}  // namespace
}  // namespace quantd
