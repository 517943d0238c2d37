// The pages of one QueryCosts answer belong together, whatever is recorded between them.
#include <gtest/gtest.h>

#include <atomic>
#include <iostream>
#include <set>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "integration/fleet.h"

namespace bursar::testing {
namespace {

v1::RecordUsageRequest CostOf(const std::string& id, const std::string& user, int64_t cost) {
  auto record = RecordOf(id, cost);
  record.mutable_subject()->set_user(user);
  return record;
}

v1::QueryCostsRequest ByUser(int page_size) {
  v1::QueryCostsRequest request;
  request.mutable_start_time()->set_seconds(absl::ToUnixSeconds(absl::Now()) - 86400);
  request.add_group_by("user");
  request.set_page_size(page_size);
  return request;
}

// What all pages of a question say, as one answer; each page must have the first one's total.
struct Paged {
  std::vector<std::string> rows;  // as text, in order
  std::set<std::string> users;
  int64_t calls = 0, cost = 0;
  v1::CostRow total;
  int pages = 0;
};

Paged ReadPages(
    RpcClient& client, v1::QueryCostsRequest request,
    const std::function<void()>& between = [] {}) {
  Paged paged;
  do {
    v1::QueryCostsResponse response;
    const grpc::Status status = client.Query(request, response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    if (!status.ok()) return paged;
    EXPECT_LE(response.rows_size(), request.page_size());
    if (paged.pages++ == 0) paged.total = response.total();
    EXPECT_EQ(response.total().ShortDebugString(), paged.total.ShortDebugString())
        << "on page " << paged.pages;
    for (const auto& row : response.rows()) {
      paged.rows.push_back(row.ShortDebugString());
      EXPECT_TRUE(paged.users.insert(row.group().at("user")).second) << "a row twice";
      paged.calls += row.calls();
      paged.cost += row.cost_nanousd();
    }
    request.set_page_token(response.next_page_token());
    between();
  } while (!request.page_token().empty());
  EXPECT_EQ(paged.calls, paged.total.calls());
  EXPECT_EQ(paged.cost, paged.total.cost_nanousd());
  return paged;
}

TEST(CostPages, ConcatenateToTheAnswerInOnePage) {
  Fleet fleet(2);
  v1::BatchRecordUsageRequest batch;
  for (int i = 0; i < 500; ++i) {
    *batch.add_records() = CostOf(absl::StrCat(i), absl::StrCat("u", i % 50), i * 31 % 17);
  }
  v1::BatchRecordUsageResponse recorded;
  ASSERT_TRUE(fleet.client(0).Call(&Telemetry::BatchRecordUsage, batch, recorded).ok());
  for (const char* order : {"cost desc", "cost", "calls", "latency_p95 desc"}) {
    auto request = ByUser(1000);
    request.set_order_by(order);
    const Paged whole = ReadPages(fleet.client(0), request);
    EXPECT_EQ(whole.rows.size(), 50u);
    for (int page_size : {1, 7, 25, 50}) {
      request.set_page_size(page_size);
      const Paged paged = ReadPages(fleet.client(page_size), request);
      EXPECT_EQ(paged.rows, whole.rows) << order << ", pages of " << page_size;
      EXPECT_EQ(paged.pages, (50 + page_size - 1) / page_size);
    }
  }
  EXPECT_EQ(fleet.Sql("SELECT sum(cost_nanousd) FROM usage_record"),
            absl::StrCat(ReadPages(fleet.client(0), ByUser(10)).cost));
}

TEST(CostPages, StayTogetherWhileRecordsKeepArriving) {
  Fleet fleet(2);
  std::atomic<bool> stop = false;
  std::atomic<int> recorded = 0;
  std::vector<std::thread> writers;
  for (int w = 0; w < 6; ++w) {
    writers.emplace_back([&, w] {
      for (int i = 0; !stop; ++i) {
        v1::RecordUsageResponse response;
        const auto record = CostOf(absl::StrCat(w, "/", i), absl::StrCat("u", i % 40), 1 + w);
        EXPECT_TRUE(fleet.client(w).Record(record, response).ok());
        ++recorded;
      }
    });
  }
  while (recorded < 500) absl::SleepFor(absl::Milliseconds(10));
  const int before = recorded;
  for (int round = 0; round < 25; ++round) {
    const int acknowledged = recorded;
    const Paged paged = ReadPages(fleet.client(round), ByUser(7));
    EXPECT_EQ(paged.users.size(), 40u);
    EXPECT_GE(paged.calls, acknowledged) << "what was acknowledged before the question counts";
  }
  EXPECT_GT(recorded, before + 100) << "otherwise nothing arrived between the pages";
  std::cout << recorded - before << " records arrived between the pages\n";
  stop = true;
  for (auto& writer : writers) writer.join();
}

// An absent end is now, on every page: what is to occur in five minutes is not yet in it.
TEST(CostPages, EndNowWhereNoEndIsGiven) {
  Fleet fleet(1);
  v1::RecordUsageResponse response;
  for (int i = 0; i < 4; ++i) {
    auto record = CostOf(absl::StrCat(i), absl::StrCat("u", i), 1);
    if (i % 2 == 1) {
      record.mutable_occur_time()->set_seconds(absl::ToUnixSeconds(absl::Now()) + 300);
    }
    ASSERT_TRUE(fleet.client(0).Record(record, response).ok());
  }
  EXPECT_EQ(ReadPages(fleet.client(0), ByUser(1)).users, (std::set<std::string>{"u0", "u2"}));
  auto later = ByUser(1);
  later.mutable_end_time()->set_seconds(absl::ToUnixSeconds(absl::Now()) + 600);
  EXPECT_EQ(ReadPages(fleet.client(0), later).users.size(), 4u);
}

}  // namespace
}  // namespace bursar::testing
