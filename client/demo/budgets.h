#pragma once

#include <bursar/status.h>

#include <cstdint>
#include <string>
#include <vector>

#include "cli/server.h"

namespace bursar::demo {

// The limits of the demo, in nano-USD.
struct Limits {
  int64_t run_nanousd = 0;    // of each run: "run-cap"
  int64_t user_nanousd = 0;   // of each user and day: "user-day"
  int64_t month_nanousd = 0;  // of all: "fleet-month"
};

// Limits that a play of so many calls reaches here and there, though not everywhere.
Limits LimitsFor(int calls);

// Makes the budgets that are not there yet; returns all, as the server has them.
StatusOr<std::vector<v1::Budget>> EnsureBudgets(cli::Server& server, const Limits& limits);

}  // namespace bursar::demo
