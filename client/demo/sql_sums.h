#pragma once

#include <bursar/status.h>

#include <cstdint>
#include <string>
#include <vector>

namespace bursar::demo {

// What the database itself says, by plain SQL and past the server.
struct SqlSums {
  struct BudgetSum {
    std::string id;
    int64_t spent_nanousd = 0;  // over all of its counters
    int64_t reserved_nanousd = 0;
  };
  int64_t cost_nanousd = 0;  // of all usage records
  int64_t records = 0;
  std::vector<BudgetSum> budgets;  // that are in US dollars
};

// Errors: UNAVAILABLE where the database cannot be reached; INTERNAL for a query that fails.
StatusOr<SqlSums> ReadSqlSums(const std::string& database_url);

}  // namespace bursar::demo
