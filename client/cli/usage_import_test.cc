// bursar record --stdin: a usage log, line by line.
#include "cli/usage_import.h"

#include <atomic>
#include <chrono>
#include <map>
#include <thread>

#include "cli/program_fixture.h"
#include "testing/standard_input.h"

namespace bursar::cli {
namespace {

using testing::FileOf;
using testing::StandardInput;

class UsageImportTest : public ProgramTest {
 protected:
  // A server that counts each id once, as the real one does.
  void SetUp() override {
    ProgramTest::SetUp();
    server_.record_batch = [this](const v1::BatchRecordUsageRequest& request,
                                  v1::BatchRecordUsageResponse* response) {
      batches_.push_back(request.records_size());
      bytes_.push_back(request.ByteSizeLong());
      if (!failures_.empty()) {
        const grpc::Status failure = failures_.front();
        failures_.erase(failures_.begin());
        if (!failure.ok()) return failure;
      }
      for (int i = 0; i < request.records_size(); ++i) {
        Count(request.records(i), i, response->add_results());
      }
      return grpc::Status::OK;
    };
  }

  void Count(const v1::RecordUsageRequest& record, int index, v1::RecordUsageResult* result) {
    if (record.cost_nanousd() < 0) {
      result->set_code(static_cast<int>(StatusCode::kInvalidArgument));
      result->set_message("records[" + std::to_string(index) + "].cost_nanousd: is negative");
      return;
    }
    if (passing_ > 0) {
      --passing_;
      result->set_code(static_cast<int>(StatusCode::kResourceExhausted));
      result->set_message("8,192 operations wait");
      return;
    }
    const bool is_new = counted_.emplace(record.usage_id(), record.cost_nanousd()).second;
    result->mutable_response()->set_replayed(!is_new);
    result->mutable_response()->set_cost_nanousd(record.cost_nanousd());
    if (!record.has_cost_nanousd()) {
      result->mutable_response()->set_cost_basis(v1::COST_BASIS_UNPRICED);
    }
  }

  int Import(const std::string& text, Words flags = {}) {
    const StandardInput input(FileOf(text));
    flags.insert(flags.begin(), {"record", "--stdin"});
    return Run(flags);
  }

  int64_t Sum() const {
    int64_t sum = 0;
    for (const auto& [id, cost] : counted_) sum += cost;
    return sum;
  }

