// What an operator looks at: holds, events, status of a budget, explain, verify.
#include "cli/events_command.h"
#include "cli/holds_command.h"
#include "cli/period.h"
#include "cli/program_fixture.h"

namespace bursar::cli {
namespace {

using OperatorTest = ProgramTest;

constexpr char kHold[] = R"pb(
  reservations {
    id: "r-1"
    state: STATE_ACTIVE
    subject {
      user: "carol"
      run: "run-1"
      root_run: "run-1"
      labels { key: "env" value: "prod" }
    }
    model { provider: "openai" name: "gpt-4o" }
    reserved_nanousd: 12500000
    reserved_tokens: 1300
    create_time { seconds: 1795356000 }
    expire_time { seconds: 1795356300 }
    price_version: "default-2026-08-21"
    max_output_tokens: 100
  }
)pb";

TEST_F(OperatorTest, HoldsAsksWithItsFlagsAsFiltersAndPrintsATable) {
  std::string sent;
  server_.reservations = [&](const v1::ListReservationsRequest& request,
                             v1::ListReservationsResponse* response) {
    sent = request.ShortDebugString();
    EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(kHold, response));
    response->set_next_page_token("2");
    return grpc::Status::OK;
  };
  EXPECT_EQ(Run({"holds", "--user", "carol", "--root-run", "r", "--label", "env=prod", "--model",
                 "openai/gpt-4o", "--budget", "budgets/user-day", "--limit", "1"}),
            0)
      << err_.str();
  EXPECT_EQ(sent,
            "filters { dimension: \"user\" values: \"carol\" } "
            "filters { dimension: \"root_run\" values: \"r\" } "
            "filters { dimension: \"label:env\" values: \"prod\" } "
            "filters { dimension: \"provider\" values: \"openai\" } "
            "filters { dimension: \"model\" values: \"gpt-4o\" } "
            "filters { dimension: \"budget\" values: \"user-day\" } "
            "state: STATE_ACTIVE page_size: 1");
  EXPECT_EQ(
      out_.str(),
      "REQUEST  STATE      HELD  TOKENS  SINCE                    EXPIRES                  MODEL  "
      "        WHO\n"
      "r-1      active  $0.0125   1,300  2026-11-22 14:00:00 UTC  2026-11-22 14:05:00 UTC  "
      "openai/gpt-4o  user=carol, run=run-1, label:env=prod\n"
      "there are more rows; --limit N shows up to 10000\n");
}

TEST_F(OperatorTest, HoldsReadsPageAfterPageUpToItsLimit) {
  std::vector<int> sizes;
  server_.reservations = [&](const v1::ListReservationsRequest& request,
                             v1::ListReservationsResponse* response) {
    sizes.push_back(request.page_size());
    EXPECT_EQ(request.page_token(), sizes.size() == 1 ? "" : "p" + std::to_string(sizes.size()));
    for (int i = 0; i < std::min(request.page_size(), 400); ++i) response->add_reservations();
    response->set_next_page_token("p" + std::to_string(sizes.size() + 1));
    return grpc::Status::OK;
  };
  EXPECT_EQ(Run({"holds", "--state", "all", "--limit", "900", "--json"}), 0);
  EXPECT_EQ(sizes, (std::vector<int>{500, 500, 100}));
  EXPECT_NE(out_.str().find("\"nextPageToken\": \"p4\""), std::string::npos);
}

