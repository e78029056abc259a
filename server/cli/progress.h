#ifndef QUANTD_SERVER_CLI_PROGRESS_H_
#define QUANTD_SERVER_CLI_PROGRESS_H_

#include <string>

#include "absl/time/time.h"

namespace quantd {

/// Shows on stderr how far a piece of work is: a bar that is redrawn on a terminal, else a line
/// every few seconds so that a log shows life. Short work shows nothing.
/// Not thread-safe.
class Progress {
 public:
  /// `label` names the work ("loading m.gguf"); `quiet` shows nothing at all.
  Progress(std::string label, bool quiet);
  ~Progress() { Clear(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// `done` in [0, 1]; `detail` stands behind the bar ("1.2 of 3.4 GiB").
  void Update(double done, const std::string& detail = "");
  /// Removes the bar from the terminal, so that other lines can follow.
  void Clear();

 private:
  void Draw(double done, const std::string& detail);

  const std::string label_;
  const bool quiet_, terminal_;
  const absl::Time start_;
  absl::Time last_;
  bool drawn_ = false;
};

}  // namespace quantd

#endif  // QUANTD_SERVER_CLI_PROGRESS_H_
