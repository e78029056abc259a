#ifndef QUANTD_SERVER_CLI_SVG_CHART_H_
#define QUANTD_SERVER_CLI_SVG_CHART_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace quantd {

/// A chart of horizontal bars: panels beside and below one another, each with groups of bars under
/// a label. Plain values.
struct BarChart {
  /// What a colour stands for. At most 3.
  struct Series {
    std::string name;
  };
  struct Bar {
    size_t series = 0;    ///< index into BarChart::series
    double value = 0;     ///< >= 0; a value that is not finite is drawn as no bar
    std::string label;    ///< at the bar's end: "1.9"
    std::string details;  ///< shown where the pointer rests; may be empty
  };
  struct Group {
    std::string label;
    std::vector<Bar> bars;  ///< may be empty: the label stands alone
  };
  struct Panel {
    std::string title;
    std::vector<Group> groups;
  };

  std::string title;
  std::vector<std::string> subtitle;  ///< lines
  std::string axis;                   ///< what the bars' lengths mean
  double reference = 0;               ///< a line is drawn here; 0 = none
  std::vector<Series> series;
  std::vector<Panel> panels;
};

/// The chart as an SVG document that needs nothing else, no font, script or style sheet; dark where
/// the reader prefers that. Each panel has a scale of its own.
std::string RenderSvg(const BarChart& chart);

/// `text` as the content of an XML element or attribute; what no XML document may hold (control
/// characters, bytes that are no UTF-8) as EscapeText shows it.
std::string EscapeXml(absl::string_view text);

/// Distance between the ticks of an axis from 0 to `most` > 0, so that there are 2 to 5: 1, 2 or 5
/// times a power of ten.
double TickStep(double most);

}  // namespace quantd

#endif  // QUANTD_SERVER_CLI_SVG_CHART_H_
