#include <bursar/client.h>
#include <bursar/recorder.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <mutex>
#include <set>
#include <stdexcept>
#include <thread>

#include "testing/fake_purse.h"
#include "testing/fake_server.h"
#include "testing/temporary_folder.h"

namespace bursar {
namespace {

using namespace std::chrono_literals;
using bursar::testing::FakePurse;
using bursar::testing::FilesBelow;
using bursar::testing::ReadFile;
using bursar::testing::TemporaryFolder;
using bursar::testing::WriteFile;
using ::testing::HasSubstr;

const Status kUnavailable(StatusCode::kUnavailable, "the server is away");

RecorderOptions Quick(const std::string& journal_folder = "") {
  RecorderOptions options;
  options.journal_folder = journal_folder;
  options.linger = 1ms;
  options.retry_initial_backoff = 1ms;
  options.retry_max_backoff = 5ms;
  options.close_timeout = 10s;  // the machine may be busy
  return options;
}

// For a recorder that shall leave what it holds.
RecorderOptions QuickToLeave(const std::string& journal_folder) {
  RecorderOptions options = Quick(journal_folder);
  options.close_timeout = 1ms;
  return options;
}

std::unique_ptr<Recorder> Start(std::shared_ptr<Connection> purse, const RecorderOptions& options) {
  auto recorder = Recorder::Start(std::move(purse), options);
  EXPECT_TRUE(recorder.ok()) << recorder.status().ToString();
  return *std::move(recorder);
}

RecordRequest Usage(const std::string& id) {
  return {.usage_id = id, .tokens = TokenUsage{.uncached_input_tokens = 5}};
}

void ExpectBalanced(const RecorderStats& stats) {
  EXPECT_EQ(stats.accepted, stats.delivered + stats.held + stats.dropped());
}

TEST(Recorder, DeliversWhatIsRecorded) {
  for (const bool with_journal : {false, true}) {
    const TemporaryFolder folder;
    auto purse = std::make_shared<FakePurse>();
    const auto recorder = Start(purse, Quick(with_journal ? folder.path() : ""));
    for (int i = 0; i < 250; ++i) ASSERT_TRUE(recorder->Record({.step = "s"}).ok());
    EXPECT_TRUE(recorder->Flush(10s).ok());
    EXPECT_EQ(purse->size(), 250u);
    for (const auto& call : purse->calls()) EXPECT_LE(call.size(), 100u);
    const RecorderStats stats = recorder->Stats();
    EXPECT_EQ(stats.delivered, 250u);
    EXPECT_EQ(stats.held, 0u);
    ExpectBalanced(stats);
  }
}

TEST(Recorder, ARecordThatIsAloneIsDeliveredWithoutAFlush) {
  auto purse = std::make_shared<FakePurse>();
  const auto recorder = Start(purse, RecorderOptions{});
  ASSERT_TRUE(recorder->Record({}).ok());
  for (int i = 0; i < 1000 && purse->size() == 0; ++i) std::this_thread::sleep_for(10ms);
  EXPECT_EQ(purse->size(), 1u);
}

TEST(Recorder, DrawsIdAndTimeWhenTheRecordIsGiven) {
  auto purse = std::make_shared<FakePurse>();
  purse->SetAway(true);
  const auto recorder = Start(purse, Quick());
  const auto before = std::chrono::system_clock::now();
  ASSERT_TRUE(recorder->Record({}).ok());
  const auto after = std::chrono::system_clock::now();
  std::this_thread::sleep_for(20ms);
  purse->SetAway(false);
  ASSERT_TRUE(recorder->Flush(10s).ok());
  const RecordRequest counted = purse->counted().begin()->second;
  EXPECT_EQ(counted.usage_id.size(), 36u);
  EXPECT_GE(*counted.occur_time, before);
  EXPECT_LE(*counted.occur_time, after);
}

TEST(Recorder, ALostCommitAnswerReusesItsId) {
  const TemporaryFolder folder;
  auto purse = std::make_shared<FakePurse>();
  int lost = 0;
  purse->SetSpoiler([&](const auto&, FakePurse::Answers answers) -> StatusOr<FakePurse::Answers> {
    if (++lost == 1) return Status(StatusCode::kDeadlineExceeded, "the answer was lost");
    return answers;
  });
  const auto recorder = Start(purse, Quick(folder.path()));
  ASSERT_TRUE(recorder->Record({}).ok());
  ASSERT_TRUE(recorder->Flush(10s).ok());
  const auto calls = purse->calls();
  ASSERT_EQ(calls.size(), 2u);
  EXPECT_EQ(calls[0][0].usage_id, calls[1][0].usage_id);
  EXPECT_EQ(calls[0][0].occur_time, calls[1][0].occur_time);
  EXPECT_EQ(purse->size(), 1u);
  EXPECT_EQ(purse->replays(), 1u);
  EXPECT_EQ(recorder->Stats().delivered, 1u);
}

TEST(Recorder, ASettlementAfterExpiryStillCounts) {
  auto purse = std::make_shared<FakePurse>();
  const auto recorder = Start(purse, Quick());
  RecordRequest record = Usage("u");
  record.reservation_id = "expired";
  ASSERT_TRUE(recorder->Record(record).ok());
  ASSERT_TRUE(recorder->Flush(10s).ok());
  EXPECT_EQ(recorder->Stats().delivered, 1u);
  EXPECT_EQ(recorder->Stats().late, 1u);
}

TEST(Recorder, JournalsBeforeTheFirstSend) {
  const TemporaryFolder folder;
  auto purse = std::make_shared<FakePurse>();
  std::string journal;
  purse->SetJudge([&](const RecordRequest&) {
    for (const auto& file : FilesBelow(folder.path(), ".journal")) journal += ReadFile(file);
    return Status();
  });
  const auto recorder = Start(purse, Quick(folder.path()));
  ASSERT_TRUE(recorder->Record(Usage("an-id-to-look-for")).ok());
  ASSERT_TRUE(recorder->Flush(10s).ok());
  EXPECT_THAT(journal, HasSubstr("an-id-to-look-for"));
}

TEST(Recorder, ReplaysAfterARestart) {
  const TemporaryFolder folder;
  auto away = std::make_shared<FakePurse>();
  away->SetAway(true);
  {
    const auto recorder = Start(away, QuickToLeave(folder.path()));
    for (int i = 0; i < 300; ++i) ASSERT_TRUE(recorder->Record({.step = "before"}).ok());
    const Status closed = recorder->Close();
    EXPECT_EQ(closed.code(), StatusCode::kDeadlineExceeded);
    EXPECT_THAT(closed.message(), HasSubstr("300 in the journal, 0 in memory"));
    EXPECT_EQ(recorder->Stats().held, 300u);
    ExpectBalanced(recorder->Stats());
  }
  const auto restart = std::chrono::system_clock::now();
  auto purse = std::make_shared<FakePurse>();
  const auto recorder = Start(purse, Quick(folder.path()));
  ASSERT_TRUE(recorder->Flush(10s).ok());
  EXPECT_EQ(purse->size(), 300u);
  for (const auto& [id, record] : purse->counted()) EXPECT_LT(*record.occur_time, restart);
  EXPECT_EQ(recorder->Stats().recovered, 300u);
  EXPECT_EQ(recorder->Stats().delivered, 300u);
  ExpectBalanced(recorder->Stats());
  ASSERT_TRUE(recorder->Close().ok());
  EXPECT_TRUE(FilesBelow(folder.path(), "").empty());  // nothing is left to replay
}

TEST(Recorder, TheServersRetryAfterSurvivesARestart) {
  const TemporaryFolder folder;
  const Status busy(StatusCode::kResourceExhausted, "later", {.retry_delay = 1500ms});
  auto purse = std::make_shared<FakePurse>();
  purse->FailNext({busy});
  {
    const auto recorder = Start(purse, QuickToLeave(folder.path()));
    ASSERT_TRUE(recorder->Record({}).ok());
    while (purse->calls().empty() || recorder->Stats().send_failures == 0) {
      std::this_thread::sleep_for(1ms);
    }
  }
  ASSERT_EQ(purse->calls().size(), 1u);
  const auto recorder = Start(purse, Quick(folder.path()));
  ASSERT_TRUE(recorder->Flush(20s).ok());
  const auto times = purse->call_times();
  ASSERT_EQ(times.size(), 2u);
  EXPECT_GE(times[1] - times[0], 1499ms);  // it is kept in whole milliseconds
}

TEST(Recorder, AReplayUsesTheKeyOfNow) {
  const TemporaryFolder folder;
  testing::FakeServer server;
  std::atomic<bool> valid = false;
  server.record_batch = [&](const v1::BatchRecordUsageRequest& request,
                            v1::BatchRecordUsageResponse* response) {
    if (!valid) return grpc::Status(grpc::StatusCode::UNAUTHENTICATED, "this key was revoked");
    for (int i = 0; i < request.records_size(); ++i) response->add_results();
    return grpc::Status::OK;
  };
  ClientOptions client{.endpoint = server.endpoint(), .api_key = "bursar_old_key"};
  {
    const auto recorder = Start(*MakeConnection(client), QuickToLeave(folder.path()));
    ASSERT_TRUE(recorder->Record(Usage("u")).ok());
    while (recorder->Stats().send_failures == 0) std::this_thread::sleep_for(1ms);
    EXPECT_EQ(recorder->Stats().held, 1u);
  }
  for (const auto& file : FilesBelow(folder.path(), "")) {
    EXPECT_EQ(ReadFile(file).find("old_key"), std::string::npos) << file;
  }
  valid = true;
  client.api_key = "bursar_new_key";
  const auto recorder = Start(*MakeConnection(client), Quick(folder.path()));
  ASSERT_TRUE(recorder->Flush(10s).ok());
  EXPECT_EQ(recorder->Stats().delivered, 1u);
  EXPECT_EQ(server.authorization(), "Bearer bursar_new_key");
}

TEST(Recorder, ACorruptRecordIsSetAsideAndTheRestIsDelivered) {
  const TemporaryFolder folder;
  auto away = std::make_shared<FakePurse>();
  away->SetAway(true);
  {
    const auto recorder = Start(away, QuickToLeave(folder.path()));
    for (const char* id : {"first", "second", "third"}) {
      ASSERT_TRUE(recorder->Record(Usage(id)).ok());
    }
  }
  const std::string file = FilesBelow(folder.path(), ".journal").at(0);
  std::string bytes = ReadFile(file);
  bytes[bytes.find("second")] = 'S';
  WriteFile(file, bytes);
  auto purse = std::make_shared<FakePurse>();
  const auto recorder = Start(purse, Quick(folder.path()));
  ASSERT_TRUE(recorder->Flush(10s).ok());
  EXPECT_EQ(purse->counted().count("first"), 1u);
  EXPECT_EQ(purse->counted().count("third"), 1u);
  EXPECT_EQ(purse->size(), 2u);
  EXPECT_EQ(recorder->Stats().corrupt, 1u);
  std::string aside;
  for (const auto& kept : FilesBelow(folder.path() + "/set-aside", "")) aside += ReadFile(kept);
  EXPECT_THAT(aside, HasSubstr("Second"));
}

TEST(Recorder, ConcurrentReplayCountsOnce) {
  const TemporaryFolder folder;
  auto away = std::make_shared<FakePurse>();
  away->SetAway(true);
  for (int process = 0; process < 5; ++process) {
    const auto recorder = Start(away, QuickToLeave(folder.path()));
    for (int i = 0; i < 40; ++i) ASSERT_TRUE(recorder->Record({}).ok());
  }
  auto purse = std::make_shared<FakePurse>();
  std::vector<std::thread> threads;
  std::atomic<uint64_t> recovered = 0;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      const auto recorder = Start(purse, Quick(folder.path()));
      EXPECT_TRUE(recorder->Flush(20s).ok());
      recovered += recorder->Stats().recovered;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(recovered, 200u);
  EXPECT_EQ(purse->size(), 200u);
  EXPECT_EQ(purse->replays(), 0u);
}

TEST(Recorder, TwoProcessesNeverShareAFile) {
  const TemporaryFolder folder;
  auto away = std::make_shared<FakePurse>();
  away->SetAway(true);
  const auto one = Start(away, QuickToLeave(folder.path()));
  const auto two = Start(away, QuickToLeave(folder.path()));
  ASSERT_TRUE(one->Record(Usage("of-one")).ok());
  ASSERT_TRUE(two->Record(Usage("of-two")).ok());
  (void)one->Flush(300ms);
  (void)two->Flush(300ms);
  const auto files = FilesBelow(folder.path(), ".journal");
  ASSERT_EQ(files.size(), 2u);
  for (const std::string& file : files) {
    const std::string bytes = ReadFile(file);
    EXPECT_NE(bytes.find("of-one") == std::string::npos, bytes.find("of-two") == std::string::npos);
  }
}

TEST(Recorder, WhatADeadOneLeavesIsFoundByOneThatRuns) {
  const TemporaryFolder folder;
  auto purse = std::make_shared<FakePurse>();
  RecorderOptions options = Quick(folder.path());
  options.adopt_interval = 5ms;
  const auto survivor = Start(purse, options);
  {
    auto away = std::make_shared<FakePurse>();
    away->SetAway(true);
    RecorderOptions dying = QuickToLeave(folder.path());
    const auto recorder = Start(away, dying);
    ASSERT_TRUE(recorder->Record(Usage("left")).ok());
  }
  for (int i = 0; i < 1000 && purse->size() == 0; ++i) std::this_thread::sleep_for(10ms);
  EXPECT_EQ(purse->counted().count("left"), 1u);
  EXPECT_EQ(survivor->Stats().recovered, 1u);
}

TEST(Recorder, AMalformedSuccessIsAmbiguousAndRetried) {
  const TemporaryFolder folder;
  auto purse = std::make_shared<FakePurse>();
  int calls = 0;
  purse->SetSpoiler([&](const auto&, FakePurse::Answers answers) -> StatusOr<FakePurse::Answers> {
    if (++calls == 1) answers.pop_back();
    return answers;
  });
  RecorderOptions options = Quick(folder.path());
  options.linger = 50ms;
  const auto recorder = Start(purse, options);
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(recorder->Record({}).ok());
  ASSERT_TRUE(recorder->Flush(10s).ok());
  EXPECT_EQ(purse->size(), 10u);
  EXPECT_GE(purse->replays(), 1u);
  EXPECT_EQ(recorder->Stats().delivered, 10u);
  EXPECT_EQ(recorder->Stats().send_failures, 1u);
}

TEST(Recorder, UnknownUsageNeverSettlesAsZero) {
  auto purse = std::make_shared<FakePurse>();
  const auto recorder = Start(purse, Quick());
  const std::string hold = "r";
  ASSERT_TRUE(recorder->Record({.usage_id = "nothing said", .reservation_id = hold}).ok());
  ASSERT_TRUE(
      recorder
          ->Record({.usage_id = "success", .reservation_id = hold, .outcome = Outcome::kSucceeded})
          .ok());
  ASSERT_TRUE(
      recorder->Record({.usage_id = "zero said", .reservation_id = hold, .tokens = TokenUsage{}})
          .ok());
  ASSERT_TRUE(
      recorder
          ->Record(
              {.usage_id = "not run", .reservation_id = hold, .outcome = Outcome::kNotExecuted})
          .ok());
  ASSERT_TRUE(
      recorder->Record({.usage_id = "kept", .reservation_id = hold, .keep_reservation = true})
          .ok());
  ASSERT_TRUE(recorder->Record({.usage_id = "no hold"}).ok());
  ASSERT_TRUE(recorder->Flush(10s).ok());
  auto counted = purse->counted();
  EXPECT_EQ(counted["nothing said"].outcome, Outcome::kUnknown);
  EXPECT_EQ(counted["success"].outcome, Outcome::kUnknown);
  EXPECT_EQ(counted["zero said"].outcome, Outcome::kUnspecified);
  EXPECT_EQ(counted["not run"].outcome, Outcome::kNotExecuted);
  EXPECT_EQ(counted["kept"].outcome, Outcome::kUnspecified);
  EXPECT_EQ(counted["no hold"].outcome, Outcome::kUnspecified);
}

TEST(Recorder, ARefusedRecordIsSetAsideAndDoesNotHoldUpOthers) {
  const TemporaryFolder folder;
  auto purse = std::make_shared<FakePurse>();
  purse->SetJudge([](const RecordRequest& record) {
    return record.step == "bad" ? Status(StatusCode::kOutOfRange, "too old") : Status();
  });
  std::vector<DroppedRecord> told;
  RecorderOptions options = Quick(folder.path());
  options.on_drop = [&](const DroppedRecord& dropped) { told.push_back(dropped); };
  const auto recorder = Start(purse, options);
  for (int i = 0; i < 9; ++i) {
    RecordRequest record = Usage("u" + std::to_string(i));
    if (i == 4) record.step = "bad";
    ASSERT_TRUE(recorder->Record(record).ok());
  }
  const Status flushed = recorder->Flush(10s);
  EXPECT_EQ(flushed.code(), StatusCode::kDataLoss);
  EXPECT_THAT(flushed.message(), HasSubstr("1 records will not be delivered"));
  EXPECT_TRUE(recorder->Flush(10s).ok());  // told of once
  const RecorderStats stats = recorder->Stats();
  EXPECT_EQ(stats.delivered, 8u);
  EXPECT_EQ(stats.dropped_refused, 1u);
  EXPECT_EQ(stats.set_aside, 1u);
  ExpectBalanced(stats);
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0].usage_id, "u4");
  EXPECT_EQ(told[0].why.code(), StatusCode::kOutOfRange);
  EXPECT_THAT(ReadFile(told[0].set_aside), HasSubstr("too old"));
  size_t sent = 0;
  for (const auto& call : purse->calls()) {
    for (const RecordRequest& record : call) sent += record.usage_id == "u4" ? 1 : 0;
  }
  EXPECT_EQ(sent, 1u);  // never again
}

