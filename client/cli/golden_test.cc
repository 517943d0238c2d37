// What every command prints, for people and as JSON, held against cli/testdata/NAME.txt. The server
// answers the same each time. After a wanted change: BURSAR_UPDATE_GOLDENS=1, and read the diff.
#include <fcntl.h>

#include <filesystem>

#include "cli/program_fixture.h"
#include "testing/standard_input.h"
#include "testing/temporary_folder.h"

namespace bursar::cli {
namespace {

using testing::FileOf;
using testing::StandardInput;

constexpr char kStatuses[] = R"pb(
  budget: "budgets/run-cap"
  display_name: "each run"
  group { key: "root_run" value: "r-7" }
  unit: UNIT_COST
  mode: ENFORCEMENT_MODE_HARD
  limit: 500000000
  spent: 380000000
  reserved: 12500000
  remaining: 107500000
  used_fraction: 0.785
  crossed_threshold_percent: 75
)pb";
constexpr char kReservation[] = R"pb(
  id: "r-1"
  state: STATE_ACTIVE
  subject { user: "carol" run: "r-7" root_run: "r-7" }
  model { provider: "openai" name: "gpt-4o" region: "eu" }
  reserved_nanousd: 12500000
  reserved_tokens: 1300
  create_time { seconds: 1795356000 }
  expire_time { seconds: 1795356300 }
  remaining_ttl { seconds: 300 }
  price_version: "3"
  max_output_tokens: 1000
)pb";
constexpr char kBudget[] = R"pb(
  name: "budgets/user-day"
  display_name: "each user"
  group_by: "user"
  selector { dimension: "team" values: "b" exclude: true }
  limit_nanousd: 800000000
  window { kind: KIND_DAY time_zone: "Europe/Berlin" }
  mode: ENFORCEMENT_MODE_HARD
  overrides {
    group { key: "user" value: "carol" }
    limit: 20000000000
    expire_time { seconds: 1796083200 }
    reason: "release week"
  }
  threshold_percents: 75
  threshold_percents: 90
  state: STATE_ACTIVE
  etag: "7"
  create_time { seconds: 1795356000 }
  update_time { seconds: 1795356060 }
)pb";
constexpr char kDenial[] = R"pb(
  event_time { seconds: 1795356000 }
  kind: "DENIED"
  subject { user: "carol" }
  status { budget: "budgets/user-day" unit: UNIT_COST limit: 800000000 spent: 790000000 }
  reason: "BUDGET_EXHAUSTED"
  count: 12
  model { provider: "openai" name: "gpt-4o" }
  request_id: "r-9"
  message: "user-day is full for user=carol"
  amount: 200000000
)pb";
constexpr char kCosts[] = R"pb(
  rows {
    group { key: "model" value: "gpt-4o" }
    calls: 1200
    failed_calls: 12
    success_rate: 0.99
    cost_nanousd: 10500000000
    tokens { uncached_input_tokens: 2000000 visible_output_tokens: 30000 }
    latency_p50 { nanos: 800000000 }
    latency_p95 { seconds: 2 }
    cache_savings_nanousd: 1250000000
  }
  rows {
    group { key: "model" value: "" }
    calls: 1
    success_rate: 1
    cost_nanousd: 1
    unpriced_calls: 1
  }
  total {
    calls: 1201
    failed_calls: 12
    success_rate: 0.99
    cost_nanousd: 10500000001
    estimated_nanousd: 1
    unpriced_calls: 1
    latency_p95 { seconds: 2 }
    cache_savings_nanousd: 1250000000
  }
  as_of_time { seconds: 1795356000 }
  source: "events"
)pb";
constexpr char kUsage[] = R"pb(
  records {
    usage {
      usage_id: "u-1"
      reservation_id: "r-1"
      subject { user: "carol" agent: "writer" run: "r-7" root_run: "r-7" }
      model { provider: "openai" name: "gpt-4o" }
      tokens { uncached_input_tokens: 1200 cache_read_tokens: 800 visible_output_tokens: 120 }
      outcome: OUTCOME_SUCCEEDED
      event_type: "model_call"
      latency { nanos: 850000000 }
      attempt: 1
    }
    cost_nanousd: 4200000
    cost_basis: COST_BASIS_PRICED
    price_version: "3"
    receive_time { seconds: 1795356003 }
    charge_time { seconds: 1795356000 }
    charged {
      budget: "budgets/run-cap"
      group { key: "root_run" value: "r-7" }
      unit: UNIT_COST
      spent: 4200000
    }
  }
  records {
    usage {
      usage_id: "u-2"
      subject { user: "dave" }
      outcome: OUTCOME_NOT_EXECUTED
      attempt: 2
    }
    charge_time { seconds: 1795356001 }
  }
  records {
    usage {
      usage_id: "adjustment:a-1"
      subject { user: "carol" agent: "writer" }
      model { provider: "openai" name: "gpt-4o" }
      tokens { visible_output_tokens: -1020 }
      outcome: OUTCOME_SUCCEEDED
    }
    cost_nanousd: -2100000
    cost_basis: COST_BASIS_ADJUSTED
    charge_time { seconds: 1795356000 }
    adjusts: "u-1"
    adjust_reason: "invoice 17"
  }
)pb";
constexpr char kRuns[] = R"pb(
  runs {
    run: "r-7"
    root_run: "r-7"
    user: "carol"
    agent: "writer"
    first_time { seconds: 1795356000 }
    last_time { seconds: 1795359600 }
    calls: 1200
    failed_calls: 12
    cost_nanousd: 380000000
    tree_cost_nanousd: 391000000
    sub_runs: 3
    caps { budget: "budgets/mine" unit: UNIT_CALLS limit: 9000 spent: 1200 used_fraction: 0.13 }
    caps { budget: "budgets/run-cap" unit: UNIT_COST limit: 500000000 used_fraction: 0.785 }
  }
  runs {
    run: "r-8"
    root_run: "r-8"
    first_time { seconds: 1795356000 }
    last_time { seconds: 1795356000 }
    calls: 1
    cost_nanousd: 1
    tree_cost_nanousd: 1
  }
)pb";
constexpr char kPrice[] = R"pb(
  provider: "openai"
  model: "gpt-x"
  service_tier: "batch"
  effective_time { seconds: 1795356000 }
  input: 3000000000
  output: 15000000000
  billed_units { key: "web_search" value: 10000000000 }
  max_output_tokens: 64000
  source: "https://example.com (2026-08-21)"
)pb";

