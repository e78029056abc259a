#include "server/cli/svg_chart.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "server/cli/output.h"

namespace quantd {
namespace {

// Everything in pixels.
constexpr double kWidth = 960, kMargin = 16, kPanelGap = 24;
constexpr size_t kColumns = 2;
constexpr double kPanelWidth = (kWidth - 2 * kMargin - (kColumns - 1) * kPanelGap) / kColumns;
constexpr double kLabelWidth = 112;    // of a group, left of the axis
constexpr double kBarLabelWidth = 48;  // right of the longest bar
constexpr double kPlotWidth = kPanelWidth - kLabelWidth - kBarLabelWidth;
constexpr double kBarPitch = 10, kBarHeight = 8, kGroupGap = 5;
constexpr double kTitleHeight = 26, kLineHeight = 18;
constexpr double kPanelTitleHeight = 24, kAxisHeight = 34;
constexpr double kLegendSwatch = 12, kCharWidth = 7;  // of 12 px text, about

// Colours that people with any colour vision tell apart, for a white and for a black page.
constexpr char kStyle[] = R"(<style>
text { font-family: system-ui, sans-serif; font-size: 12px; fill: #1f2328 }
.title { font-size: 17px; font-weight: 600 }
.panel { font-size: 13px; font-weight: 600 }
.bar { font-size: 9px }
.tick, .note { fill: #59636e }
.tick { font-size: 10px }
.page { fill: #ffffff }
.grid { stroke: #d1d9e0; stroke-width: 1 }
.reference { stroke: #1f2328; stroke-width: 1; stroke-dasharray: 4 3 }
.s0 { fill: #0072b2 }
.s1 { fill: #e69f00 }
.s2 { fill: #9aa4af }
@media (prefers-color-scheme: dark) {
text { fill: #f0f6fc }
.tick, .note { fill: #9198a1 }
.page { fill: #0d1117 }
.grid { stroke: #3d444d }
.reference { stroke: #f0f6fc }
.s0 { fill: #56b4e9 }
.s1 { fill: #e69f00 }
.s2 { fill: #6e7681 }
}
</style>
)";

double GroupHeight(const BarChart::Group& group) {
  return kGroupGap + kBarPitch * static_cast<double>(std::max<size_t>(group.bars.size(), 1));
}

double PlotHeight(const BarChart::Panel& panel) {
  double height = kGroupGap;
  for (const BarChart::Group& group : panel.groups) height += GroupHeight(group);
  return height;
}

double PanelHeight(const BarChart::Panel& panel) {
  return kPanelTitleHeight + PlotHeight(panel) + kAxisHeight;
}

/// Appends the elements of a chart to a document.
class Renderer {
 public:
  explicit Renderer(const BarChart& chart) : chart_(chart) {}

  std::string Render() {
    double y = kMargin;
    Header(&y);
    Legend(&y);
    for (size_t first = 0; first < chart_.panels.size(); first += kColumns) {
      double height = 0;
      for (size_t i = first; i < std::min(first + kColumns, chart_.panels.size()); ++i) {
        const double x = kMargin + static_cast<double>(i - first) * (kPanelWidth + kPanelGap);
        Panel(chart_.panels[i], x, y);
        height = std::max(height, PanelHeight(chart_.panels[i]));
      }
      y += height;
    }
    const std::string size = absl::StrFormat("%.0f %.0f", kWidth, y + kMargin);
    return absl::StrCat(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 ", size,
        "\" width=\"960\" role=\"img\">\n<title>", EscapeXml(chart_.title), "</title>\n", kStyle,
        "<rect class=\"page\" width=\"100%\" height=\"100%\"/>\n", body_, "</svg>\n");
  }

 private:
  void Text(double x, double y, const char* style, const char* anchor, absl::string_view text) {
    absl::StrAppendFormat(&body_,
                          "<text x=\"%.1f\" y=\"%.1f\" class=\"%s\" text-anchor=\"%s\">%s</text>\n",
                          x, y, style, anchor, EscapeXml(text));
  }

  void VerticalLine(double x, double top, double bottom, const char* style) {
    absl::StrAppendFormat(&body_,
                          "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" class=\"%s\"/>\n",
                          x, top, x, bottom, style);
  }

  void Rectangle(double x, double y, double width, double height, size_t series,
                 absl::string_view details) {
    absl::StrAppendFormat(
        &body_, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" class=\"s%d\"", x, y,
        width, height, series);
    if (details.empty()) {
      body_ += "/>\n";
    } else {
      absl::StrAppend(&body_, "><title>", EscapeXml(details), "</title></rect>\n");
    }
  }

  void Header(double* y) {
    Text(kMargin, *y + 16, "title", "start", chart_.title);
    *y += kTitleHeight;
    for (const std::string& line : chart_.subtitle) {
      Text(kMargin, *y + 12, "note", "start", line);
      *y += kLineHeight;
    }
  }

  void Legend(double* y) {
    double x = kMargin;
    for (size_t i = 0; i < chart_.series.size(); ++i) {
      Rectangle(x, *y + 3, kLegendSwatch, kLegendSwatch, i, "");
      x += kLegendSwatch + 5;
      Text(x, *y + 13, "legend", "start", chart_.series[i].name);
      x += static_cast<double>(chart_.series[i].name.size()) * kCharWidth + 20;
    }
    *y += kLineHeight + 10;
  }

  void Panel(const BarChart::Panel& panel, double x, double y) {
    const double left = x + kLabelWidth, top = y + kPanelTitleHeight;
    const double bottom = top + PlotHeight(panel);
    double most = chart_.reference;
    for (const BarChart::Group& group : panel.groups) {
      for (const BarChart::Bar& bar : group.bars) {
        if (std::isfinite(bar.value)) most = std::max(most, bar.value);
      }
    }
    if (most <= 0) most = 1;
    const double scale = kPlotWidth / most;
    Text(left, y + 15, "panel", "start", panel.title);
    Axis(left, top, bottom, most, scale);
    if (chart_.reference > 0) {
      VerticalLine(left + chart_.reference * scale, top, bottom, "reference");
    }
    double at = top + kGroupGap;
    for (const BarChart::Group& group : panel.groups) {
      Group(group, left, at, scale);
      at += GroupHeight(group);
    }
  }

  void Axis(double left, double top, double bottom, double most, double scale) {
    const double step = TickStep(most);
    for (int i = 0; i * step <= most * 1.0001; ++i) {
      VerticalLine(left + i * step * scale, top, bottom, "grid");
      Text(left + i * step * scale, bottom + 12, "tick", "middle", absl::StrFormat("%g", i * step));
    }
    Text(left + kPlotWidth / 2, bottom + 25, "tick", "middle", chart_.axis);
  }

  void Group(const BarChart::Group& group, double left, double y, double scale) {
    const double height = GroupHeight(group) - kGroupGap;
    Text(left - 6, y + height / 2 + 4, "label", "end", group.label);
    for (const BarChart::Bar& bar : group.bars) {
      if (std::isfinite(bar.value)) {
        const double width = std::max(bar.value, 0.0) * scale;
        Rectangle(left, y + 1, width, kBarHeight, bar.series, bar.details);
        Text(left + width + 3, y + kBarHeight, "bar", "start", bar.label);
      }
      y += kBarPitch;
    }
  }

  const BarChart& chart_;
  std::string body_;
};

}  // namespace

std::string EscapeXml(absl::string_view text) {
  return absl::StrReplaceAll(EscapeText(text), {{"&", "&amp;"},
                                                {"<", "&lt;"},
                                                {">", "&gt;"},
                                                {"\"", "&quot;"},
                                                {"'", "&#39;"},
                                                // U+FFFE and U+FFFF are UTF-8 but not XML.
                                                {"\xef\xbf\xbe", "\xef\xbf\xbd"},
                                                {"\xef\xbf\xbf", "\xef\xbf\xbd"}});
}

double TickStep(double most) {
  const double magnitude = std::pow(10.0, std::floor(std::log10(most)));
  for (const double factor : {0.2, 0.5, 1.0}) {
    if (most / (factor * magnitude) < 6) return factor * magnitude;
  }
  return 2 * magnitude;
}

std::string RenderSvg(const BarChart& chart) { return Renderer(chart).Render(); }

}  // namespace quantd
