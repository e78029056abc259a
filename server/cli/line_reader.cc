#include "server/cli/line_reader.h"

#include <histedit.h>

#include <clocale>
#include <cstdlib>
#include <cstring>

#include "server/cli/output.h"

namespace quantd {
namespace {

constexpr int kHistoryLines = 500;

std::string WithoutEnd(std::string line) {
  if (!line.empty() && line.back() == '\n') line.pop_back();
  return line;
}

class PlainReader final : public LineReader {
 public:
  explicit PlainReader(std::FILE* in) : in_(in) {}
  ~PlainReader() override { std::free(line_); }

  std::optional<std::string> Next(const char*) override {
    const ssize_t size = getline(&line_, &capacity_, in_);
    if (size < 0) return std::nullopt;
    return WithoutEnd(std::string(line_, static_cast<size_t>(size)));
  }
  bool interactive() const override { return false; }

 private:
  std::FILE* in_;
  char* line_ = nullptr;
  size_t capacity_ = 0;
};

/// libedit, with the keys of Emacs or what the user's ~/.editrc says.
class EditingReader final : public LineReader {
 public:
  EditingReader(std::FILE* in, std::FILE* out)
      : history_(history_init()), edit_(el_init("quantd", in, out, stderr)) {
    HistEvent event;
    history(history_, &event, H_SETSIZE, kHistoryLines);
    el_set(edit_, EL_CLIENTDATA, this);
    el_set(edit_, EL_PROMPT, &EditingReader::Prompt);
    el_set(edit_, EL_EDITOR, "emacs");
    // Its handlers give the terminal back before a signal ends the process.
    el_set(edit_, EL_SIGNAL, 1);
    el_set(edit_, EL_HIST, history, history_);
    el_source(edit_, nullptr);
  }
  ~EditingReader() override {
    el_end(edit_);
    history_end(history_);
  }
  EditingReader(const EditingReader&) = delete;
  EditingReader& operator=(const EditingReader&) = delete;

  std::optional<std::string> Next(const char* prompt) override {
    prompt_ = prompt;
    int size = 0;
    const char* line = el_gets(edit_, &size);
    if (line == nullptr || size <= 0) return std::nullopt;
    HistEvent event;
    if (std::strspn(line, " \t\n") < std::strlen(line)) history(history_, &event, H_ENTER, line);
    return WithoutEnd(line);
  }
  bool interactive() const override { return true; }

 private:
  static char* Prompt(EditLine* edit) {
    EditingReader* self = nullptr;
    el_get(edit, EL_CLIENTDATA, &self);
    return const_cast<char*>(self->prompt_);  // libedit only reads it
  }

  const char* prompt_ = "";
  History* history_;
  EditLine* edit_;
};

}  // namespace

std::unique_ptr<LineReader> OpenLineReader(std::FILE* in, std::FILE* out) {
  if (!IsTerminal(in) || !IsTerminal(out)) return std::make_unique<PlainReader>(in);
  // libedit takes bytes for characters by the locale, and in "C" refuses all but ASCII.
  const char* locale = std::setlocale(LC_CTYPE, "");
  if (locale == nullptr || MB_CUR_MAX == 1) std::setlocale(LC_CTYPE, "C.UTF-8");
  return std::make_unique<EditingReader>(in, out);
}

}  // namespace quantd