TEST_F(OperatorTest, EventsAsksForTheLastDayUnlessToldOtherwise) {
  const absl::Time now = *ParseTime("2026-11-22T14:00:00Z", absl::UTCTimeZone());
  const auto request = [&](Words words) {
    CLI::App app;
    EventsCommand command(app);
    words.insert(words.begin(), "events");
    app.parse(Words(words.rbegin(), words.rend()));
    const auto made = command.Request(now);
    return made.ok() ? made->ShortDebugString() : made.status().message();
  };
  EXPECT_EQ(request({}), "start_time { seconds: 1795269600 }");
  EXPECT_EQ(request({"--since", "7d"}), "start_time { seconds: 1794751200 }");
  EXPECT_EQ(request({"--from", "2026-11-01", "--to", "2026-11-02", "--kind", "Threshold_Crossed",
                     "--budget", "b", "--team", "t"}),
            "start_time { seconds: 1793491200 } end_time { seconds: 1793577600 } "
            "filters { dimension: \"kind\" values: \"THRESHOLD_CROSSED\" } "
            "filters { dimension: \"team\" values: \"t\" } "
            "filters { dimension: \"budget\" values: \"b\" }");
  EXPECT_EQ(request({"--from", "2026-11-02", "--to", "2026-11-02"}),
            "the range ends (2026-11-02 00:00 UTC) before it starts (2026-11-02 00:00 UTC)");
}

constexpr char kDenial[] = R"pb(
  events {
    event_time { seconds: 1795356000 }
    kind: "DENIED"
    subject { user: "carol" }
    model { provider: "openai" name: "gpt-4o" }
    status {
      budget: "budgets/user-day"
      group { key: "user" value: "carol" }
      unit: UNIT_COST
      limit: 1000000000
      spent: 900000000
    }
    reason: "BUDGET_EXHAUSTED"
    count: 12
    request_id: "r-9"
    message: "user-day is full"
    amount: 200000000
  }
)pb";

TEST_F(OperatorTest, EventsPrintsATable) {
  server_.events = Say<v1::ListCostEventsResponse>(std::string(kDenial) + R"pb(
    events {
      event_time { seconds: 1795356001 }
      kind: "THRESHOLD_CROSSED"
      status { unit: UNIT_CALLS }
      count: 1
      message: "over 75 %"
      amount: 80
    })pb");
  EXPECT_EQ(Run({"events"}), 0) << err_.str();
  EXPECT_EQ(out_.str(),
            "TIME                     KIND               COUNT    AMOUNT  REQUEST  MESSAGE\n"
            "2026-11-22 14:00:00 UTC  denied                12     $0.20  r-9      user-day is "
            "full\n"
            "2026-11-22 14:00:01 UTC  threshold-crossed      1  80 calls           over 75 %\n");
  server_.events = Say<v1::ListCostEventsResponse>("");
  EXPECT_EQ(Run({"events"}), 0);
  EXPECT_EQ(out_.str(), "no such event\n");
}

TEST_F(OperatorTest, StatusOfABudgetShowsItsCountersFullestFirst) {
  std::string sent;
  server_.budget_statuses = [&](const v1::ListBudgetStatusesRequest& request,
                                v1::ListBudgetStatusesResponse* response) {
    sent = request.ShortDebugString();
    EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(
        R"pb(statuses {
               budget: "budgets/user-day"
               group { key: "user" value: "carol" }
               unit: UNIT_COST
               limit: 1000000000
               spent: 950000000
               remaining: 50000000
               used_fraction: 0.95
             })pb",
        response));
    return grpc::Status::OK;
  };
  EXPECT_EQ(Run({"status", "--budget", "user-day", "--min-used", "0.8"}), 0) << err_.str();
  EXPECT_EQ(sent, "name: \"budgets/user-day\" min_used_fraction: 0.8 page_size: 100");
  EXPECT_EQ(out_.str(),
            "    BUDGET    GROUP         USED  SPENT   HELD   LEFT  LIMIT  WINDOW ENDS\n"
            "!!  user-day  user=carol  95.0 %  $0.95  $0.00  $0.05  $1.00  never\n");
  server_.budget_statuses = Say<v1::ListBudgetStatusesResponse>("");
  EXPECT_EQ(Run({"status", "--budget", "user-day"}), 0);
  EXPECT_EQ(out_.str(), "no counter of user-day is that full in its window\n");
}

