// R8, 40 days late: usage and settlements of long ago count once, in the windows of then. The
// database's clock is set back for the past to happen, and to the present for what comes late.
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "integration/fleet.h"

namespace bursar::testing {
namespace {

// The database's clock is whatever `travel` says: its functions stand before PostgreSQL's own.
constexpr char kTravel[] = R"(
  CREATE TABLE travel AS SELECT interval '0' AS shift;
  CREATE FUNCTION public.clock_timestamp() RETURNS timestamptz VOLATILE LANGUAGE sql AS
    'SELECT pg_catalog.clock_timestamp() + shift FROM public.travel';
  CREATE FUNCTION public.now() RETURNS timestamptz STABLE LANGUAGE sql AS
    'SELECT pg_catalog.now() + shift FROM public.travel';
  DO $$ BEGIN
    EXECUTE format('ALTER DATABASE %I SET search_path = public, pg_catalog', current_database());
  END $$;)";

constexpr char kProject[] = "late";

class Late : public ::testing::Test {
 protected:
  Late() {
    const absl::Status made = fleet_.database().Connect()->ExecuteScript(kTravel);
    EXPECT_TRUE(made.ok()) << made;
    TravelTo("-40 days");
    fleet_.Add();
    then_ = absl::FromUnixSeconds(fleet_.Number("SELECT extract(epoch FROM now())::bigint"));
    EXPECT_NEAR(absl::ToDoubleHours(absl::Now() - then_), 40 * 24, 1) << "the clock must be back";
    for (const auto kind :
         {v1::Window::KIND_DAY, v1::Window::KIND_MONTH, v1::Window::KIND_LIFETIME}) {
      v1::Budget budget = OfProject(LifetimeBudget(100 * kUsd), kProject);
      budget.mutable_window()->set_kind(kind);
      const auto status = fleet_.client(0).CreateBudget(absl::StrCat("b", kind), budget);
      EXPECT_TRUE(status.ok()) << status.error_message();
    }
  }

  void TravelTo(const std::string& shift) {
    fleet_.Sql("UPDATE travel SET shift = '" + shift + "'");
  }
  // The present, with a replica that saw nothing of the past beside the one that made it.
  void ComeBack() {
    TravelTo("0");
    fleet_.Add();
  }

  void Check(const std::string& id, int ttl_seconds) {
    auto request = CheckOf(id, 30 * kCent);
    request.mutable_subject()->set_project(kProject);
    request.mutable_ttl()->set_seconds(ttl_seconds);
    v1::CheckBudgetResponse response;
    const grpc::Status status = fleet_.client(0).Check(request, response);
    ASSERT_TRUE(status.ok()) << status.error_message();
    ASSERT_EQ(response.decision(), v1::DECISION_ALLOW) << response.message();
  }
  void ExpectState(const std::string& id, const std::string& state) {
    const std::string sql = "SELECT state FROM reservation WHERE request_id = '" + id + "'";
    const absl::Time until = absl::Now() + absl::Seconds(20);
    while (fleet_.Sql(sql) != state && absl::Now() < until) absl::SleepFor(absl::Milliseconds(20));
    EXPECT_EQ(fleet_.Sql(sql), state) << id;
  }
  void ChargeOnExpiry(bool charge) {
    fleet_.Sql(absl::StrCat("UPDATE tenant SET budget_epoch = budget_epoch + 1, ",
                            "charge_on_expiry = ", charge ? "true" : "false"));
  }
  v1::RecordUsageRequest Using(const std::string& id, int64_t cost_nanousd) {
    auto request = RecordOf(id, cost_nanousd);
    request.mutable_subject()->set_project(kProject);
    return request;
  }
  v1::RecordUsageRequest UsingAt(const std::string& id, int64_t cost_nanousd, absl::Time time) {
    auto request = Using(id, cost_nanousd);
    request.mutable_occur_time()->set_seconds(absl::ToUnixSeconds(time));
    return request;
  }

