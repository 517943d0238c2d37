// The whole command against a server in this process: what it prints, and its exit code.
#include "cli/program.h"

#include "cli/program_fixture.h"
#include "google/rpc/error_details.pb.h"

namespace bursar::cli {
namespace {

constexpr char kRunCap[] = R"pb(
  budgets {
    budget: "budgets/run-cap"
    group { key: "root_run" value: "r-7" }
    unit: UNIT_COST
    limit: 500000000
    spent: 380000000
    reserved: 12500000
    remaining: 107500000
    used_fraction: 0.785
  }
  budgets {
    budget: "budgets/fleet-month"
    unit: UNIT_COST
    limit: 100000000000
    spent: 12345678901
    remaining: 87654321099
    used_fraction: 0.12345
    window_end_time { seconds: 1796083200 }
  }
)pb";

constexpr char kRunCapTable[] =
    "   BUDGET       GROUP           USED          SPENT     HELD           LEFT    LIMIT  WINDOW "
    "ENDS\n"
    "!  run-cap      root_run=r-7  78.5 %   $0.38         $0.0125   $0.1075         $0.50  never\n"
    "   fleet-month                12.3 %  $12.345678901  $0.00    $87.654321099  $100.00  "
    "2026-12-01 00:00 UTC\n";

TEST_F(ProgramTest, AnAllowedCheckPrintsItsReservationAndExitsWith0) {
  server_.check = Say<v1::CheckBudgetResponse>(std::string(R"pb(
                                                 decision: DECISION_ALLOW
                                                 reservation {
                                                   id: "r-1"
                                                   reserved_nanousd: 12500000
                                                   remaining_ttl { seconds: 300 }
                                                   max_output_tokens: 1000
                                                 }
                                                 estimated_nanousd: 12500000
                                               )pb") +
                                               kRunCap);
  EXPECT_EQ(Run({"check", "--cost", "0.0125", "--id", "r-1"}), 0) << err_.str();
  EXPECT_EQ(out_.str(), std::string("decision        allowed\n"
                                    "estimated       $0.0125\n"
                                    "reservation     r-1\n"
                                    "holds           $0.0125 for 5m 00s\n"
                                    "output covered  1,000 tokens\n"
                                    "\n") +
                            kRunCapTable);
}

TEST_F(ProgramTest, ADeniedCheckSaysWhyAndExitsWith3) {
  server_.check = Say<v1::CheckBudgetResponse>(R"pb(
    decision: DECISION_DENY
    reason: "BUDGET_EXHAUSTED"
    message: "run-cap is full"
    estimated_nanousd: 5
    retry_after { seconds: 90 }
    budgets { budget: "budgets/run-cap" unit: UNIT_COST limit: 5 remaining: 5 would_deny: true }
  )pb");
  EXPECT_EQ(Run({"check", "--cost", "0.1"}), 3);
  EXPECT_EQ(out_.str(),
            "decision      denied\n"
            "reason        BUDGET_EXHAUSTED\n"
            "message       run-cap is full\n"
            "estimated     $0.000000005\n"
            "try again in  1m 30s\n"
            "\n"
            "   BUDGET   GROUP   USED  SPENT   HELD          LEFT         LIMIT  WINDOW ENDS\n"
            "x  run-cap         0.0 %  $0.00  $0.00  $0.000000005  $0.000000005  never\n");
  EXPECT_EQ(Run({"check", "--cost", "0.1", "--json"}), 3);
  EXPECT_NE(out_.str().find("\"estimatedNanousd\": \"5\""), std::string::npos) << out_.str();
  EXPECT_NE(out_.str().find("\"bindingBudget\": \"\""), std::string::npos) << out_.str();
}

TEST_F(ProgramTest, ARecordPrintsTheSummaryLineAndItsId) {
  server_.record = Say<v1::RecordUsageResponse>(R"pb(
    cost_nanousd: 4200000
    cost_basis: COST_BASIS_PRICED
    tokens { uncached_input_tokens: 1200 visible_output_tokens: 120 }
    released_nanousd: 8300000
  )pb");
  EXPECT_EQ(Run({"record", "--id", "u-1", "--model", "openai/gpt-4o", "--latency", "850ms"}), 0);
  EXPECT_EQ(out_.str(),
            "openai/gpt-4o | 1,200 in, 120 out | $0.0042 | 850 ms\n"
            "\n"
            "usage       u-1\n"
            "charged     $0.0042\n"
            "given back  $0.0083\n");
}

TEST_F(ProgramTest, StatusShowsTheFullestFirst) {
  server_.status = Say<v1::GetBudgetStatusResponse>(kRunCap);
  EXPECT_EQ(Run({"status", "--run", "r-7"}), 0);
  EXPECT_EQ(out_.str(), kRunCapTable);
}

TEST_F(ProgramTest, CostsEndWithTheTotal) {
  server_.costs = Say<v1::QueryCostsResponse>(R"pb(
    rows {
      group { key: "model" value: "gpt-4o" }
      calls: 1200
      failed_calls: 12
      success_rate: 0.99
      cost_nanousd: 1500000000
      tokens { uncached_input_tokens: 2000000 visible_output_tokens: 30000 }
      latency_p50 { nanos: 800000000 }
      latency_p95 { seconds: 2 }
    }
    total {
      calls: 1201
      failed_calls: 12
      success_rate: 0.99
      cost_nanousd: 1500000001
      unpriced_calls: 1
    }
    next_page_token: "more"
  )pb");
  EXPECT_EQ(Run({"costs", "--by", "model", "--from", "2026-11-01", "--to", "2026-11-02"}), 0);
  EXPECT_EQ(out_.str(),
            "from 2026-11-01 00:00 UTC to 2026-11-02 00:00 UTC\n"
            "MODEL   CALLS  FAILED  SUCCESS      INPUT  OUTPUT     P50     P95          COST\n"
            "gpt-4o  1,200      12   99.0 %  2,000,000  30,000  800 ms  2.00 s  $1.50\n"
            "total   1,201      12   99.0 %          0       0       -       -  $1.500000001\n"
            "1 calls had no known price and count as $0.00\n"
            "there are more rows; --limit N shows up to 10000\n");
}

TEST_F(ProgramTest, BudgetsAreCreatedListedAndDeleted) {
  server_.create_budget = [](const v1::CreateBudgetRequest& request,
                             v1::CreateBudgetResponse* response) {
    *response->mutable_budget() = request.budget();
    response->mutable_budget()->set_name("budgets/" + request.budget_id());
    return grpc::Status::OK;
  };
  EXPECT_EQ(Run({"budgets", "create", "b", "--limit-calls", "1000", "--window", "day"}), 0);
  EXPECT_EQ(out_.str(),
            "budget  b\nlimit   1,000 calls\nwindow  day\nmode    hard\nstate   active\n");

  server_.list_budgets = [](const v1::ListBudgetsRequest& request,
                            v1::ListBudgetsResponse* response) {
    v1::Budget* budget = response->add_budgets();
    budget->set_name(request.page_token().empty() ? "budgets/a" : "budgets/b");
    budget->set_limit_nanousd(500'000'000);
    budget->mutable_window()->set_kind(v1::Window::KIND_MONTH);
    if (request.page_token().empty()) response->set_next_page_token("2");
    return grpc::Status::OK;
  };
  EXPECT_EQ(Run({"budgets", "list"}), 0);
  EXPECT_EQ(out_.str(),
            "ID  LIMIT  WINDOW  GROUP BY  SELECTOR  MODE  STATE   EXPIRES\n"
            "a   $0.50  month                       hard  active\n"
            "b   $0.50  month                       hard  active\n");

  server_.delete_budget = [](const v1::DeleteBudgetRequest& request, v1::DeleteBudgetResponse*) {
    EXPECT_EQ(request.name(), "budgets/b");
    return grpc::Status::OK;
  };
  EXPECT_EQ(Run({"budgets", "delete", "b"}), 0);
  EXPECT_EQ(out_.str(), "deleted b\n");
}

TEST_F(ProgramTest, AServersErrorNamesTheFields) {
  std::string message = "the request is malformed";
  server_.check = [&](const auto&, auto*) {
    google::rpc::BadRequest bad_request;
    auto* violation = bad_request.add_field_violations();
    violation->set_field("subject.user");
    violation->set_description("has a control character");
    google::rpc::Status details;
    details.add_details()->PackFrom(bad_request);
    return grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, message, details.SerializeAsString());
  };
  EXPECT_EQ(Run({"check", "--cost", "1"}), 2);
  EXPECT_EQ(err_.str(),
            "bursar: the request is malformed\n  subject.user: has a control character\n");
  EXPECT_EQ(out_.str(), "");

