#pragma once

#include <memory>
#include <string>
#include <vector>

#include "bench/load.h"
#include "support/server_process.h"
#include "support/test_database.h"

namespace bursar::bench {

inline constexpr int64_t kDollar = 1'000'000'000;

// Numbered as bursar.v1.Window.Kind.
enum class Window { kLifetime = 1, kDay = 4, kMonth = 6 };

// A budget without an end is one that no load exhausts.
inline constexpr int64_t kPlenty = 9'000'000 * kDollar;

struct BudgetRow {
  std::string id;
  std::string group_by = "";  // one dimension, or none
  Window window = Window::kLifetime;
  int64_t limit_nanousd = kPlenty;
};

// By run, by user and day, and one by month that everybody shares: a check holds in all three.
std::vector<BudgetRow> ThreeBudgets();

struct StageOptions {
  std::vector<BudgetRow> budgets = ThreeBudgets();
  int servers = 1;
  int tenants =
      0;  // t0, t1, ..., each with the budgets and a key; 0: "default", and no key is asked
};

// A database of its own with budgets, and real servers on it. Whatever does not start or cannot be
// written ends the process with a sentence.
class Stage {
 public:
  explicit Stage(StageOptions options = {});

  std::vector<std::string> addresses() const;
  const std::vector<std::string>& keys() const { return keys_; }  // one for each tenant
  const testing::ServerProcess& server() const { return *servers_.front(); }

  std::unique_ptr<postgres::Session> Connect() const;
  const std::string& url() const { return database_.url(); }
  int64_t Number(const char* sql) const;  // what a query answers

 private:
  void AddTenants(int count);
  void AddBudgets(const std::vector<BudgetRow>& budgets);

  testing::TestDatabase database_;
  std::vector<std::string> keys_;
  std::vector<std::unique_ptr<testing::ServerProcess>> servers_;
};

// The rows of one statement, or the end of the process.
postgres::Rows Must(absl::StatusOr<postgres::Rows> rows);

// Gives the cluster a gigabyte of WAL files to write into, as one has that has run for a while: a
// young one makes a new file of zeros every 16 MiB, several a second under load.
void PrepareWal();

// Each call has its own id; 20 calls a run; users take turns. The name tells loads on one stage
// apart.
MakeCheck TypicalChecks(const std::string& name, int users = 1000);
// A cost that the caller declares; each client is a user.
MakeCheck PlainChecks(const std::string& name, int64_t cost_nanousd);

}  // namespace bursar::bench