  // Records it, then sends it again through every replica, and another under its id.
  v1::RecordUsageResponse RecordOnce(const v1::RecordUsageRequest& request, bool replayed = false) {
    v1::RecordUsageResponse first, again;
    const grpc::Status status = fleet_.client(calls_++).Record(request, first);
    EXPECT_TRUE(status.ok()) << status.error_message();
    EXPECT_EQ(first.replayed(), replayed) << request.usage_id();
    auto other = request;
    other.set_cost_nanousd(request.cost_nanousd() + 1);
    for (size_t replica = 0; replica < fleet_.size(); ++replica) {
      EXPECT_TRUE(fleet_.client(replica).Record(request, again).ok());
      EXPECT_TRUE(again.replayed());
      EXPECT_EQ(again.cost_nanousd(), request.cost_nanousd());
      EXPECT_EQ(fleet_.client(replica).Record(other, again).error_code(),
                grpc::StatusCode::ALREADY_EXISTS);
    }
    return first;
  }

  // Of the windows of then, by kind: what is spent; and that nothing at all is in those of now.
  void ExpectSpentThen(int64_t nanousd) {
    for (const char* kind : {"4", "6"}) {  // day, month
      const std::string of_kind = absl::StrCat(
          "SELECT coalesce(sum(spent), 0) || ' ' || coalesce(sum(reserved), 0) FROM counter "
          "JOIN budget ON uid = budget_uid WHERE window_kind = ",
          kind, " AND window_end ");
      EXPECT_EQ(fleet_.Sql(of_kind + "<= now()"), absl::StrCat(nanousd, " 0"));
      EXPECT_EQ(fleet_.Sql(of_kind + "> now()"), "0 0");
    }
    EXPECT_EQ(fleet_.Sql("SELECT spent || ' ' || reserved FROM counter JOIN budget ON uid = "
                         "budget_uid WHERE window_kind = 1 AND budget_id <> 'run-cap'"),
              absl::StrCat(nanousd, " 0"));
    ExpectInTheirPlaces();
    ExpectQueried(nanousd);
    fleet_.ExpectConserved();
    ExpectVerified();
  }

  // Each record's counters are those of windows that hold its time, one of each budget; each lies
  // in the partition of the month that received it.
  void ExpectInTheirPlaces() {
    EXPECT_EQ(fleet_.Sql("SELECT count(*) FROM usage_record, unnest(charged_counters) AS charged "
                         "JOIN counter ON counter.id = charged "
                         "WHERE charge_time < window_start OR charge_time >= window_end"),
              "0");
    EXPECT_EQ(fleet_.Sql("SELECT count(*) FROM usage_record "
                         "WHERE (SELECT count(DISTINCT budget_uid) FROM counter "
                         "WHERE counter.id = ANY (charged_counters)) <> 3"),
              "0");
    EXPECT_EQ(fleet_.Sql("SELECT count(*) FROM usage_record WHERE tableoid::regclass::text <> "
                         "'usage_record_' || to_char(receive_time AT TIME ZONE 'UTC', 'YYYY_MM')"),
              "0");
  }

  // What QueryCosts says of those days, and that it knows of nothing later.
  void ExpectQueried(int64_t nanousd) {
    for (const bool long_ago : {true, false}) {
      const absl::Time start = long_ago ? then_ - absl::Hours(24 * 6) : then_ + absl::Hours(24);
      v1::QueryCostsRequest request;
      request.mutable_start_time()->set_seconds(absl::ToUnixSeconds(start));
      if (long_ago) {
        request.mutable_end_time()->set_seconds(absl::ToUnixSeconds(then_ + absl::Hours(24)));
      }
      v1::QueryCostsResponse response;
      const grpc::Status status = fleet_.client(1).Query(request, response);
      ASSERT_TRUE(status.ok()) << status.error_message();
      EXPECT_EQ(response.total().cost_nanousd(), long_ago ? nanousd : 0);
    }
  }

  void ExpectVerified() {
    v1::VerifyLedgerRequest request;
    do {
      v1::VerifyLedgerResponse response;
      ASSERT_TRUE(fleet_.client(1).Call(&Admin::VerifyLedger, request, response).ok());
      for (const auto& breach : response.breaches()) ADD_FAILURE() << breach.message();
      request.set_page_token(response.next_page_token());
    } while (!request.page_token().empty());
  }

