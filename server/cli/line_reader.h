#ifndef QUANTD_SERVER_CLI_LINE_READER_H_
#define QUANTD_SERVER_CLI_LINE_READER_H_

#include <cstdio>
#include <memory>
#include <optional>
#include <string>

namespace quantd {

/// Where a conversation's lines come from. For one thread.
class LineReader {
 public:
  virtual ~LineReader() = default;
  /// The next line without its end; none at the end of the input. `prompt` is shown to people and
  /// lives as long as the reader.
  virtual std::optional<std::string> Next(const char* prompt) = 0;
  /// Whether a person types: then errors are told and the conversation goes on.
  virtual bool interactive() const = 0;
};

/// Reads `in`: with line editing and a history when it and `out` are terminals, else byte for byte.
/// Both outlive the reader. Ctrl-C at the prompt ends the process as usual, Ctrl-D the input.
std::unique_ptr<LineReader> OpenLineReader(std::FILE* in, std::FILE* out);

}  // namespace quantd

#endif  // QUANTD_SERVER_CLI_LINE_READER_H_
