// VerifyLedger on the real server: quiet on a right ledger however busy it is, and it names every
// kind of breach.
#include <gtest/gtest.h>

#include <atomic>
#include <iostream>
#include <set>
#include <thread>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "integration/fleet.h"

namespace bursar::testing {
namespace {

struct Verified {
  int64_t counters = 0, reservations = 0, records = 0;
  int pages = 0;
  std::vector<std::string> breaches;  // "I5 counter ..."

  bool Names(const std::string& invariant, const std::string& text) const {
    for (const auto& breach : breaches) {
      if (absl::StartsWith(breach, invariant + " ") && absl::StrContains(breach, text)) return true;
    }
    return false;
  }
};

Verified Verify(RpcClient& client, int page_size) {
  Verified verified;
  v1::VerifyLedgerRequest request;
  request.set_page_size(page_size);
  do {
    v1::VerifyLedgerResponse response;
    const grpc::Status status = client.Call(&Admin::VerifyLedger, request, response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    if (!status.ok()) return verified;
    const int rows = page_size == 0 ? 1000 : page_size;
    EXPECT_LE(response.counters() + response.reservations() + response.records(), rows);
    verified.counters += response.counters();
    verified.reservations += response.reservations();
    verified.records += response.records();
    for (const auto& breach : response.breaches()) {
      verified.breaches.push_back(absl::StrCat(breach.invariant(), " ", breach.message()));
    }
    request.set_page_token(response.next_page_token());
    ++verified.pages;
  } while (!request.page_token().empty());
  return verified;
}

// Each counter in some window, each way in which a reservation can end, usage without one.
void Spend(RpcClient& client, const std::string& name, int calls) {
  for (int i = 0; i < calls; ++i) {
    const std::string id = absl::StrCat(name, "/", i);
    auto check = CheckOf(id, 10);
    check.mutable_subject()->set_user(absl::StrCat("u", i % 30));
    check.mutable_subject()->set_run(absl::StrCat(name, i / 4));
    if (i % 5 >= 3) check.mutable_ttl()->set_seconds(1);
    v1::CheckBudgetResponse checked;
    ASSERT_TRUE(client.Check(check, checked).ok());
    v1::RecordUsageResponse recorded;
    auto record = RecordOf(id + "/used", i % 17, i % 5 == 3 ? "" : id);
    if (i % 5 == 3) *record.mutable_subject() = check.subject();
    if (i % 5 == 2) {
      v1::ReleaseReservationResponse released;
      ASSERT_TRUE(client.Release(id, released).ok());
    } else if (i % 5 != 4) {
      ASSERT_TRUE(client.Record(record, recorded).ok());
    }
  }
}

void MakeBudgets(Fleet& fleet) {
  ASSERT_TRUE(fleet.client(0).CreateBudget("all", LifetimeBudget(1000 * kUsd)).ok());
  v1::Budget daily = LifetimeBudget(kUsd, {"user"});
  daily.mutable_window()->set_kind(v1::Window::KIND_DAY);
  ASSERT_TRUE(fleet.client(0).CreateBudget("user-day", daily).ok());
}

TEST(Verify, FindsNothingWhileALoadRuns) {
  Fleet fleet(2);
  MakeBudgets(fleet);
  std::atomic<bool> stop = false;
  std::atomic<int> rounds = 0;
  std::vector<std::thread> callers;
  for (int c = 0; c < 6; ++c) {
    callers.emplace_back([&, c] {
      for (int round = 0; !stop; ++round, ++rounds) {
        Spend(fleet.client(c), absl::StrCat("c", c, "r", round), 10);
      }
    });
  }
  while (rounds < 12) absl::SleepFor(absl::Milliseconds(5));
  const int before = rounds;
  int pages = 0;
  // Over and over, until enough was written meanwhile.
  for (int pass = 0; pass < 5 || rounds < before + 100; ++pass) {
    static constexpr int kSizes[] = {7, 50, 0, 10'000, 23};
    const int page_size = kSizes[pass % 5];
    const Verified verified = Verify(fleet.client(pass), page_size);
    EXPECT_EQ(verified.breaches, std::vector<std::string>()) << "pages of " << page_size;
    pages += verified.pages;
    if (HasFailure()) break;
  }
  std::cout << pages << " pages while " << rounds - before << " rounds of 10 calls were made\n";
  stop = true;
  for (auto& caller : callers) caller.join();
  const Verified quiet = Verify(fleet.client(0), 100);
  EXPECT_EQ(quiet.breaches, std::vector<std::string>());
  EXPECT_EQ(quiet.counters, fleet.Number("SELECT count(*) FROM counter"));
  EXPECT_EQ(quiet.reservations, fleet.Number("SELECT count(*) FROM reservation"));
  EXPECT_EQ(quiet.records, fleet.Number("SELECT count(*) FROM usage_record"));
  fleet.ExpectConserved();
}

struct Planted {
  std::string what;
  std::string sql;
  std::vector<std::pair<std::string, std::string>> named;  // invariant, and a part of its sentence
  bool alone = true;                                       // nothing else is named
};

// Counters of "all" and of the users u0, u1; the others are of runs.
const char kAll[] =
    "(SELECT id FROM counter JOIN budget ON uid = budget_uid "
    "WHERE budget_id = 'all')";
const char kUser1[] =
    "(SELECT id FROM counter JOIN budget ON uid = budget_uid "
    "WHERE budget_id = 'user-day' AND group_values = '{\"user\":\"u1\"}')";

const std::vector<Planted>& RollupBreaches() {
  static const std::vector<Planted> planted = {
      {"a rollup says another cost",
       "UPDATE rollup SET cost_nanousd = cost_nanousd + 1 WHERE family = 4 AND grain = 1",
       {{"I5", "the rollups of family 4 for the hours of "}}},
      {"a month has a call too many",
       "UPDATE rollup SET calls = calls + 1 WHERE family = 2 AND grain = 3",
       {{"I5", "the rollups of family 2 for the month of "}}},
      {"a day's rollups are gone",
       "DELETE FROM rollup WHERE grain < 3",
       {{"I5", "the rollups of family 1 for the hours of "}}},
      {"a batch was added to the rollups and is still to be added",
       "INSERT INTO unmerged_batch SELECT tenant_id, receive_time, 1 FROM usage_record LIMIT 1",
       {{"I5", "the rollups of family 1 for the "}}},
  };
  return planted;
}

const std::vector<Planted>& Breaches() {
  static const std::vector<Planted> planted = {
      {"spent is off by one",
       absl::StrCat("UPDATE counter SET spent = spent + 1 WHERE id = ", kAll),
       {{"I5", "budget \"all\", group {}, says that "}}},
      {"what one counter has too much another has too little",
       absl::StrCat("UPDATE counter SET spent = spent + CASE WHEN id = ", kAll,
                    " THEN 64 ELSE -64 END WHERE id IN (", kAll, ", ", kUser1, ")"),
       {{"I5", "budget \"all\""}, {"I5", "budget \"user-day\", group {\"user\":\"u1\"}, window "}}},
      {"reserved is off by one",
       absl::StrCat("UPDATE counter SET reserved = reserved + 1 WHERE id = ", kAll),
       {{"I5", " is reserved, but its active reservations hold "}}},
      {"an ended reservation holds",
       "UPDATE reservation SET hold_amounts[1] = 10 WHERE request_id = 's/0'",
       {{"I5", "reservation \"s/0\" ended as SETTLED and still holds 10"}}},
      {"an active reservation holds in no counter",
       "UPDATE reservation SET hold_counters[1] = '00000000-0000-0000-0000-000000000007' "
       "WHERE request_id = 'held'",
       {{"I5",
         "reservation \"held\" is active and holds in counter "
         "00000000-0000-0000-0000-000000000007, which is not there"},
        {"I5", " is reserved, but its active reservations hold "}}},
      {"a counter is gone",
       absl::StrCat("DELETE FROM counter WHERE id = ", kUser1),
       {{"I5", "record \"s/1/used\""}},
       /*alone=*/false},
      {"a counter with a hold is gone",
       absl::StrCat("DELETE FROM counter WHERE id = ", kAll),
       {{"I5", " to counter "}, {"I5", "reservation \"held\" is active and holds in counter "}},
       /*alone=*/false},
      {"a record is gone",
       "DELETE FROM usage_record WHERE usage_id = 's/1/used'",
       {{"I4", " leads to a record received at "},
        {"I5", "budget \"all\""},
        {"I5", "group {\"user\":\"u1\"}"},
        {"I5", "budget \"run-cap\""},
        {"I5", "the rollups of family"}}},
      {"a usage id is gone",
       "DELETE FROM usage_id WHERE id = (SELECT id FROM usage_record WHERE usage_id = 's/1/used')",
       {{"I4", "record \"s/1/used\" received at "}}},
      {"a usage id leads elsewhere",
       "UPDATE usage_id SET receive_time = receive_time + interval '1 s' "
       "WHERE id = (SELECT id FROM usage_record WHERE usage_id = 's/1/used')",
       {{"I4", "record \"s/1/used\" received at "}, {"I4", " leads to a record received at "}}},
      {"a record is there twice",
       "CREATE TEMP TABLE twice AS SELECT * FROM usage_record WHERE usage_id = 's/1/used'; "
       "UPDATE twice SET receive_time = receive_time + interval '1 s'; "
       "INSERT INTO usage_record SELECT * FROM twice",
       {{"I4", " is not the one that its id leads to, which was received at "},
        {"I5", "budget \"all\""},
        {"I5", "group {\"user\":\"u1\"}"},
        {"I5", "budget \"run-cap\""},
        {"I5", "the rollups of family"}}},
      {"a record charged another amount",
       "UPDATE usage_record SET charged_amounts[1] = charged_amounts[1] + 3 "
       "WHERE usage_id = 's/1/used'",
       {{"I5", " was spent, but its records charged "}}},
      {"a record charged another counter",
       absl::StrCat("UPDATE usage_record SET charged_counters = array_replace(charged_counters, ",
                    kUser1, ", ", kAll, ") WHERE usage_id = 's/1/used'"),
       {{"I5", "budget \"all\""}, {"I5", "group {\"user\":\"u1\"}"}}},
  };
  return planted;
}

// The tables as they were, to put them back: a breach after the other on the same ledger.
constexpr char kKeep[] =
    "CREATE SCHEMA keep; CREATE TABLE keep.counter AS TABLE counter; "
    "CREATE TABLE keep.reservation AS TABLE reservation; "
    "CREATE TABLE keep.usage_id AS TABLE usage_id; "
    "CREATE TABLE keep.usage_record AS TABLE usage_record; "
    "CREATE TABLE keep.rollup AS TABLE rollup";
constexpr char kPutBack[] =
    "TRUNCATE counter, reservation, usage_id, usage_record, rollup, unmerged_batch; "
    "INSERT INTO counter SELECT * FROM keep.counter; "
    "INSERT INTO reservation SELECT * FROM keep.reservation; "
    "INSERT INTO usage_id SELECT * FROM keep.usage_id; "
    "INSERT INTO usage_record SELECT * FROM keep.usage_record; "
    "INSERT INTO rollup SELECT * FROM keep.rollup";

void RunScript(const Fleet& fleet, const std::string& sql) {
  const absl::Status status = fleet.database().Connect()->ExecuteScript(sql);
  ASSERT_TRUE(status.ok()) << status << " for " << sql;
}

void ExpectNamed(const std::vector<Planted>& breaches) {
  Fleet fleet(1);
  MakeBudgets(fleet);
  Spend(fleet.client(0), "s", 200);
  auto held = CheckOf("held", 30);
  held.mutable_subject()->set_user("u2");
  held.mutable_ttl()->set_seconds(3600);
  v1::CheckBudgetResponse checked;
  ASSERT_TRUE(fleet.client(0).Check(held, checked).ok());
  while (fleet.Number("SELECT count(*) FROM reservation WHERE state = 1") > 1) {
    absl::SleepFor(absl::Milliseconds(50));  // until what was left to expire has
  }
  fleet.AwaitRollups();
  for (const auto& planted : breaches) {
    RunScript(fleet, kKeep);
    for (const int page_size : {9, 1000}) {
      SCOPED_TRACE(absl::StrCat(planted.what, ", pages of ", page_size));
      EXPECT_EQ(Verify(fleet.client(0), page_size).breaches, std::vector<std::string>());
      RunScript(fleet, planted.sql);
      const Verified verified = Verify(fleet.client(0), page_size);
      std::string all = "named:";
      for (const auto& breach : verified.breaches) absl::StrAppend(&all, "\n  ", breach);
      for (const auto& [invariant, text] : planted.named) {
        EXPECT_TRUE(verified.Names(invariant, text)) << text << "\n" << all;
      }
      if (planted.alone) {
        EXPECT_EQ(verified.breaches.size(), planted.named.size()) << all;
      }
      if (page_size == 9) std::cout << all.substr(8) << "\n";
      RunScript(fleet, kPutBack);
    }
    RunScript(fleet, "DROP SCHEMA keep CASCADE");
  }
}

TEST(Verify, NamesEveryKindOfBreach) { ExpectNamed(Breaches()); }

TEST(Verify, NamesWhatIsWrongWithRollups) { ExpectNamed(RollupBreaches()); }

// The numbers in the sentence are those that SQL gives.
TEST(Verify, SaysWhatACounterSaysAndWhatItsRecordsSay) {
  Fleet fleet(1);
  MakeBudgets(fleet);
  Spend(fleet.client(0), "s", 60);
  const std::string charged =
      fleet.Sql(absl::StrCat("SELECT sum(amount) FROM usage_record, unnest(charged_counters, "
                             "charged_amounts) AS charge(counter, amount) WHERE counter = ",
                             kUser1));
  RunScript(fleet, absl::StrCat("UPDATE counter SET spent = 123456789 WHERE id = ", kUser1));
  const Verified verified = Verify(fleet.client(0), 20);
  ASSERT_EQ(verified.breaches.size(), 1u);
  EXPECT_EQ(verified.breaches[0],
            absl::StrCat("I5 counter ", fleet.Sql(absl::StrCat("SELECT ", kUser1)),
                         " of budget \"user-day\", group {\"user\":\"u1\"}, window from ",
                         absl::FormatTime("%Y-%m-%d", absl::Now(), absl::UTCTimeZone()),
                         " 00:00:00+00, says that 123456789 was spent, but its records charged ",
                         charged));
}

// What is wrong is found in the middle of a load, where nothing else may be suspected.
TEST(Verify, FindsABreachWhileALoadRuns) {
  Fleet fleet(2);
  MakeBudgets(fleet);
  Spend(fleet.client(0), "s", 60);
  RunScript(fleet, absl::StrCat("UPDATE counter SET spent = spent + 1, version = version + 1 "
                                "WHERE id = ",
                                kAll));
  std::atomic<bool> stop = false;
  std::vector<std::thread> callers;
  for (int c = 0; c < 4; ++c) {
    callers.emplace_back([&, c] {
      for (int round = 0; !stop; ++round) {
        Spend(fleet.client(c), absl::StrCat("c", c, "r", round), 10);
      }
    });
  }
  for (const int page_size : {20, 1000}) {
    const Verified verified = Verify(fleet.client(page_size), page_size);
    EXPECT_EQ(verified.breaches.size(), 1u);
    EXPECT_TRUE(verified.Names("I5", "budget \"all\"")) << "pages of " << page_size;
  }
  stop = true;
  for (auto& caller : callers) caller.join();
}

TEST(Verify, SeesItsOwnTenantAlone) {
  Fleet fleet(1);
  Spend(fleet.client(0), "s", 20);
  RunScript(fleet,
            "INSERT INTO counter (id, tenant_id, budget_uid, group_values, window_start, "
            "window_end, spent, reserved, version) SELECT gen_random_uuid(), 'other', budget_uid, "
            "'{}', window_start, window_end, 7, 8, 1 FROM counter;"
            "INSERT INTO usage_id SELECT gen_random_uuid(), 'other', now(), fingerprint "
            "FROM usage_id");
  const Verified verified = Verify(fleet.client(0), 3);
  EXPECT_EQ(verified.breaches, std::vector<std::string>());
  EXPECT_EQ(verified.counters, fleet.Number("SELECT count(*) FROM counter WHERE tenant_id = "
                                            "'default'"));
}

TEST(Verify, RefusesTokensThatAreNone) {
  Fleet fleet(1);
  Spend(fleet.client(0), "s", 4);
  v1::VerifyLedgerRequest request;
  v1::VerifyLedgerResponse response;
  request.set_page_size(1);
  ASSERT_TRUE(fleet.client(0).Call(&Admin::VerifyLedger, request, response).ok());
  const std::string token = response.next_page_token();
  ASSERT_FALSE(token.empty());
  std::string text;
  ASSERT_TRUE(absl::WebSafeBase64Unescape(token, &text));
  const std::string head = text.substr(0, 37), id = "00000000-0000-0000-0000-000000000000";
  for (const std::string& wrong :
       {std::string("x"), token.substr(1), token.substr(0, 20), token + "!!",
        absl::WebSafeBase64Escape(head), absl::WebSafeBase64Escape(head + "verify 9"),
        absl::WebSafeBase64Escape(id + " verify 1"),
        absl::WebSafeBase64Escape(absl::StrCat(head, "verify 2 ", id, " 0 ", id,
                                               " 1\nsnapshot 0 '; DROP TABLE\nstretch ", id, " ",
                                               id, " 0 0 0 0 0")),
        absl::WebSafeBase64Escape(absl::StrCat(head, "verify 2 ", id, " 0 ", id,
                                               " 1\nsnapshot 0 none\nstretch ", id, " ", id,
                                               " 0 0 0 0 0"))}) {
    request.set_page_token(wrong);
    const grpc::Status status = fleet.client(0).Call(&Admin::VerifyLedger, request, response);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << wrong;
    EXPECT_EQ(DetailsOf(status).fields, std::vector<std::string>{"page_token"}) << wrong;
  }
  for (const int page_size : {-1, 10'001}) {
    request.set_page_size(page_size);
    request.clear_page_token();
    const grpc::Status status = fleet.client(0).Call(&Admin::VerifyLedger, request, response);
    EXPECT_EQ(DetailsOf(status).fields, std::vector<std::string>{"page_size"});
  }
}

}  // namespace
}  // namespace bursar::testing