// What is asked for a summary: the dearest day, then the dearest agent.
grpc::Status AnswerSummary(const v1::QueryCostsRequest& request, v1::QueryCostsResponse* response) {
  Say<v1::QueryCostsResponse>(kCosts)(request, response);
  v1::CostRow* dearest = response->mutable_rows(0);
  dearest->mutable_group()->clear();
  for (const std::string& dimension : request.group_by()) {
    (*dearest->mutable_group())[dimension] = "research";
  }
  if (request.bucket() == v1::QueryCostsRequest::BUCKET_DAY) {
    dearest->mutable_bucket_start_time()->set_seconds(1795305600);
  }
  return grpc::Status::OK;
}

std::string In(const std::string& field, const std::string& text) {
  return field + " {" + text + "} ";
}

class GoldenTest : public ProgramTest {
 protected:
  void SetUp() override {
    ProgramTest::SetUp();
    setenv("TZ", "Asia/Kathmandu", 1);  // nothing may follow it
    AnswerCalls();
    AnswerAdministration();
  }
  void TearDown() override {
    unsetenv("TZ");
    std::filesystem::current_path(before_);
  }

  void AnswerCalls() {
    const std::string budgets = In("budgets", kStatuses);
    server_.check = Say<v1::CheckBudgetResponse>(
        "decision: DECISION_ALLOW estimated_nanousd: 12500000 priced_as: \"openai/gpt-4o\" "
        "binding_budget: \"budgets/run-cap\" " +
        In("reservation", kReservation) + budgets);
    server_.record = Say<v1::RecordUsageResponse>(
        "cost_nanousd: 4200000 cost_basis: COST_BASIS_PRICED price_version: \"3\" "
        "tokens { uncached_input_tokens: 1200 visible_output_tokens: 120 } "
        "released_nanousd: 8300000 " +
        budgets);
    server_.record_batch = [](const v1::BatchRecordUsageRequest& request,
                              v1::BatchRecordUsageResponse* response) {
      for (int i = 0; i < request.records_size(); ++i) {
        response->add_results()->mutable_response()->set_cost_nanousd(4200000);
      }
      return grpc::Status::OK;
    };
    server_.status = Say<v1::GetBudgetStatusResponse>(budgets);
    server_.costs = Say<v1::QueryCostsResponse>(kCosts);
    server_.usage = Say<v1::ListUsageResponse>(kUsage);
    server_.runs = Say<v1::ListRunsResponse>(kRuns);
  }

