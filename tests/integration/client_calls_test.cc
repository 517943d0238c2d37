// The client library's guards against the real server: holds that outlive their ttl, streams that
// are told to stop, exceptions, steps that settle and check in one call, runs within runs.
#include <bursar/client.h>
#include <gtest/gtest.h>

#include <stdexcept>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "integration/fleet.h"

namespace bursar::testing {
namespace {

using namespace std::chrono_literals;

class ClientCalls : public ::testing::Test {
 protected:
  ClientCalls() {
    EXPECT_TRUE(fleet_.client(0).CreateBudget("all", LifetimeBudget(kUsd)).ok());
    ClientOptions options;
    options.endpoint = fleet_.server(0).address();
    options.check_timeout = 5s;  // the machine may be busy
    client_.emplace(*Client::Connect(options));
  }
  static CheckRequest Ask(const std::string& id, int64_t cost = kCent) {
    return {.request_id = id,
            .subject = {.user = "ada"},
            .model = {.provider = "openai", .name = "gpt-4o"},
            .cost_nanousd = cost};
  }
  std::string Recorded(const std::string& column, const std::string& reservation) {
    EXPECT_TRUE(client_->Flush(30s).ok());
    return fleet_.Sql(absl::StrCat("SELECT ", column, " FROM usage_record WHERE reservation_id = '",
                                   reservation, "'"));
  }

  Fleet fleet_{1};
  std::optional<Client> client_;
};

TEST_F(ClientCalls, AGuardKeepsItsHoldBeyondItsTtl) {
  CheckRequest request = Ask("long");
  request.ttl = 1s;
  Guard guard(*client_, request);
  ASSERT_TRUE(guard.allowed()) << guard.why_not();
  std::this_thread::sleep_for(2500ms);
  EXPECT_TRUE(guard.extension().ok()) << guard.extension().ToString();
  EXPECT_EQ(fleet_.Sql("SELECT state FROM reservation WHERE request_id = 'long'"), "1");
  const auto settled = guard.Settle({.cost_nanousd = kCent});
  ASSERT_TRUE(settled.ok()) << settled.status().ToString();
  EXPECT_FALSE(settled->late);
}

TEST_F(ClientCalls, AStreamThatUsesMoreThanTheBudgetIsToldToStopAndCountsInFull) {
  Guard guard(*client_, Ask("stream"));
  ASSERT_TRUE(guard.allowed()) << guard.why_not();
  TokenUsage used;
  const absl::Time end = absl::Now() + absl::Seconds(20);
  while (!guard.should_stop() && absl::Now() < end) {
    used.visible_output_tokens += 20'000;  // $10 for a million: $0.20 each
    guard.Observe(used);
    std::this_thread::sleep_for(20ms);
  }
  EXPECT_TRUE(guard.should_stop()) << guard.extension().ToString();
  EXPECT_TRUE(guard.Settle(used).ok());
  EXPECT_EQ(Recorded("visible_output_tokens", "stream"), absl::StrCat(used.visible_output_tokens));
  EXPECT_FALSE(Guard(*client_, Ask("next")).allowed());
}

TEST_F(ClientCalls, AnExceptionLeavesWhatWasObservedOrTheWholeHold) {
  EXPECT_THROW(
      {
        Guard guard(*client_, Ask("broken"));
        guard.Observe({.visible_output_tokens = 1000});
        throw std::runtime_error("the stream broke");
      },
      std::runtime_error);
  EXPECT_THROW(
      (void)client_->Track(Ask("blind", 7 * kCent), [] { throw std::runtime_error("no idea"); }),
      std::runtime_error);
  EXPECT_EQ(Recorded("outcome || ' ' || cost_nanousd", "broken"), "3 10000000");
  EXPECT_EQ(Recorded("outcome || ' ' || cost_nanousd", "blind"), absl::StrCat("5 ", 7 * kCent));
  fleet_.ExpectConserved();
}

TEST_F(ClientCalls, ASettlementThatTheServerRefusesChargesItsHoldAllTheSame) {
  for (const std::string& id : {std::string("long"), std::string("no-utf8")}) {
    const std::string what = id == "long" ? std::string(5000, 'x') : "\xff";
    EXPECT_THROW((void)client_->Track(Ask(id, 7 * kCent), [&] { throw std::runtime_error(what); }),
                 std::runtime_error);
  }
  const ProviderUsage unreadable{"chat", R"({"usage": "none"})"};
  EXPECT_TRUE(client_->Track(Ask("usage", 7 * kCent), [&] { return unreadable; }).ok());
  RecordRequest with_long_step{.cost_nanousd = 2 * kCent, .step = std::string(300, 's')};
  EXPECT_TRUE(client_->Track(Ask("step", 7 * kCent), [&] { return with_long_step; }).ok());
  RecordRequest without_json{.cost_nanousd = 3 * kCent, .metadata_json = "[1]"};
  EXPECT_TRUE(client_->Track(Ask("json", 7 * kCent), [&] { return without_json; }).ok());
  EXPECT_EQ(client_->Flush(30s).code(), StatusCode::kDataLoss);  // of what was wrong in them
  EXPECT_EQ(fleet_.Sql("SELECT string_agg(reservation_id || ' ' || cost_nanousd / 10000000, ', ' "
                       "ORDER BY reservation_id) FROM usage_record"),
            "json 3, long 7, no-utf8 7, step 2, usage 7");
  EXPECT_EQ(fleet_.Sql("SELECT spent || ' ' || reserved FROM counter"),
            absl::StrCat(26 * kCent, " 0"));
  fleet_.ExpectConserved();
}

TEST_F(ClientCalls, WhatWasNotSentIsFree) {
  EXPECT_THROW(
      {
        Guard guard(*client_, Ask("unsent"));
        guard.NotSent();
        throw std::runtime_error("no such host");
      },
      std::runtime_error);
  EXPECT_EQ(Recorded("count(*)", "unsent"), "0");
  EXPECT_EQ(fleet_.Sql("SELECT spent || ' ' || reserved FROM counter"), "0 0");
}

TEST_F(ClientCalls, StepsSettleAndCheckInOneCallAndSubAgentsShareTheirRoot) {
  CheckRequest first = Ask("step-1");
  first.subject.run = "planner";
  {
    Guard step(*client_, first);
    ASSERT_TRUE(step.allowed()) << step.why_not();
    Guard next = step.Next({.cost_nanousd = 2 * kCent}, Ask("step-2"));
    EXPECT_TRUE(step.settled());
    ASSERT_TRUE(next.allowed()) << next.why_not();
    EXPECT_EQ(next.check()->settled.at(0)->cost_nanousd, 2 * kCent);
    CheckRequest of_a_sub_agent = Ask("sub-1");
    of_a_sub_agent.subject.run = "coder";
    Guard sub(*client_, of_a_sub_agent);
    EXPECT_TRUE(sub.Settle({.cost_nanousd = kCent}).ok());
    EXPECT_TRUE(next.Settle({.cost_nanousd = kCent}).ok());
  }
  EXPECT_EQ(fleet_.Sql("SELECT string_agg(run || '<' || root_run, ' ' ORDER BY reservation_id) "
                       "FROM usage_record"),
            "planner<planner planner<planner coder<planner");
  EXPECT_EQ(fleet_.Sql("SELECT count(DISTINCT trace_id) FROM usage_record"), "1");
  fleet_.ExpectConserved();
}

}  // namespace
}  // namespace bursar::testing