  message = "subject.user: has a control character";  // once is enough
  EXPECT_EQ(Run({"check", "--cost", "1"}), 2);
  EXPECT_EQ(err_.str(), "bursar: subject.user: has a control character\n");
}

TEST_F(ProgramTest, AnUnreachableServerIsOneSentence) {
  EXPECT_EQ(RunProgram({"status", "--endpoint", "127.0.0.1:1"}, out_, err_), 1);
  EXPECT_EQ(err_.str(),
            "bursar: cannot reach the server at 127.0.0.1:1: connection refused; start it with "
            "`bursar-server` or set BURSAR_ENDPOINT\n");
}

// A disk that is full.
struct FullDisk final : std::streambuf {
  int_type overflow(int_type) override { return traits_type::eof(); }
};

TEST_F(ProgramTest, AnAnswerThatCannotBeWrittenIsAFailure) {
  server_.status = Say<v1::GetBudgetStatusResponse>("");
  FullDisk full;
  std::ostream out(&full);
  for (const Words& words : {Words{"status"}, Words{"status", "--json"}, Words{"--version"}}) {
    out.clear();
    err_.str("");
    Words all = words;
    all.insert(all.end(), {"--endpoint", server_.endpoint()});
    EXPECT_EQ(RunProgram(all, out, err_), 1);
    EXPECT_EQ(err_.str(),
              "bursar: the answer could not be written to standard output, or not all of it\n");
  }
  server_.check = Say<v1::CheckBudgetResponse>("decision: DECISION_DENY");
  out.clear();
  EXPECT_EQ(RunProgram({"check", "--cost", "1", "--endpoint", server_.endpoint()}, out, err_), 3);
}