  void AnswerAdministration() {
    server_.create_budget = Say<v1::CreateBudgetResponse>(In("budget", kBudget));
    server_.get_budget = Say<v1::GetBudgetResponse>(In("budget", kBudget));
    server_.update_budget = Say<v1::UpdateBudgetResponse>(In("budget", kBudget));
    server_.delete_budget = Say<v1::DeleteBudgetResponse>("");
    server_.list_budgets = Say<v1::ListBudgetsResponse>(In("budgets", kBudget));
    server_.budget_statuses =
        Say<v1::ListBudgetStatusesResponse>(In("statuses", kStatuses) + "next_page_token: \"p\"");
    server_.reservations = [](const v1::ListReservationsRequest& request,
                              v1::ListReservationsResponse* response) {
      const bool denied = request.ShortDebugString().find("r-9") != std::string::npos;
      return Say<v1::ListReservationsResponse>(denied ? "" : In("reservations", kReservation))(
          request, response);
    };
    server_.events = [](const v1::ListCostEventsRequest& request,
                        v1::ListCostEventsResponse* response) {
      const bool admitted = request.ShortDebugString().find("r-1") != std::string::npos;
      return Say<v1::ListCostEventsResponse>(admitted ? "" : In("events", kDenial))(request,
                                                                                    response);
    };
    server_.verify = Say<v1::VerifyLedgerResponse>(
        "counters: 1200 reservations: 1 records: 30000 breaches { invariant: \"I5\" "
        "message: \"counter 17 says $1.00, and its records say $0.99\" }");
    server_.adjust =
        Say<v1::AdjustUsageResponse>("delta_nanousd: -210000000 " + In("budgets", kStatuses));
    server_.import_prices = Say<v1::ImportPricesResponse>(
        "price_version: \"4\" added: 12 changed: 3 unchanged: 1450 warnings: \"a was rounded\"");
    server_.list_prices =
        Say<v1::ListPricesResponse>(In("prices", kPrice) + "price_version: \"3+2\"");
    server_.reprice = Say<v1::RepriceUsageResponse>(
        "records: 7 delta_nanousd: 12345000000 examined: 1000 still_unpriced: 3 "
        "price_version: \"4\"");
  }

  // Runs it twice, the second time with --json, and writes down what it said.
  void Try(const Words& words) {
    Note(words);
    Words json = words;
    json.insert(std::find(json.begin(), json.end(), "--"), "--json");
    Note(json);
  }

  void Note(const Words& words) {
    transcript_ += "$ bursar";
    for (const std::string& word : words) {
      transcript_ += word.find_first_of(" ;") == std::string::npos ? " " + word : " '" + word + "'";
    }
    out_.str("");
    err_.str("");
    Words all = words;
    all.insert(std::find(all.begin(), all.end(), "--"), {"--endpoint", server_.endpoint()});
    const int exit_code = RunProgram(all, out_, err_);
    transcript_ += "\n" + out_.str();
    std::istringstream errors(err_.str());
    for (std::string line; std::getline(errors, line);) transcript_ += "! " + line + "\n";
    if (exit_code != 0) transcript_ += "[exit code " + std::to_string(exit_code) + "]\n";
    transcript_ += "\n";
  }