  Fleet fleet_{0};
  absl::Time then_;
  size_t calls_ = 0;
};

TEST_F(Late, UsageOf40DaysAgoCountsOnceInTheWindowsOfThen) {
  const auto known = Using("received then", 1 * kCent);
  EXPECT_FALSE(RecordOnce(known).late());
  ComeBack();
  EXPECT_EQ(fleet_.Sql("SELECT tableoid::regclass FROM usage_record"),
            absl::FormatTime("usage_record_%Y_%m", then_, absl::UTCTimeZone()));
  RecordOnce(known, /*replayed=*/true);  // its id is found in the partition of then
  EXPECT_FALSE(RecordOnce(UsingAt("told of now", 2 * kCent, then_)).late());
  v1::AdjustUsageRequest adjust;
  adjust.set_adjustment_id("a");
  adjust.set_usage_id("received then");
  adjust.set_cost_nanousd(5 * kCent);
  adjust.set_reason("the bill came");
  for (int i = 0; i < 2; ++i) {
    v1::AdjustUsageResponse adjusted;
    const grpc::Status status = fleet_.client(i).Call(&Admin::AdjustUsage, adjust, adjusted);
    ASSERT_TRUE(status.ok()) << status.error_message();
    EXPECT_EQ(adjusted.delta_nanousd(), 4 * kCent);
  }
  ExpectSpentThen(7 * kCent);
  EXPECT_EQ(fleet_.Sql("SELECT count(*) FROM usage_record"), "3");
}

TEST_F(Late, ASettlementOfAReservationOf40DaysAgoCountsOnceInTheWindowsOfThen) {
  ChargeOnExpiry(true);
  Check("charged", 1);
  ExpectState("charged", "4");
  ChargeOnExpiry(false);
  Check("expired", 1);
  ExpectState("expired", "4");
  for (const char* id : {"released", "settled", "forgotten"}) Check(id, 24 * 3600);
  v1::ReleaseReservationResponse released;
  ASSERT_TRUE(fleet_.client(0).Release("released", released).ok());
  RecordOnce(RecordOf("earlier", 5 * kCent, "settled"));
  ComeBack();
  ExpectState("forgotten", "4");  // its time ended when the clock jumped
  int64_t spent = 5 * kCent;
  for (const std::string id : {"charged", "expired", "released", "settled", "forgotten"}) {
    const auto recorded = RecordOnce(RecordOf("used " + id, 40 * kCent, id));
    EXPECT_EQ(recorded.late(), id != "settled") << id;
    EXPECT_EQ(recorded.overrun_nanousd(), 40 * kCent) << id;
    EXPECT_EQ(recorded.released_nanousd(), 0) << id;
    spent += 40 * kCent;
  }
  ExpectSpentThen(spent);
  EXPECT_EQ(fleet_.Sql("SELECT count(*) FROM usage_record r JOIN reservation v ON reservation_id = "
                       "request_id WHERE charge_time = v.create_time"),
            fleet_.Sql("SELECT count(*) FROM usage_record"));
  EXPECT_EQ(fleet_.Sql("SELECT string_agg(usage_id || ' ' || cost_nanousd / 10000000, ', ' ORDER "
                       "BY usage_id) FROM usage_record WHERE usage_id NOT LIKE 'used %'"),
            "correction:charged -30, earlier 5, expiry:charged 30");
}

TEST_F(Late, WhatIsOlderThan45DaysIsOutOfRangeAndChangesNothing) {
  Check("hold", 1);
  ExpectState("hold", "4");
  ComeBack();
  const absl::Time horizon = absl::Now() - absl::Hours(24 * 45);
  RecordOnce(UsingAt("just in time", 3 * kCent, horizon + absl::Minutes(1)));
  auto settling = UsingAt("too late for its hold", kCent, horizon - absl::Minutes(1));
  settling.set_reservation_id("hold");
  for (const auto& request : {UsingAt("too late", kCent, horizon - absl::Minutes(1)), settling}) {
    for (size_t replica = 0; replica < fleet_.size(); ++replica) {
      v1::RecordUsageResponse response;
      const grpc::Status status = fleet_.client(replica).Record(request, response);
      EXPECT_EQ(status.error_code(), grpc::StatusCode::OUT_OF_RANGE) << status.error_message();
      EXPECT_NE(status.error_message().find("horizon"), std::string::npos);
    }
  }
  EXPECT_EQ(fleet_.Sql("SELECT count(*) || ' ' || (SELECT count(*) FROM usage_id) "
                       "FROM usage_record"),
            "1 1");
  ExpectSpentThen(3 * kCent);
  // The id is free: what was refused can still be told rightly.
  settling.clear_occur_time();
  EXPECT_TRUE(RecordOnce(settling).late());
  ExpectSpentThen(4 * kCent);
}

}  // namespace
}  // namespace bursar::testing