TEST_F(OperatorTest, VerifyReadsAllPagesAddsUpAndFindsNothing) {
  std::string tokens;
  server_.verify = [&](const v1::VerifyLedgerRequest& request, v1::VerifyLedgerResponse* response) {
    EXPECT_EQ(request.page_size(), 7);
    tokens += request.page_token() + ";";
    response->set_counters(1);
    response->set_reservations(60'000);
    response->set_records(1'000);
    if (tokens != ";a;") response->set_next_page_token("a");
    return grpc::Status::OK;
  };
  EXPECT_EQ(Run({"verify", "--page-size", "7"}), 0) << err_.str();
  EXPECT_EQ(tokens, ";a;");
  EXPECT_EQ(out_.str(), "2 counters, 120,000 reservations and 2,000 records checked: no breach\n");
  EXPECT_EQ(err_.str(),
            "2 counters, 120,000 reservations and 2,000 records checked: no breach so far\n");
}

TEST_F(OperatorTest, VerifyNamesEachBreachAndExitsWith1) {
  int calls = 0;
  server_.verify = [&](const auto&, v1::VerifyLedgerResponse* response) {
    response->set_counters(1);
    v1::LedgerBreach* breach = response->add_breaches();
    breach->set_invariant(++calls % 2 == 1 ? "I4" : "I5");
    breach->set_message("counter " + std::to_string(calls) + " is wrong");
    if (calls % 2 == 1) response->set_next_page_token("next");
    return grpc::Status::OK;
  };
  EXPECT_EQ(Run({"verify"}), 1);
  EXPECT_EQ(out_.str(),
            "I4  counter 1 is wrong\nI5  counter 2 is wrong\n"
            "2 counters, 0 reservations and 0 records checked: 2 breaches\n");
  EXPECT_EQ(Run({"verify", "--json"}), 1);
  EXPECT_EQ(out_.str(), R"({
 "counters": "2",
 "reservations": "0",
 "records": "0",
 "breaches": [
  {
   "invariant": "I4",
   "message": "counter 3 is wrong"
  },
  {
   "invariant": "I5",
   "message": "counter 4 is wrong"
  }
 ],
 "nextPageToken": ""
}
)");
}

TEST_F(OperatorTest, VerifyThatBreaksOffSaysHowFarItCame) {
  server_.verify = [](const v1::VerifyLedgerRequest& request, v1::VerifyLedgerResponse* response) {
    if (!request.page_token().empty()) return grpc::Status(grpc::StatusCode::INTERNAL, "broken");
    response->set_counters(5);
    response->set_next_page_token("next");
    return grpc::Status::OK;
  };
  EXPECT_EQ(Run({"verify"}), 1);
  EXPECT_EQ(err_.str(),
            "bursar: broken off; until then 5 counters, 0 reservations and 0 records checked: no "
            "breach\nbursar: broken\n");
}

TEST_F(OperatorTest, ExplainsAnAdmittedCheck) {
  server_.reservations = [](const v1::ListReservationsRequest& request,
                            v1::ListReservationsResponse* response) {
    EXPECT_EQ(request.ShortDebugString(),
              "filters { dimension: \"request_id\" values: \"r-1\" } page_size: 1");
    EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(kHold, response));
    return grpc::Status::OK;
  };
  server_.events = Say<v1::ListCostEventsResponse>("");
  server_.status = [](const v1::GetBudgetStatusRequest& request,
                      v1::GetBudgetStatusResponse* response) {
    EXPECT_EQ(request.subject().user(), "carol");
    EXPECT_EQ(request.model().name(), "gpt-4o");
    v1::BudgetStatus* status = response->add_budgets();
    status->set_budget("budgets/b");
    return grpc::Status::OK;
  };
  EXPECT_EQ(Run({"explain", "r-1"}), 0) << err_.str();
  EXPECT_EQ(out_.str(),
            "request         r-1\n"
            "decision        admitted\n"
            "when            2026-11-22 14:00:00 UTC\n"
            "state           active: it holds until it is settled or released, at the latest until "
            "2026-11-22 14:05:00 UTC\n"
            "held            $0.0125 and 1,300 tokens\n"
            "output covered  100 tokens\n"
            "model           openai/gpt-4o\n"
            "priced by       default-2026-08-21\n"
            "who             user=carol, run=run-1, label:env=prod\n"
            "\n"
            "Where its budgets stand now\n"
            "  BUDGET  GROUP   USED  SPENT   HELD   LEFT  LIMIT  WINDOW ENDS\n"
            "  b              0.0 %  $0.00  $0.00  $0.00  $0.00  never\n");
}