  // Holds all that was written down against the file, or writes the file.
  void Compare(const std::string& name) {
    const std::string path = std::string(BURSAR_CLI_TESTDATA) + "/" + name + ".txt";
    const char* update = std::getenv("BURSAR_UPDATE_GOLDENS");
    if (update != nullptr && *update != '\0') testing::WriteFile(path, transcript_);
    std::istringstream wanted(testing::ReadFile(path)), said(transcript_);
    std::string wanted_line, said_line;
    for (int number = 1; wanted || said; ++number) {
      wanted_line = said_line = "(end)";
      std::getline(wanted, wanted_line);
      std::getline(said, said_line);
      ASSERT_EQ(said_line, wanted_line)
          << name << ".txt line " << number
          << " is otherwise; if that is wanted, BURSAR_UPDATE_GOLDENS=1 writes it anew";
    }
  }

  void WriteHere(const std::string& name, const std::string& text) {
    testing::WriteFile(folder_.path() + "/" + name, text);
    std::filesystem::current_path(folder_.path());
  }

  testing::TemporaryFolder folder_;
  const std::filesystem::path before_ = std::filesystem::current_path();
  std::string transcript_;
};

TEST_F(GoldenTest, Calls) {
  Try({"check", "--user", "carol", "--model", "openai/gpt-4o", "--region", "eu", "--input-tokens",
       "1200", "--id", "r-1"});
  server_.check = Say<v1::CheckBudgetResponse>(
      "decision: DECISION_DENY reason: \"BUDGET_EXHAUSTED\" message: \"run-cap is full\" "
      "estimated_nanousd: 200000000 retry_after { seconds: 90 } " +
      In("budgets", std::string(kStatuses) + "would_deny: true"));
  Try({"check", "--run", "r-7", "--cost", "0.20"});
  server_.check = Say<v1::CheckBudgetResponse>(
      "decision: DECISION_ALLOW_WITH_CAPS caps { max_output_tokens: 1500 } replayed: true " +
      In("reservation", kReservation));
  Try({"check", "--run", "r-7", "--input-tokens", "7", "--accept-caps"});
  Try({"record", "--id", "u-1", "--reservation", "r-1", "--model", "openai/gpt-4o",
       "--input-tokens", "1200", "--output-tokens", "120", "--latency", "850ms"});
  server_.record = Say<v1::RecordUsageResponse>(
      "cost_nanousd: 9000000 overrun_nanousd: 1000000 late: true replayed: true");
  Try({"record", "--id", "u-1", "--reservation", "r-1", "--cost", "0.009"});
  Try({"adjust", "u-1", "--cost", "0.04", "--id", "a-1", "--reason", "invoice 17"});
  Compare("calls");
}

TEST_F(GoldenTest, Import) {
  const std::string log =
      "{\"usage_id\": \"a\", \"cost_nanousd\": 4200000}\n{\"usage_id\": \"b\", \"csot\": 1}\n";
  const auto tried = [&](const Words& words) {
    const StandardInput input(FileOf(log));
    Note(words);
  };
  tried({"record", "--stdin"});
  tried({"record", "--stdin", "--json"});
  tried({"record", "--stdin", "--dry-run"});
  tried({"record", "--stdin", "--dry-run", "--json"});
  Compare("import");
}

TEST_F(GoldenTest, Run) {
  server_.create_budget = Say<v1::CreateBudgetResponse>("");
  server_.status = Say<v1::GetBudgetStatusResponse>(
      "budgets { budget: \"budgets/run-r-7\" unit: UNIT_COST limit: 500000000 spent: 431200000 "
      "remaining: 68800000 }");
  Try({"run", "--budget", "0.50", "--run", "r-7", "--", "sh", "-c", "sleep 0.3; exit 7"});
  server_.status = Say<v1::GetBudgetStatusResponse>(
      "budgets { budget: \"budgets/run-r-7\" unit: UNIT_COST limit: 500000000 spent: 510000000 "
      "remaining: -10000000 }");
  Try({"run", "--budget", "0.50", "--run", "r-7", "--", "sleep", "60"});
  Try({"run", "--budget", "0.50"});
  Compare("run");
}