TEST_F(ProgramTest, AWrongWordIsNamedWithTheNearestAndExitsWith2) {
  const std::pair<Words, const char*> kCases[] = {
      {{"chekc"}, "unknown command \"chekc\"; did you mean check? (`bursar --help` shows all)"},
      {{"budgets", "craete"},
       "unknown command \"craete\"; did you mean create? (`bursar budgets --help` shows all)"},
      {{"frobnicate"},
       "unknown command \"frobnicate\"; there are check, record, run, costs, usage, runs, "
       "status, holds, events, explain, export, budgets, prices, verify, adjust or completion "
       "(`bursar --help` shows all)"},
      {{"check", "--usr=x"},
       "unknown flag --usr; did you mean --user? (`bursar check --help` shows all)"},
      {{"costs", "extra"}, "unexpected word \"extra\" (`bursar costs --help` shows all)"},
      {{"budgets"},
       "a command is missing after `bursar budgets`; there are create, list, get, update, delete, "
       "apply, raise, freeze or unfreeze "
       "(`bursar budgets --help` shows more)"},
      {{"budgets", "get"},
       "which budget? `bursar budgets get ID` with an id like run-cap would be right"},
      {{"check", "--cost", "0.1234567891"},
       "--cost: \"0.1234567891\" has more than 9 decimals; an amount in US dollars like 0.12 would "
       "be right"},
      {{"check", "--user", "a", "--user", "b"}, "--user takes one value, given once"},
      {{"check", "--user"}, "--user takes one value, given once"},
  };
  for (const auto& [words, message] : kCases) {
    out_.str("");
    err_.str("");
    EXPECT_EQ(RunProgram(words, out_, err_), 2) << message;
    EXPECT_EQ(err_.str(), "bursar: " + std::string(message) + "\n");
  }
}

TEST_F(ProgramTest, FlagsMayStandBeforeTheCommand) {
  server_.status = Say<v1::GetBudgetStatusResponse>("");
  EXPECT_EQ(RunProgram({"--endpoint", server_.endpoint(), "--json", "status"}, out_, err_), 0);
  EXPECT_EQ(out_.str(), "{\n \"budgets\": []\n}\n");
  EXPECT_EQ(Run({"status"}), 0);
  EXPECT_EQ(out_.str(), "no budget applies to this subject\n");
}

TEST_F(ProgramTest, HelpAndVersionExitWith0) {
  EXPECT_EQ(RunProgram({"check", "--help"}, out_, err_), 0);
  EXPECT_NE(out_.str().find("--max-output-tokens"), std::string::npos);
  EXPECT_EQ(RunProgram({"--version"}, out_, err_), 0);
  EXPECT_EQ(RunProgram({}, out_, err_), 2);
}

}  // namespace
}  // namespace bursar::cli
