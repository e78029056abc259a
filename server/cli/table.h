#ifndef QUANTD_SERVER_CLI_TABLE_H_
#define QUANTD_SERVER_CLI_TABLE_H_

#include <string>
#include <vector>

namespace quantd {

/// A text table for people: columns as wide as their widest cell, two spaces between them. Not
/// thread-safe.
class Table {
 public:
  enum class Align { kLeft, kRight };
  struct Column {
    std::string title;
    Align align = Align::kLeft;
  };

  explicit Table(std::vector<Column> columns);

  /// Adds a row; missing cells at the end are empty. Control characters are escaped.
  void AddRow(std::vector<std::string> cells);
  bool empty() const { return rows_.empty(); }

  /// The lines, each ending in a newline. When `width` > 0 the last column is wrapped at spaces so
  /// that lines fit into `width` columns, as far as the other columns leave room.
  std::string Render(int width = 0) const;

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

/// Terminal columns that UTF-8 text takes, counting one per code point.
size_t DisplayWidth(const std::string& text);

}  // namespace quantd

#endif  // QUANTD_SERVER_CLI_TABLE_H_
