#include "bench/stage.h"

#include <iostream>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "access/api_key.h"

namespace bursar::bench {
namespace {

constexpr char kAddBudget[] =
    "INSERT INTO budget (uid, tenant_id, budget_id, display_name, selector, group_by, "
    "require_group, unit, limit_amount, window_kind, time_zone, mode, overrides, "
    "threshold_percents, frozen, etag, create_time, update_time) SELECT gen_random_uuid(), "
    "tenant_id, $1, '', '[]', $2, false, 1, $4, $3, '', 1, '[]', '[75,90,100]', false, '', now(), "
    "now() FROM tenant";

constexpr char kAddTenant[] = "INSERT INTO tenant (tenant_id) VALUES ($1)";

constexpr char kAddKey[] =
    "INSERT INTO api_key (key_id, tenant_id, role, secret_sha256) "
    "VALUES ($1, $2, $3, decode($4, 'hex'))";

}  // namespace

postgres::Rows Must(absl::StatusOr<postgres::Rows> rows) {
  if (rows.ok()) return *std::move(rows);
  std::cerr << "bursar-bench: " << rows.status().message() << "\n";
  std::exit(1);
}

void PrepareWal() {
  const testing::TestDatabase database;
  postgres::SessionOptions options;
  options.url = database.superuser_url();
  options.statement_timeout = absl::InfiniteDuration();
  auto session = postgres::Session::Connect(options);
  if (!session.ok()) Must(session.status());
  Must((*session)->Execute("ALTER SYSTEM SET min_wal_size = '1GB'"));
  Must((*session)->Execute("SELECT pg_reload_conf()"));
  for (int i = 0; i < 64; ++i) {
    Must((*session)->Execute(
        "SELECT pg_logical_emit_message(false, 'bench', 'x'), pg_switch_wal()"));
  }
  Must((*session)->Execute("CHECKPOINT"));  // makes files that were written ready to be used again
}

std::vector<BudgetRow> ThreeBudgets() {
  return {{.id = "run", .group_by = "root_run"},
          {.id = "user-day", .group_by = "user", .window = Window::kDay},
          {.id = "month", .window = Window::kMonth}};
}

Stage::Stage(StageOptions options) {
  AddTenants(options.tenants);
  AddBudgets(options.budgets);
  for (int i = 0; i < options.servers; ++i) {
    std::vector<std::string> flags = {"--database-url", database_.url()};
    if (keys_.empty()) flags.push_back("--insecure-no-auth");
    servers_.push_back(std::make_unique<testing::ServerProcess>(std::move(flags)));
  }
}

void Stage::AddTenants(int count) {
  auto session = Connect();
  Must(session->Execute("BEGIN"));
  for (int i = 0; i < count; ++i) {
    const std::string tenant = absl::StrCat("t", i);
    const access::NewKey made = access::MakeKey(tenant, access::Role::kAgent, "");
    Must(session->Execute(kAddTenant, postgres::Params().Text(tenant)));
    Must(session->Execute(kAddKey, postgres::Params()
                                       .Text(made.key.id)
                                       .Text(tenant)
                                       .Int(static_cast<int>(made.key.role))
                                       .Text(absl::BytesToHexString(made.key.secret_sha256))));
    keys_.push_back(made.text);
  }
  Must(session->Execute("COMMIT"));
}

// To every tenant, instead of what a new database has.
void Stage::AddBudgets(const std::vector<BudgetRow>& budgets) {
  auto session = Connect();
  Must(session->Execute("DELETE FROM budget"));
  for (const BudgetRow& budget : budgets) {
    const std::string group =
        budget.group_by.empty() ? "[]" : absl::StrCat("[\"", budget.group_by, "\"]");
    Must(session->Execute(kAddBudget, postgres::Params()
                                          .Text(budget.id)
                                          .Text(group)
                                          .Int(static_cast<int>(budget.window))
                                          .Int(budget.limit_nanousd)));
  }
}

std::vector<std::string> Stage::addresses() const {
  std::vector<std::string> all;
  for (const auto& server : servers_) all.push_back(server->address());
  return all;
}

std::unique_ptr<postgres::Session> Stage::Connect() const {
  return database_.Connect({.statement_timeout = absl::Minutes(10)});
}

int64_t Stage::Number(const char* sql) const { return Must(Connect()->Execute(sql)).Int(0, 0); }

MakeCheck TypicalChecks(const std::string& name, int users) {
  return [name, users](int64_t number, int, v1::CheckBudgetRequest& request) {
    request.set_request_id(absl::StrCat(name, number));
    auto* subject = request.mutable_subject();
    subject->set_run(absl::StrCat(name, "run-", number / 20));
    subject->set_user(absl::StrCat("user-", number % users));
    subject->set_agent("agent");
    request.mutable_model()->set_provider("openai");
    request.mutable_model()->set_name("gpt-4o");
    request.mutable_tokens()->set_uncached_input_tokens(1200);
    request.set_max_output_tokens(200);
  };
}

MakeCheck PlainChecks(const std::string& name, int64_t cost_nanousd) {
  return [name, cost_nanousd](int64_t number, int client, v1::CheckBudgetRequest& request) {
    request.set_request_id(absl::StrCat(name, number));
    request.mutable_subject()->set_user(absl::StrCat("user-", client));
    request.set_cost_nanousd(cost_nanousd);
  };
}

}  // namespace bursar::bench
