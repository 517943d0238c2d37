#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "support/rpc_client.h"
#include "support/server_process.h"
#include "support/test_database.h"

namespace bursar::testing {

inline constexpr int64_t kUsd = 1'000'000'000;
inline constexpr int64_t kCent = kUsd / 100;

// Replicas of the real server on one database of its own, and what SQL says of their ledger.
class Fleet {
 public:
  explicit Fleet(int replicas, const std::vector<std::string>& flags = {}) : flags_(flags) {
    for (int i = 0; i < replicas; ++i) Add();
  }

  // One more replica.
  RpcClient& Add() {
    std::vector<std::string> all = {"--database-url", database_.url(), "--insecure-no-auth"};
    all.insert(all.end(), flags_.begin(), flags_.end());
    servers_.push_back(std::make_unique<ServerProcess>(all));
    clients_.push_back(std::make_unique<RpcClient>(servers_.back()->address()));
    return *clients_.back();
  }

  // Starts a replica that was killed again, at the same address.
  void Restart(size_t index) {
    std::vector<std::string> all = {"--database-url", database_.url(), "--insecure-no-auth",
                                    "--listen", servers_[index]->address()};
    all.insert(all.end(), flags_.begin(), flags_.end());
    servers_[index] = std::make_unique<ServerProcess>(all);
  }

  RpcClient& client(size_t index) { return *clients_[index % clients_.size()]; }
  const TestDatabase& database() const { return database_; }
  ServerProcess& server(size_t index) { return *servers_[index]; }
  size_t size() const { return servers_.size(); }

  // The first column of the first row; "" where there is none.
  std::string Sql(const std::string& query) const {
    const auto rows = database_.Connect()->Execute(query.c_str());
    EXPECT_TRUE(rows.ok()) << rows.status() << " for " << query;
    return rows.ok() && rows->size() > 0 ? std::string(rows->Text(0, 0)) : "";
  }
  int64_t Number(const std::string& query) const {
    const std::string text = Sql(query);
    return text.empty() ? 0 : std::stoll(text);
  }

  // I5: what counters say is what records and reservations say, each counter by itself.
  void ExpectConserved() const {
    EXPECT_EQ(Sql(R"(
        WITH charged AS (
          SELECT counter, sum(amount) AS amount
          FROM usage_record, unnest(charged_counters, charged_amounts) AS charge(counter, amount)
          GROUP BY counter)
        SELECT count(*) FROM counter FULL JOIN charged ON counter.id = charged.counter
        WHERE counter.spent IS DISTINCT FROM coalesce(charged.amount, 0))"),
              "0")
        << "counters whose spent is not the sum of what records charged them";
    EXPECT_EQ(Sql(R"(
        WITH held AS (
          SELECT counter, sum(amount) AS amount
          FROM reservation, unnest(hold_counters, hold_amounts) AS hold(counter, amount)
          WHERE state = 1 GROUP BY counter)
        SELECT count(*) FROM counter FULL JOIN held ON counter.id = held.counter
        WHERE counter.reserved IS DISTINCT FROM coalesce(held.amount, 0))"),
              "0")
        << "counters whose reserved is not the sum of the active holds";
    EXPECT_EQ(Sql("SELECT count(*) FROM reservation WHERE state <> 1 AND "
                  "EXISTS (SELECT FROM unnest(hold_amounts) AS amount WHERE amount <> 0)"),
              "0")
        << "reservations that ended and still hold";
    EXPECT_EQ(Sql("SELECT count(*) FROM usage_record FULL JOIN usage_id USING (id, receive_time) "
                  "WHERE usage_record.usage_id IS NULL OR usage_id.fingerprint IS NULL"),
              "0")
        << "records without an id, or ids without a record";
    ExpectRollupsConserved();
  }

  // Until the rollups have every record.
  void AwaitRollups() const {
    const absl::Time late = absl::Now() + absl::Seconds(30);
    while (Number("SELECT count(*) FROM unmerged_batch") > 0 && absl::Now() < late) {
      absl::SleepFor(absl::Milliseconds(50));
    }
    EXPECT_EQ(Number("SELECT count(*) FROM unmerged_batch"), 0) << "after 30 s";
  }

  // I5: rollups and what they do not have yet are the sum of the records, in each family and grain.
  void ExpectRollupsConserved() const {
    EXPECT_EQ(Sql(R"(
        WITH waiting AS (
          SELECT coalesce(sum(u.records), 0) AS records, coalesce(sum(u.cost_nanousd), 0) AS cost
          FROM unmerged_batch JOIN counted_usage u USING (tenant_id, receive_time)),
        kept AS (
          SELECT count(*) AS records, coalesce(sum(cost_nanousd), 0) AS cost FROM usage_record),
        summed AS (SELECT sum(records) AS records, sum(cost_nanousd) AS cost
                   FROM rollup GROUP BY family, grain)
        SELECT count(*) FROM summed, waiting, kept
        WHERE summed.records + waiting.records <> kept.records
           OR summed.cost + waiting.cost <> kept.cost)"),
              "0")
        << "rollups that are not the sum of the records";
    EXPECT_EQ(Sql("SELECT (SELECT coalesce(sum(records), 0) FROM rollup WHERE family = 1 AND "
                  "grain = 3) + (SELECT coalesce(sum(u.records), 0) FROM unmerged_batch JOIN "
                  "counted_usage u USING (tenant_id, receive_time)) = count(*) FROM usage_record"),
              "t")
        << "records that are in no rollup";
  }

 private:
  const std::vector<std::string> flags_;
  TestDatabase database_;
  std::vector<std::unique_ptr<ServerProcess>> servers_;
  std::vector<std::unique_ptr<RpcClient>> clients_;
};

}  // namespace bursar::testing