TEST_F(GoldenTest, Money) {
  const Words range = {"--from", "2026-11-01", "--to", "2026-11-22"};
  const auto costs = [&](Words words) {
    words.insert(words.begin(), "costs");
    words.insert(words.end(), range.begin(), range.end());
    Try(words);
  };
  costs({"--by", "model"});
  setenv("LC_ALL", "C.UTF-8", 1);
  costs({"--by", "model", "--bars"});
  unsetenv("LC_ALL");
  server_.costs = AnswerSummary;
  costs({"--summary"});
  costs({"--summary", "--min-success", "99.5", "--max-p95", "1s", "--max-daily", "5"});
  server_.costs = Say<v1::QueryCostsResponse>(kCosts);
  costs({"--fail-over", "10.50"});
  costs({"--fail-over", "10.500000001"});
  Try({"status", "--run", "r-7"});
  Try({"status", "--budget", "run-cap", "--limit", "1"});
  Try({"holds", "--region", "eu"});
  Try({"events", "--from", "2026-11-01", "--to", "2026-11-22", "--kind", "denied"});
  Try({"explain", "r-1"});
  Try({"explain", "r-9"});
  Try({"verify"});
  Compare("money");
}

TEST_F(GoldenTest, History) {
  Try({"usage", "--from", "2026-11-22", "--to", "2026-11-23"});
  Try({"runs", "--period", "7d"});
  server_.usage = Say<v1::ListUsageResponse>("");
  Note({"usage", "--trace", "0af7"});
  Note({"usage", "--period", "7d", "--from", "2026-11-22"});
  server_.runs = Say<v1::ListRunsResponse>("");
  Note({"runs", "--all-runs", "--filter", "user=nobody"});
  Note({"runs", "--from", "2026-11-23", "--to", "2026-11-22"});
  Compare("history");
}

TEST_F(GoldenTest, Budgets) {
  Try({"budgets", "create", "user-day", "--limit", "0.80", "--window", "day"});
  Try({"budgets", "list"});
  Try({"budgets", "get", "user-day"});
  Try({"budgets", "update", "user-day", "--limit", "0.90"});
  Try({"budgets", "raise", "user-day", "--group", "user=carol", "--to", "20", "--until",
       "2036-12-01", "--reason", "release week"});
  Try({"budgets", "freeze", "user-day"});
  Try({"budgets", "unfreeze", "user-day"});
  Try({"budgets", "delete", "user-day"});
  WriteHere("budgets.json",
            R"({"budgets": [{"id": "a", "limitCalls": "5", "window": {"kind": "KIND_DAY"}}]})");
  Try({"budgets", "apply", "-f", "budgets.json", "--dry-run", "--prune"});
  Compare("budgets");
}

TEST_F(GoldenTest, Prices) {
  WriteHere("prices.json", R"({"prices": []})");
  Try({"prices", "import", "prices.json", "--dry-run"});
  Try({"prices", "set", "openai/gpt-x", "--input", "3", "--output", "15", "--source", "theirs"});
  Try({"prices", "list", "--at", "2026-12-01"});
  Try({"prices", "show", "openai/gpt-x"});
  Try({"prices", "reprice", "--from", "2026-11-01", "--to", "2026-11-22", "--dry-run"});
  Compare("prices");
}

TEST_F(GoldenTest, Help) {
  const Words kCommands[] = {
      {},
      {"check"},
      {"record"},
      {"run"},
      {"costs"},
      {"usage"},
      {"runs"},
      {"status"},
      {"holds"},
      {"events"},
      {"explain"},
      {"export"},
      {"verify"},
      {"adjust"},
      {"budgets"},
      {"budgets", "create"},
      {"budgets", "list"},
      {"budgets", "get"},
      {"budgets", "update"},
      {"budgets", "delete"},
      {"budgets", "apply"},
      {"budgets", "raise"},
      {"budgets", "freeze"},
      {"budgets", "unfreeze"},
      {"prices"},
      {"prices", "import"},
      {"prices", "set"},
      {"prices", "list"},
      {"prices", "show"},
      {"prices", "reprice"},
      {"completion"},
      {"completion", "bash"},
  };
  for (Words words : kCommands) {
    words.push_back("--help");
    Note(words);
  }
  std::istringstream lines(transcript_);
  for (std::string line; std::getline(lines, line);) {
    EXPECT_LE(line.size(), 100u) << line;
    EXPECT_TRUE(line.empty() || line.back() != ' ') << line;
  }
  Compare("help");
}

}  // namespace
}  // namespace bursar::cli