TEST_F(OperatorTest, ExplainsADenialWithTheCommandLineThatMendsIt) {
  std::vector<std::string> asked;
  server_.reservations = [&](const v1::ListReservationsRequest& request,
                             v1::ListReservationsResponse* response) {
    asked.push_back(request.ShortDebugString());
    if (request.state() != v1::Reservation::STATE_ACTIVE) return grpc::Status::OK;
    response->add_reservations()->mutable_expire_time()->set_seconds(1795356900);
    response->add_reservations()->mutable_expire_time()->set_seconds(1795356300);
    return grpc::Status::OK;
  };
  server_.events = [](const v1::ListCostEventsRequest& request,
                      v1::ListCostEventsResponse* response) {
    EXPECT_EQ(request.filters(0).ShortDebugString(), "dimension: \"request_id\" values: \"r-9\"");
    EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(kDenial, response));
    return grpc::Status::OK;
  };
  server_.status = Say<v1::GetBudgetStatusResponse>(R"pb(
    budgets {
      budget: "budgets/user-day"
      group { key: "user" value: "carol" }
      unit: UNIT_COST
      mode: ENFORCEMENT_MODE_HARD
      limit: 1000000000
      spent: 700000000
      reserved: 200000000
      remaining: 100000000
      used_fraction: 0.9
      window_end_time { seconds: 1795392000 }
    })pb");
  EXPECT_EQ(Run({"explain", "r-9"}), 0) << err_.str();
  EXPECT_EQ(
      out_.str(),
      "request   r-9\n"
      "decision  denied\n"
      "when      2026-11-22 14:00:00 UTC, as one of 12 alike that are kept as one\n"
      "reason    BUDGET_EXHAUSTED\n"
      "message   user-day is full\n"
      "needed    $0.20\n"
      "model     openai/gpt-4o\n"
      "who       user=carol\n"
      "\n"
      "What would let it through\n"
      "- raise the limit of user-day for user=carol from $1.00 to at least $1.10: bursar budgets "
      "raise user-day --group user=carol --to 1.10 --for 4h --reason WHY\n"
      "- wait until calls under way are settled: they hold $0.20 of user-day for user=carol, and "
      "the first hold expires at 2026-11-22 14:05:00 UTC: bursar holds --budget user-day --user "
      "carol\n"
      "- wait until the window of user-day for user=carol ends at 2026-11-23 00:00:00 UTC\n"
      "- ask for less: $0.10 is left of user-day for user=carol\n"
      "\n"
      "Where its budgets stand now\n"
      "    BUDGET    GROUP         USED  SPENT   HELD   LEFT  LIMIT  WINDOW ENDS\n"
      "!!  user-day  user=carol  90.0 %  $0.70  $0.20  $0.10  $1.00  2026-11-23 00:00 UTC\n");
  ASSERT_EQ(asked.size(), 2u);
  EXPECT_EQ(asked[1],
            "filters { dimension: \"budget\" values: \"user-day\" } filters { dimension: \"user\" "
            "values: \"carol\" } state: STATE_ACTIVE page_size: 500");
  EXPECT_EQ(Run({"explain", "r-9", "--json"}), 0);
  EXPECT_EQ(out_.str().find("{\n \"requestId\": \"r-9\",\n \"decision\": \"DENIED\",\n"
                            " \"reservation\": null,\n \"events\": [\n"),
            0u);
  EXPECT_NE(out_.str().find("\"remedies\": [\n  \"raise the limit"), std::string::npos);
  EXPECT_NE(out_.str().find("\"limit\": \"1000000000\""), std::string::npos);
}