  std::map<std::string, int64_t> counted_;
  std::vector<int> batches_;
  std::vector<size_t> bytes_;
  std::vector<grpc::Status> failures_;  // of the calls to come
  int passing_ = 0;                     // so many records are to come again
  std::atomic<bool> arrived_ = false;
};

std::string LinesOf(int count, const std::string& line) {
  std::string text;
  for (int i = 0; i < count; ++i) text += line + "\n";
  return text;
}

constexpr char kDollar[] =
    R"({"cost_nanousd": "1000000000", "occur_time": "2026-11-22T14:00:00Z"})";

TEST_F(UsageImportTest, RecordsEachLineOnceHoweverOftenItIsRun) {
  const std::string log = LinesOf(2500, kDollar);
  EXPECT_EQ(Import(log), 0) << err_.str();
  EXPECT_EQ(out_.str(),
            "2,500 lines: 2,500 recorded, 0 there already, 0 refused; $2500.00 charged\n");
  EXPECT_EQ(err_.str(), "") << "no progress where there is no terminal";
  EXPECT_EQ(batches_, (std::vector<int>{1000, 1000, 500}));
  EXPECT_EQ(counted_.size(), 2500u) << "lines that say the same are calls of their own";

  EXPECT_EQ(Import(log + std::string(kDollar)), 0);
  EXPECT_EQ(out_.str(), "2,501 lines: 1 recorded, 2,500 there already, 0 refused; $1.00 charged\n");
  EXPECT_EQ(counted_.size(), 2501u);
  EXPECT_EQ(Import(log, {"--import-name", "another file"}), 0);
  EXPECT_EQ(counted_.size(), 5001u);
}

TEST_F(UsageImportTest, NamesBadLinesAndGoesOn) {
  const std::string log =
      "{\"usage_id\": \"a\", \"cost_nanousd\": 5}\n"
      "\n"
      "nonsense\n"
      "{\"usage_id\": \"b\", \"cost_nanousd\": -1}\n"
      "{\"usage_id\": \"c\", \"costs\": 1}\n"
      "{\"usage_id\": \"d\"}";
  EXPECT_EQ(Import(log), 1);
  EXPECT_EQ(err_.str(),
            "bursar: line 3: this is no JSON object; {\"usage_id\": \"u-1\", \"cost_nanousd\": "
            "\"4200000\"} on one line would be right\n"
            "bursar: line 5: \"costs\" is no field of a usage record\n"
            "bursar: line 4: cost_nanousd: is negative\n");
  EXPECT_EQ(out_.str(),
            "5 lines: 2 recorded, 0 there already, 3 refused; $0.000000005 charged, 1 line without "
            "a price\n");
  EXPECT_EQ(counted_, (std::map<std::string, int64_t>{{"a", 5}, {"d", 0}}));
}

TEST_F(UsageImportTest, JsonIsALineForEachRefusalAndOneForAll) {
  EXPECT_EQ(Import("x\n{\"usage_id\": \"a\", \"cost_nanousd\": 5}\n", {"--json"}), 1);
  EXPECT_EQ(out_.str(),
            "{\"line\":1,\"code\":\"INVALID_ARGUMENT\",\"message\":\"this is no JSON object; "
            "{\\\"usage_id\\\": \\\"u-1\\\", \\\"cost_nanousd\\\": \\\"4200000\\\"} on one line "
            "would be right\"}\n"
            "{\"lines\":2,\"recorded\":1,\"replayed\":0,\"refused\":1,\"unpriced\":0,"
            "\"costNanousd\":\"5\",\"dryRun\":false,\"complete\":true}\n");
  EXPECT_EQ(err_.str(), "");
}

TEST_F(UsageImportTest, ADryRunReadsAndCountsAndSendsNothing) {
  EXPECT_EQ(Import(LinesOf(1200, kDollar) + "x", {"--dry-run"}), 1);
  EXPECT_EQ(out_.str(), "1,201 lines: 1,200 can be read, 1 cannot; dry run: nothing was sent\n");
  EXPECT_EQ(Import(LinesOf(2, kDollar), {"--dry-run"}), 0);
  EXPECT_TRUE(batches_.empty());
}

TEST_F(UsageImportTest, TriesAgainUnderTheSameIdsWhileTheServerIsAway) {
  failures_ = {grpc::Status(grpc::StatusCode::UNAVAILABLE, "Connection refused"),
               grpc::Status(grpc::StatusCode::DEADLINE_EXCEEDED, "")};
  passing_ = 3;
  EXPECT_EQ(Import(LinesOf(10, kDollar)), 0) << err_.str();
  EXPECT_EQ(batches_, (std::vector<int>{10, 10, 10, 3}));
  EXPECT_EQ(Sum(), 10'000'000'000);
  EXPECT_EQ(err_.str(),
            "bursar: cannot reach the server at " + server_.endpoint() +
                ": connection refused; start it with `bursar-server` or set BURSAR_ENDPOINT; "
                "trying again for 1m 00s\n");
}

TEST_F(UsageImportTest, GivesUpAfterItsTimeoutAndSaysWhere) {
  failures_.assign(100, grpc::Status(grpc::StatusCode::UNAVAILABLE, "Connection refused"));
  failures_[0] = grpc::Status::OK;
  EXPECT_EQ(Import(LinesOf(1500, kDollar), {"--timeout", "300ms"}), 1);
  EXPECT_EQ(out_.str(),
            "1,500 lines: 1,000 recorded, 0 there already, 0 refused; $1000.00 charged\n");
  EXPECT_NE(err_.str().find("bursar: broken off at line 1001; what was recorded stays, and the "
                            "same import again does the rest\n"),
            std::string::npos)
      << err_.str();
}

TEST_F(UsageImportTest, StopsAtOnceWhereTryingAgainIsNoUse) {
  failures_ = {grpc::Status(grpc::StatusCode::PERMISSION_DENIED, "the key may not")};
  EXPECT_EQ(Import(LinesOf(1500, kDollar)), 1);
  EXPECT_EQ(batches_.size(), 1u);
  EXPECT_EQ(err_.str().find("bursar: the key may not\nbursar: broken off at line 1;"), 0u)
      << err_.str();
}

TEST_F(UsageImportTest, FindsTheOneRecordThatTheServerStumblesOver) {
  const auto count = server_.record_batch;
  server_.record_batch = [&](const v1::BatchRecordUsageRequest& request,
                             v1::BatchRecordUsageResponse* response) {
    for (const auto& record : request.records()) {
      if (record.usage_id() == "bad") {
        return grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, "these bytes are no message");
      }
    }
    return count(request, response);
  };
  EXPECT_EQ(Import(LinesOf(6, kDollar) + "{\"usage_id\": \"bad\"}\n" + LinesOf(6, kDollar)), 1);
  EXPECT_EQ(err_.str(), "bursar: line 7: these bytes are no message\n");
  EXPECT_EQ(counted_.size(), 12u);
}

TEST_F(UsageImportTest, BatchesStayBelow3MiBAndALongLineIsRefused) {
  const std::string prompt(1'000'000, 'x');
  std::string log;
  for (int i = 0; i < 7; ++i) {
    log += R"({"content": {"prompt": ")" + prompt + "\"}}\n";
  }
  log += R"({"content": {"prompt": ")" + std::string(5'000'000, 'x') + "\"}}\n";
  EXPECT_EQ(Import(log), 1);
  EXPECT_EQ(batches_, (std::vector<int>{3, 3, 1}));
  for (const size_t bytes : bytes_) EXPECT_LE(bytes, 3u << 20);
  EXPECT_EQ(err_.str(), "bursar: line 8: is longer than 4 MiB; a shorter one would be right\n");
}

