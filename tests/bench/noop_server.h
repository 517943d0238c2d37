#pragma once

#include <string>

namespace bursar::bench {

// A server with Bursar's messages and nothing behind them: what a call costs at the least. It
// answers each CheckBudget with as many bytes as a real answer has. Prints its address on a line of
// its own and serves until standard input ends.
int RunNoopServer(int budgets_per_answer);

}  // namespace bursar::bench
