#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>

#include "cli/command.h"

namespace bursar::cli {

// What is shown each time: a text for people, or with --json one document in the form that is
// asked for. Ends with a line break.
using Look = std::function<StatusOr<std::string>(JsonForm form)>;

// --watch, --watch 5s: shows the same again and again.
//
// On a terminal each look replaces the one before, on a screen of its own; what stood there before
// comes back at the end, and the last look is printed below it. Elsewhere looks follow each other,
// an empty line between them; with --json a document on each line. A look that failed is told of on
// standard error (on the screen: at its foot), and the next one is tried; INVALID_ARGUMENT,
// UNAUTHENTICATED and PERMISSION_DENIED end it, for they will not change by waiting. SIGINT and
// SIGTERM end it with exit code 0.
class WatchFlag {
 public:
  void AddTo(CLI::App& app);

  bool given() const { return interval_.has_value(); }

  // Shows `look` once, or as often as the flag says; returns the exit code.
  int Show(const Look& look, Server& server, Output& output) const;

 private:
  int Watch(const Look& look, Server& server, Output& output) const;

  std::optional<std::chrono::milliseconds> interval_;
};

}  // namespace bursar::cli