TEST_F(UsageImportTest, WhatComesSlowlyIsNotKeptWaiting) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  std::thread writer([&] {
    const std::string line = std::string(kDollar) + "\n";
    EXPECT_EQ(write(ends[1], line.data(), line.size()), static_cast<ssize_t>(line.size()));
    // The pipe stays open until the first line has arrived at the server.
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (!arrived_ && std::chrono::steady_clock::now() < deadline) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    close(ends[1]);
  });
  const auto count = server_.record_batch;
  server_.record_batch = [&](const auto& request, auto* response) {
    arrived_ = true;
    return count(request, response);
  };
  {
    const StandardInput input(ends[0]);
    EXPECT_EQ(Run({"record", "--stdin"}), 0);
  }
  EXPECT_TRUE(arrived_);
  writer.join();
}

TEST_F(UsageImportTest, TellsWhereTwoFilesMayHaveBeenTakenForOne) {
  EXPECT_EQ(Import("{\"cost_nanousd\": 5}"), 0);
  EXPECT_EQ(err_.str(), "");
  EXPECT_EQ(Import("{\"cost_nanousd\": 5}"), 0);
  EXPECT_EQ(err_.str().find("bursar: 1 line without usage_id and occur_time said what the same "
                            "line of an earlier import said"),
            0u)
      << err_.str();
}

TEST_F(UsageImportTest, FlagsOfOneRecordAreRefused) {
  EXPECT_EQ(Import("", {"--user", "carol"}), 2);
  EXPECT_EQ(
      err_.str(),
      "bursar: --user describes one record, and with --stdin each line describes its own; one "
      "of them would be right\n");
  EXPECT_EQ(Run({"record", "--dry-run"}), 2);
  EXPECT_EQ(err_.str(), "bursar: --dry-run goes with --stdin\n");
  EXPECT_EQ(Import(""), 0);
  EXPECT_EQ(out_.str(), "0 lines: 0 recorded, 0 there already, 0 refused; $0.00 charged\n");
}

}  // namespace
}  // namespace bursar::cli