TEST(Recorder, ABatchThatIsRefusedAsAWholeIsDividedUntilTheBadRecordIsFound) {
  auto purse = std::make_shared<FakePurse>();
  purse->SetSpoiler([](const FakePurse::Records& records,
                       FakePurse::Answers answers) -> StatusOr<FakePurse::Answers> {
    for (const RecordRequest& record : records) {
      if (record.usage_id == "u13") return Status(StatusCode::kInvalidArgument, "one is bad");
    }
    return answers;
  });
  RecorderOptions options = Quick();
  options.linger = 50ms;
  const auto recorder = Start(purse, options);
  for (int i = 0; i < 40; ++i) ASSERT_TRUE(recorder->Record(Usage("u" + std::to_string(i))).ok());
  EXPECT_EQ(recorder->Flush(10s).code(), StatusCode::kDataLoss);
  EXPECT_EQ(recorder->Stats().delivered, 39u);
  EXPECT_EQ(recorder->Stats().dropped_refused, 1u);
}

TEST(Recorder, ARecordThatNoServerSurvivesDoesNotHoldUpOthers) {
  auto purse = std::make_shared<FakePurse>();
  purse->SetSpoiler([](const FakePurse::Records& records,
                       FakePurse::Answers answers) -> StatusOr<FakePurse::Answers> {
    for (const RecordRequest& record : records) {
      if (record.usage_id == "u0") return Status(StatusCode::kInternal, "it crashed");
    }
    return answers;
  });
  RecorderOptions options = Quick();
  options.close_timeout = 1ms;
  const auto recorder = Start(purse, options);
  for (int i = 0; i < 250; ++i) ASSERT_TRUE(recorder->Record(Usage("u" + std::to_string(i))).ok());
  for (int i = 0; i < 1000 && recorder->Stats().delivered < 249; ++i) {
    std::this_thread::sleep_for(10ms);
  }
  EXPECT_EQ(recorder->Stats().delivered, 249u);
  EXPECT_EQ(recorder->Stats().held, 1u);  // it is not known that it is wrong
  EXPECT_EQ(recorder->Flush(10ms).code(), StatusCode::kDeadlineExceeded);
}

