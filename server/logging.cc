#include "server/logging.h"

#include <poll.h>
#include <spdlog/logger.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/base_sink.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <climits>
#include <cmath>
#include <cstdint>
#include <memory>
#include <mutex>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "server/log_format.h"

namespace quantd {
namespace {

// A value longer than this is cut: a log line must stay small whatever a client sent.
constexpr size_t kMaxValueBytes = 4096;
// Lines are stamped in UTC with milliseconds; the pattern's flags are spdlog's.
constexpr char kTextPattern[] = "%Y-%m-%dT%H:%M:%S.%eZ %v";
constexpr char kJsonPattern[] = "{\"ts\":\"%Y-%m-%dT%H:%M:%S.%eZ\",%v}";

// Standard error, given up line by line while it takes nothing: a full disk or a stopped reader of
// the pipe must not stop the server.
class StderrSink : public spdlog::sinks::base_sink<std::mutex> {
 protected:
  void sink_it_(const spdlog::details::log_msg& message) override {
    spdlog::memory_buf_t line;
    formatter_->format(message, line);
    const char* data = line.data();
    size_t left = line.size();
    while (left > 0) {
      pollfd writable{STDERR_FILENO, POLLOUT, 0};
      if (poll(&writable, 1, 0) <= 0 || (writable.revents & POLLOUT) == 0) return;
      // A pipe that polls as writable takes PIPE_BUF bytes at once.
      const ssize_t written =
          write(STDERR_FILENO, data, std::min(left, static_cast<size_t>(PIPE_BUF)));
      if (written < 0 && errno == EINTR) continue;
      if (written <= 0) return;
      data += written;
      left -= static_cast<size_t>(written);
    }
  }
  void flush_() override {}
};

// One format of the log: it and its logger never change once made.
struct Format {
  explicit Format(bool json) : json(json), logger("quantd", std::make_shared<StderrSink>()) {
    logger.set_formatter(std::make_unique<spdlog::pattern_formatter>(
        json ? kJsonPattern : kTextPattern, spdlog::pattern_time_type::utc));
    logger.set_level(spdlog::level::trace);
    logger.set_error_handler([](const std::string&) {});
  }
  const bool json;
  spdlog::logger logger;
};

Format& FormatOf(bool json) {
  // Never destroyed: threads may log until the process ends.
  static Format* const text = new Format(false);
  static Format* const structured = new Format(true);
  return json ? *structured : *text;
}

std::atomic<LogLevel> current_level{LogLevel::kInfo};
std::atomic<bool> current_json{false};

const char* LevelName(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return "debug";
    case LogLevel::kInfo:
      return "info";
    case LogLevel::kWarn:
      return "warn";
    case LogLevel::kError:
      return "error";
  }
  return "error";
}

absl::string_view Cut(const std::string& text) {
  return absl::string_view(text).substr(0, kMaxValueBytes);
}

void AppendJsonMember(absl::string_view key, absl::string_view value, bool quoted,
                      std::string* out) {
  out->append(out->empty() ? "\"" : ",\"");
  AppendJsonEscaped(key, out);
  out->append(quoted ? "\":\"" : "\":");
  AppendJsonEscaped(value, out);
  if (quoted) out->push_back('"');
}

std::string JsonBody(LogLevel level, absl::string_view message,
                     std::initializer_list<LogField> fields) {
  std::string body;
  AppendJsonMember("level", LevelName(level), true, &body);
  AppendJsonMember("msg", message, true, &body);
  for (const LogField& field : fields) {
    AppendJsonMember(field.key, Cut(field.text), field.quoted, &body);
  }
  return body;
}

std::string TextBody(LogLevel level, absl::string_view message,
                     std::initializer_list<LogField> fields) {
  std::string body = LevelName(level);
  body.resize(6, ' ');
  AppendJsonEscaped(message, &body);
  for (const LogField& field : fields) {
    body.push_back(' ');
    AppendTextValue(field.key, &body);
    body.push_back('=');
    AppendTextValue(Cut(field.text), &body);
  }
  return body;
}

std::string ShortestDouble(double value) {
  char buffer[32];
  const auto result = std::to_chars(buffer, buffer + sizeof(buffer), value);
  return std::string(buffer, result.ptr);
}

}  // namespace

LogField::LogField(absl::string_view key, absl::string_view value)
    : key(key), text(value), quoted(true) {}
LogField::LogField(absl::string_view key, const char* value)
    : LogField(key, value == nullptr ? absl::string_view("") : absl::string_view(value)) {}
LogField::LogField(absl::string_view key, const std::string& value)
    : LogField(key, absl::string_view(value)) {}
LogField::LogField(absl::string_view key, int64_t value) : key(key), text(absl::StrCat(value)) {}
LogField::LogField(absl::string_view key, int value) : key(key), text(absl::StrCat(value)) {}
LogField::LogField(absl::string_view key, uint64_t value) : key(key), text(absl::StrCat(value)) {}
// JSON has no NaN or infinity: they are strings there.
LogField::LogField(absl::string_view key, double value)
    : key(key), text(ShortestDouble(value)), quoted(!std::isfinite(value)) {}
LogField::LogField(absl::string_view key, bool value) : key(key), text(value ? "true" : "false") {}

absl::Status SetUpLogging(absl::string_view level, absl::string_view format) {
  const LogLevel levels[] = {LogLevel::kDebug, LogLevel::kInfo, LogLevel::kWarn, LogLevel::kError};
  const auto* chosen = std::find_if(std::begin(levels), std::end(levels),
                                    [&](LogLevel known) { return level == LevelName(known); });
  if (chosen == std::end(levels)) {
    return absl::InvalidArgumentError(absl::StrCat("log.level: '", absl::CHexEscape(level),
                                                   "' is none of debug, info, warn, error"));
  }
  if (format != "text" && format != "json") {
    return absl::InvalidArgumentError(
        absl::StrCat("log.format: '", absl::CHexEscape(format), "' is none of text, json"));
  }
  current_level = *chosen;
  current_json = format == "json";
  return absl::OkStatus();
}

void Log(LogLevel level, absl::string_view message, std::initializer_list<LogField> fields) {
  if (level < current_level.load(std::memory_order_relaxed)) return;
  // A log line is never worth the process: out of memory loses the line.
  try {
    Format& format = FormatOf(current_json.load(std::memory_order_relaxed));
    const std::string body =
        format.json ? JsonBody(level, message, fields) : TextBody(level, message, fields);
    format.logger.log(spdlog::level::info, spdlog::string_view_t(body.data(), body.size()));
  } catch (...) {
  }
}

}  // namespace quantd
