#include "server/cli/table.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "server/cli/output.h"

namespace quantd {
namespace {

constexpr size_t kGap = 2;
/// A last column narrower than this is not wrapped: one word per line reads worse than a long line.
constexpr size_t kNarrowest = 16;

std::vector<std::string> Wrap(const std::string& text, size_t width) {
  std::vector<std::string> lines(1);
  for (const absl::string_view word : absl::StrSplit(text, ' ')) {
    std::string& line = lines.back();
    const std::string next = line.empty() ? std::string(word) : line + " " + std::string(word);
    if (!line.empty() && DisplayWidth(next) > width) {
      lines.emplace_back(word);
    } else {
      line = next;
    }
  }
  return lines;
}

void AppendCell(const std::string& cell, size_t width, Table::Align align, std::string* line) {
  const std::string padding(width - std::min(width, DisplayWidth(cell)), ' ');
  *line += align == Table::Align::kRight ? padding + cell : cell + padding;
  line->append(kGap, ' ');
}

void EndLine(std::string* line) {
  line->erase(line->find_last_not_of(' ') + 1);
  *line += '\n';
}

}  // namespace

size_t DisplayWidth(const std::string& text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

Table::Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

void Table::AddRow(std::vector<std::string> cells) {
  cells.resize(columns_.size());
  for (std::string& cell : cells) cell = EscapeText(cell);
  rows_.push_back(std::move(cells));
}

std::string Table::Render(int width) const {
  std::vector<std::vector<std::string>> rows(1);
  for (const Column& column : columns_) rows[0].push_back(column.title);
  rows.insert(rows.end(), rows_.begin(), rows_.end());

  std::vector<size_t> widths(columns_.size(), 0);
  for (const auto& row : rows) {
    for (size_t c = 0; c < row.size(); ++c) widths[c] = std::max(widths[c], DisplayWidth(row[c]));
  }
  const size_t last = columns_.size() - 1;
  size_t indent = 0;
  for (size_t c = 0; c < last; ++c) indent += widths[c] + kGap;
  const size_t room = static_cast<size_t>(std::max(width, 0));
  const bool wrap = room >= indent + kNarrowest && widths[last] + indent > room;
  if (wrap) widths[last] = room - indent;

  std::string out;
  for (const auto& row : rows) {
    std::string line;
    for (size_t c = 0; c < last; ++c) AppendCell(row[c], widths[c], columns_[c].align, &line);
    const std::vector<std::string> tail =
        wrap ? Wrap(row[last], widths[last]) : std::vector<std::string>{row[last]};
    for (size_t i = 0; i < tail.size(); ++i) {
      if (i > 0) line.assign(indent, ' ');
      AppendCell(tail[i], widths[last], columns_[last].align, &line);
      EndLine(&line);
      out += line;
    }
  }
  return out;
}

}  // namespace quantd