TEST(Recorder, ARecordThatIsToComeAgainLaterDoesSo) {
  const TemporaryFolder folder;
  auto purse = std::make_shared<FakePurse>();
  int asked = 0;
  purse->SetJudge([&](const RecordRequest& record) {
    if (record.usage_id != "u1" || ++asked > 3) return Status();
    return Status(StatusCode::kResourceExhausted, "this one later");
  });
  const auto recorder = Start(purse, Quick(folder.path()));
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(recorder->Record(Usage("u" + std::to_string(i))).ok());
  ASSERT_TRUE(recorder->Flush(10s).ok());
  EXPECT_EQ(purse->size(), 3u);
  EXPECT_EQ(asked, 4);
}

TEST(Recorder, SaysSoWhenMemoryIsFull) {
  auto purse = std::make_shared<FakePurse>();
  purse->SetAway(true);
  RecorderOptions options = Quick();
  options.memory_records_max = 50;
  options.close_timeout = 1ms;
  const auto recorder = Start(purse, options);
  int refused = 0;
  for (int i = 0; i < 60; ++i) {
    const Status status = recorder->Record(Usage("u" + std::to_string(i)));
    if (!status.ok()) {
      EXPECT_EQ(status.code(), StatusCode::kResourceExhausted);
      ++refused;
    }
  }
  EXPECT_EQ(refused, 10);
  RecorderStats stats = recorder->Stats();
  EXPECT_EQ(stats.dropped_full, 10u);
  EXPECT_EQ(stats.held, 50u);
  ExpectBalanced(stats);
  purse->SetAway(false);
  ASSERT_TRUE(recorder->Flush(10s).ok());
  EXPECT_EQ(purse->size(), 50u);
  EXPECT_TRUE(recorder->Record({}).ok());
}