TEST_F(OperatorTest, ExplainLooksWhetherABudgetStillIsFrozen) {
  server_.reservations = Say<v1::ListReservationsResponse>("");
  server_.events = Say<v1::ListCostEventsResponse>(
      R"pb(events {
             kind: "DENIED"
             reason: "BUDGET_FROZEN"
             status { budget: "budgets/b" }
           })pb");
  server_.status = Say<v1::GetBudgetStatusResponse>("");
  server_.get_budget = [](const v1::GetBudgetRequest& request, v1::GetBudgetResponse* response) {
    EXPECT_EQ(request.name(), "budgets/b");
    response->mutable_budget()->set_state(v1::Budget::STATE_FROZEN);
    return grpc::Status::OK;
  };
  EXPECT_EQ(Run({"explain", "r-9"}), 0) << err_.str();
  EXPECT_NE(out_.str().find("bursar budgets unfreeze b"), std::string::npos);
  server_.get_budget = [](const auto&, auto*) {
    return grpc::Status(grpc::StatusCode::NOT_FOUND, "deleted");
  };
  EXPECT_EQ(Run({"explain", "r-9"}), 0) << err_.str();
  EXPECT_NE(out_.str().find("b is no longer frozen"), std::string::npos);
}

TEST_F(OperatorTest, ExplainSaysWhereNothingIsKept) {
  server_.reservations = Say<v1::ListReservationsResponse>("");
  server_.events = Say<v1::ListCostEventsResponse>("");
  EXPECT_EQ(Run({"explain", "r-0"}), 1);
  EXPECT_EQ(out_.str(), "");
  EXPECT_EQ(err_.str().find("bursar: nothing is kept under the request id \"r-0\": "), 0u);
}

TEST_F(OperatorTest, RefusesWrongWordsInOneSentence) {
  const std::pair<Words, const char*> kCases[] = {
      {{"holds", "--state", "done"},
       "--state: \"done\" is unknown; one of active, settled, released, expired, all would be "
       "right"},
      {{"holds", "--budget", "b", "--state", "settled"},
       "--budget shows who holds there now, and what is settled holds nothing; --state active "
       "would be right"},
      {{"holds", "--limit", "0"}, "--limit: \"0\" is out of range; 1 to 10000 rows would be right"},
      {{"events", "--kind", "odd"},
       "--kind: \"odd\" is unknown; one of denied, threshold-crossed, overrun, expired, late would "
       "be right"},
      {{"events", "--since", "1h", "--from", "2026-11-01"}, "--since excludes --from"},
      {{"events", "--from", "soon"},
       "--from: \"soon\" is no time; 2026-11-22, 2026-11-22T14:30 or 2026-11-22T14:30:00Z would be "
       "right"},
      {{"status", "--budget", "b", "--user", "carol"},
       "--budget shows all counters of one budget, and who spends shows all budgets of one "
       "subject; one of them would be right"},
      {{"status", "--min-used", "0.8"},
       "--min-used needs --budget; --budget user-day --min-used 0.8 would be right"},
      {{"status", "--limit", "8"},
       "--limit needs --budget; --budget user-day --limit 10 would be right"},
      {{"status", "--budget", "b", "--min-used", "most"},
       "--min-used: \"most\" is no fraction; 0.8 for 80 % would be right"},
      {{"explain"}, "which check? `bursar explain REQUEST_ID` would be right"},
      {{"verify", "--page-size", "ten"},
       "--page-size: \"ten\" is no whole number; digits like 1200 would be right"},
  };
  for (const auto& [words, message] : kCases) {
    EXPECT_EQ(Run(words), 2) << message;
    EXPECT_EQ(err_.str(), "bursar: " + std::string(message) + "\n");
    EXPECT_EQ(out_.str(), "");
  }
}

}  // namespace
}  // namespace bursar::cli