TEST(Recorder, BoundsMemoryByBytesAsWell) {
  auto purse = std::make_shared<FakePurse>();
  purse->SetAway(true);
  RecorderOptions options = Quick();
  options.memory_bytes_max = 1 << 20;
  options.close_timeout = 1ms;
  const auto recorder = Start(purse, options);
  RecordRequest big = {.content = Content{.prompt = std::string(300'000, 'x')}};
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(recorder->Record(big).ok());
  EXPECT_EQ(recorder->Record(big).code(), StatusCode::kResourceExhausted);
  big.content->prompt.resize(4 << 20);
  EXPECT_EQ(recorder->Record(big).code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(recorder->Stats().dropped_invalid, 1u);
  ExpectBalanced(recorder->Stats());
}

TEST(Recorder, AFullJournalIsCountedAndRecordsAreSentFromMemory) {
  const TemporaryFolder folder;
  auto purse = std::make_shared<FakePurse>();
  purse->SetAway(true);
  RecorderOptions options = Quick(folder.path());
  options.journal_bytes_max = 2000;
  options.segment_bytes_max = 1000;
  options.memory_records_max = 100;
  const auto recorder = Start(purse, options);
  int accepted = 0;
  for (int i = 0; i < 5000; ++i) {
    if (!recorder->Record(Usage("u" + std::to_string(i))).ok()) break;
    ++accepted;
    if (i % 10 == 9) (void)recorder->Flush(2ms);
  }
  EXPECT_GT(accepted, 100);  // some in the journal, and memory full
  EXPECT_LT(accepted, 200);
  EXPECT_GT(recorder->Stats().journal_failures, 0u);
  purse->SetAway(false);
  ASSERT_TRUE(recorder->Flush(10s).ok());
  EXPECT_EQ(purse->size(), static_cast<size_t>(accepted));
  ASSERT_TRUE(recorder->Record(Usage("afterwards")).ok());
  EXPECT_TRUE(recorder->Close().ok());
  EXPECT_EQ(recorder->Stats().dropped_full, 1u);
  ExpectBalanced(recorder->Stats());
}

TEST(Recorder, WithoutAJournalTheEndSaysWhatIsLost) {
  auto purse = std::make_shared<FakePurse>();
  purse->SetAway(true);
  std::set<std::string> told;
  RecorderOptions options = Quick();
  options.close_timeout = 20ms;
  options.on_drop = [&](const DroppedRecord& dropped) { told.insert(dropped.usage_id); };
  const auto recorder = Start(purse, options);
  for (int i = 0; i < 150; ++i) ASSERT_TRUE(recorder->Record(Usage("u" + std::to_string(i))).ok());
  EXPECT_FALSE(recorder->Close().ok());
  EXPECT_EQ(told.size(), 150u);
  EXPECT_EQ(recorder->Stats().dropped_closed, 150u);
  EXPECT_EQ(recorder->Stats().held, 0u);
  EXPECT_EQ(recorder->Record({}).code(), StatusCode::kFailedPrecondition);
  ExpectBalanced(recorder->Stats());
}

TEST(Recorder, WhatCanNeverBeSentIsSetAside) {
  const TemporaryFolder folder;
  auto purse = std::make_shared<FakePurse>();
  const auto recorder = Start(purse, Quick(folder.path()));
  ASSERT_TRUE(recorder->Record({.usage_id = "no-json", .metadata_json = "[1]"}).ok());
  ASSERT_TRUE(recorder->Record({.usage_id = "no-utf8", .step = "\xFF"}).ok());
  ASSERT_TRUE(recorder->Record(Usage("good")).ok());
  EXPECT_EQ(recorder->Flush(10s).code(), StatusCode::kDataLoss);
  EXPECT_EQ(purse->size(), 1u);
  EXPECT_EQ(recorder->Stats().dropped_invalid, 2u);
  EXPECT_EQ(recorder->Stats().set_aside, 2u);
  const std::string aside = ReadFile(folder.path() + "/set-aside/refused.jsonl");
  EXPECT_THAT(aside, HasSubstr("no-json"));
  EXPECT_THAT(aside, HasSubstr("no-utf8"));
}

TEST(Recorder, ItsFiguresAddUpAtEveryMoment) {
  const TemporaryFolder folder;
  auto purse = std::make_shared<FakePurse>();
  std::atomic<int> asked = 0;
  purse->SetJudge([&](const RecordRequest&) {
    const int n = ++asked;
    if (n % 17 == 0) return Status(StatusCode::kOutOfRange, "too old");
    return n % 5 == 0 ? kUnavailable : Status();
  });
  RecorderOptions options = Quick(folder.path());
  options.memory_records_max = 300;
  options.segment_bytes_max = 4000;
  const auto recorder = Start(purse, options);
  std::atomic<bool> done = false;
  std::thread auditor([&] {
    while (!done) ExpectBalanced(recorder->Stats());
  });
  std::vector<std::thread> agents;
  for (int agent = 0; agent < 3; ++agent) {
    agents.emplace_back([&] {
      for (int i = 0; i < 700; ++i) (void)recorder->Record({.step = "s"});
    });
  }
  for (std::thread& agent : agents) agent.join();
  (void)recorder->Flush(30s);
  done = true;
  auditor.join();
  const RecorderStats stats = recorder->Stats();
  EXPECT_EQ(stats.accepted, 2100u);
  EXPECT_EQ(stats.held, 0u);
  EXPECT_EQ(stats.delivered, purse->size());
  EXPECT_GT(stats.dropped_refused, 0u);
  ExpectBalanced(stats);
}

TEST(Recorder, RefusesOptionsThatCannotBe) {
  auto purse = std::make_shared<FakePurse>();
  EXPECT_EQ(Recorder::Start(purse, {.journal_label = "../up"}).status().code(),
            StatusCode::kInvalidArgument);
  EXPECT_EQ(Recorder::Start(purse, {.batch_records_max = 1001}).status().code(),
            StatusCode::kInvalidArgument);
  EXPECT_EQ(Recorder::Start(purse, {.linger = 0ms}).status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(Recorder::Start(purse, {.segment_bytes_max = uint64_t{5} << 30}).status().code(),
            StatusCode::kInvalidArgument);
  EXPECT_EQ(Recorder::Start(purse, {.journal_folder = "/dev/null/x"}).status().code(),
            StatusCode::kFailedPrecondition);
}

TEST(Recorder, AForkedChildIsToldThatItHasNone) {
  const TemporaryFolder folder;
  auto purse = std::make_shared<FakePurse>();
  auto recorder = Start(purse, Quick(folder.path()));
  const pid_t child = ::fork();
  if (child == 0) {
    const bool told = recorder->Record({}).code() == StatusCode::kFailedPrecondition &&
                      recorder->Flush(1s).code() == StatusCode::kFailedPrecondition;
    recorder.reset();
    ::_exit(told ? 0 : 1);
  }
  int state = 0;
  ASSERT_EQ(::waitpid(child, &state, 0), child);
  EXPECT_EQ(state, 0);
  ASSERT_TRUE(recorder->Record({}).ok());
  EXPECT_TRUE(recorder->Flush(10s).ok());
}

TEST(Recorder, ARefusedSettlementEndsItsHoldAllTheSame) {
  for (const bool with_journal : {false, true}) {
    const TemporaryFolder folder;
    auto purse = std::make_shared<FakePurse>();
    purse->SetJudge([](const RecordRequest& record) {
      const bool bad = record.reservation_id == "never" || (record.error && record.cost_nanousd) ||
                       (record.tokens && record.tokens->uncached_input_tokens < 0);
      return bad ? Status(StatusCode::kInvalidArgument, "wrong") : Status();
    });
    std::mutex mutex;
    std::vector<DroppedRecord> told;
    RecorderOptions options = Quick(with_journal ? folder.path() : "");
    options.on_drop = [&](const DroppedRecord& dropped) {
      const std::lock_guard lock(mutex);
      told.push_back(dropped);
    };
    const auto recorder = Start(purse, options);
    const Subject ada{.user = "ada"};
    const std::vector<RecordRequest> bad = {
        {.usage_id = "error", .reservation_id = "r", .cost_nanousd = 3, .error = CallError{"e"}},
        {.usage_id = "json", .reservation_id = "r", .cost_nanousd = 4, .metadata_json = "[1]"},
        {.usage_id = "tokens",
         .reservation_id = "r",
         .subject = ada,
         .tokens = TokenUsage{.uncached_input_tokens = -1}},
        {.usage_id = "never", .reservation_id = "never", .cost_nanousd = 5},
        {.usage_id = "part",
         .reservation_id = "never",
         .cost_nanousd = 6,
         .keep_reservation = true}};
    for (const RecordRequest& record : bad) ASSERT_TRUE(recorder->Record(record).ok());
    EXPECT_EQ(recorder->Flush(10s).code(), StatusCode::kDataLoss);
    const auto counted = purse->counted();
    ASSERT_EQ(counted.size(), 3u);
    EXPECT_EQ(counted.at("error").cost_nanousd, 3);
    EXPECT_FALSE(counted.at("error").error.has_value());
    EXPECT_EQ(counted.at("json").cost_nanousd, 4);
    EXPECT_EQ(counted.at("tokens").outcome, Outcome::kUnknown);
    EXPECT_EQ(counted.at("tokens").subject, ada);
    EXPECT_TRUE(counted.at("tokens").occur_time.has_value());
    EXPECT_EQ(told.size(), 6u);  // "never" twice: what it was, and what was left of it at last
    EXPECT_EQ(std::count_if(told.begin(), told.end(),
                            [](const DroppedRecord& dropped) {
                              return dropped.why.message().find("AdjustUsage") != std::string::npos;
                            }),
              4);
    EXPECT_EQ(recorder->Stats().delivered, 3u);
    ExpectBalanced(recorder->Stats());
    EXPECT_TRUE(recorder->Close().ok());
    EXPECT_TRUE(FilesBelow(folder.path(), ".journal").empty());
  }
}

TEST(Recorder, RecordsThatNoServerSurvivesTakeNoRoomOfOthers) {
  struct Case {
    size_t batch_records_max;
    int poisoned;
    size_t bytes;
  };
  for (const Case& each : {Case{1, 1, 0}, Case{100, 1, 1200000}, Case{5, 10, 0}}) {
    auto purse = std::make_shared<FakePurse>();
    purse->SetSpoiler([](const FakePurse::Records& records,
                         FakePurse::Answers answers) -> StatusOr<FakePurse::Answers> {
      for (const RecordRequest& record : records) {
        if (record.step == "poison") return Status(StatusCode::kInternal, "it crashed");
      }
      return answers;
    });
    RecorderOptions options = Quick();
    options.batch_records_max = each.batch_records_max;
    options.close_timeout = 1ms;
    const auto recorder = Start(purse, options);
    for (int i = 0; i < each.poisoned; ++i) {
      RecordRequest poison{.step = "poison"};
      poison.content = Content{.prompt = std::string(each.bytes, 'x')};
      ASSERT_TRUE(recorder->Record(poison).ok());
    }
    for (int i = 0; i < 50; ++i) ASSERT_TRUE(recorder->Record(Usage(std::to_string(i))).ok());
    for (int i = 0; i < 1000 && recorder->Stats().delivered < 50; ++i) {
      std::this_thread::sleep_for(10ms);
    }
    EXPECT_EQ(recorder->Stats().delivered, 50u);
    EXPECT_EQ(recorder->Stats().held, static_cast<uint64_t>(each.poisoned));
  }
}

// A journal that is full, and as many records in memory as fit there. How many were taken.
int FillJournalAndMemory(Recorder& recorder) {
  for (int i = 0;; ++i) {
    if (!recorder.Record(Usage("u" + std::to_string(i))).ok()) return i;
    if (i % 10 == 9) (void)recorder.Flush(5ms);
  }
}

RecorderOptions SmallJournal(const std::string& folder) {
  RecorderOptions options = Quick(folder);
  options.linger = 1h;  // a batch is written by each Flush
  options.journal_bytes_max = 8000;
  options.memory_records_max = 100;
  options.batch_records_max = 5;
  return options;
}

TEST(Recorder, WhatIsInMemoryDoesNotWaitForAllOfTheJournal) {
  const TemporaryFolder folder;
  auto purse = std::make_shared<FakePurse>();
  purse->SetAway(true);
  std::vector<std::string> order;
  purse->SetJudge([&](const RecordRequest& record) {
    order.push_back(record.usage_id);
    return Status();
  });
  const auto recorder = Start(purse, SmallJournal(folder.path()));
  const int accepted = FillJournalAndMemory(*recorder);
  ASSERT_GT(accepted, 150);  // 100 of them in memory
  purse->SetAway(false);
  ASSERT_TRUE(recorder->Flush(10s).ok());
  ASSERT_EQ(order.size(), static_cast<size_t>(accepted));
  const auto first_in_memory = std::find_if(
      order.begin(), order.end(),
      [&](const std::string& usage_id) { return std::stoi(usage_id.substr(1)) >= accepted - 100; });
  EXPECT_LT(first_in_memory - order.begin(), 50);
}

TEST(Recorder, TheEndKeepsAsMuchAsTheJournalHasRoomFor) {
  const TemporaryFolder folder;
  auto purse = std::make_shared<FakePurse>();
  purse->SetAway(true);
  RecorderOptions options = SmallJournal(folder.path());
  options.close_timeout = 1ms;
  options.batch_records_max = 100;
  options.memory_records_max = 1000;
  options.journal_bytes_max = 6000;  // more than 100 records, less than 200
  const auto recorder = Start(purse, options);
  for (int i = 0; i < 200; ++i) {
    ASSERT_TRUE(recorder->Record(Usage("u" + std::to_string(i))).ok());
    if (i == 99) (void)recorder->Flush(100ms);
  }
  (void)recorder->Flush(100ms);
  EXPECT_EQ(recorder->Stats().journal_failures, 1u);
  EXPECT_FALSE(recorder->Close().ok());
  EXPECT_GT(recorder->Stats().held, 100u);
  EXPECT_LT(recorder->Stats().held, 200u);
  ExpectBalanced(recorder->Stats());
}

TEST(Recorder, DISABLED_TakesOverWhatManyLeftWithFewOpenFiles) {
  constexpr size_t kDead = 60;
  const TemporaryFolder folder;
  const std::string shared = folder.path() + "/shared";
  std::filesystem::create_directory(shared);
  auto away = std::make_shared<FakePurse>();
  away->SetAway(true);
  for (size_t i = 0; i < kDead; ++i) {
    const std::string own = folder.path() + "/" + std::to_string(i);
    ASSERT_TRUE(Start(away, QuickToLeave(own))->Record(Usage("u" + std::to_string(i))).ok());
    for (const auto& left : std::filesystem::directory_iterator(own)) {
      std::filesystem::rename(left.path(), shared + "/" + left.path().filename().string());
    }
  }
  const auto open_files = [] {
    const std::filesystem::directory_iterator files("/proc/self/fd");
    return std::distance(begin(files), end(files));
  };
  const auto before = open_files();
  auto purse = std::make_shared<FakePurse>();
  std::atomic<std::ptrdiff_t> most = 0;
  purse->SetJudge([&](const RecordRequest&) {
    most = std::max<std::ptrdiff_t>(most, open_files() - before);
    return Status();
  });
  RecorderOptions options = Quick(shared);
  options.batch_records_max = 5;
  const auto recorder = Start(purse, options);
  for (int i = 0; i < 1000 && purse->size() < kDead; ++i) std::this_thread::sleep_for(10ms);
  EXPECT_EQ(purse->size(), kDead);  // long before the adopt_interval of 30 s
  EXPECT_LE(most, 45);
}

TEST(Recorder, WhatTheAgentsFunctionsThrowIsIgnored) {
  auto purse = std::make_shared<FakePurse>();
  RecorderOptions options = Quick();
  options.on_drop = [](const DroppedRecord&) { throw std::runtime_error("the agent's"); };
  options.on_delivered = [](const std::string&) { throw std::runtime_error("the agent's"); };
  const auto recorder = Start(purse, options);
  ASSERT_TRUE(recorder->Record({.metadata_json = "[1]"}).ok());
  ASSERT_TRUE(recorder->Record({}).ok());
  EXPECT_EQ(recorder->Flush(10s).code(), StatusCode::kDataLoss);
  EXPECT_EQ(recorder->Stats().delivered, 1u);
}

TEST(Recorder, AFlushMayLastForEver) {
  auto purse = std::make_shared<FakePurse>();
  const auto recorder = Start(purse, Quick());
  ASSERT_TRUE(recorder->Record({}).ok());
  EXPECT_TRUE(recorder->Flush(std::chrono::milliseconds::max()).ok());
}

}  // namespace
}  // namespace bursar
