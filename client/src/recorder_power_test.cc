// R18: power that fails, and with it all that was not made durable.
#include <bursar/recorder.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <random>
#include <set>
#include <thread>

#include "src/journal.h"
#include "testing/fake_purse.h"
#include "testing/power_loss.h"
#include "testing/temporary_folder.h"

namespace bursar {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using bursar::testing::FakePurse;
using bursar::testing::PowerLoss;
using bursar::testing::ReadFile;
using bursar::testing::TemporaryFolder;
using internal::Journal;

constexpr internal::JournalSegment::Limits kAll{1'000'000, 1 << 30};

unsigned Seed() {
  const char* given = std::getenv("BURSAR_SEED");
  const unsigned seed =
      given != nullptr ? static_cast<unsigned>(std::atol(given)) : std::random_device{}();
  std::cout << "BURSAR_SEED=" << seed << std::endl;
  return seed;
}

RecorderOptions Options(const std::string& base) {
  RecorderOptions options;
  options.journal_folder = base + "/state/journal";  // neither is there at first
  options.segment_bytes_max = 4000;
  options.linger = 1ms;
  options.batch_records_max = 20;
  options.retry_initial_backoff = 1ms;
  options.retry_max_backoff = 3ms;
  options.close_timeout = 1ms;
  return options;
}

// A purse that often fails before or after it counted, and that refuses some records for good.
std::shared_ptr<FakePurse> MoodyPurse(unsigned seed) {
  auto purse = std::make_shared<FakePurse>();
  const auto random = std::make_shared<std::mt19937>(seed);
  purse->SetJudge([random](const RecordRequest& record) {
    if (record.step == "bad") return Status(StatusCode::kOutOfRange, "too old");
    return (*random)() % 4 == 0 ? Status(StatusCode::kUnavailable, "before") : Status();
  });
  purse->SetSpoiler(
      [random](const auto&, FakePurse::Answers answers) -> StatusOr<FakePurse::Answers> {
        if ((*random)() % 4 == 0)
          return Status(StatusCode::kDeadlineExceeded, "the answer is lost");
        return answers;
      });
  return purse;
}

int NumberOf(const std::string& usage_id) { return std::atoi(usage_id.c_str() + 1); }
bool IsGood(int number) { return number % 10 != 0; }

RecordRequest Usage(int number) {
  return {.usage_id = "u" + std::to_string(number),
          .tokens = TokenUsage{.uncached_input_tokens = number},
          .step = IsGood(number) ? "good" : "bad"};
}

// One life of an agent's machine, which ends without power. What the purse was asked before that.
std::set<std::string> Live(const std::string& base, const std::string& next,
                           const std::shared_ptr<FakePurse>& purse, std::atomic<int>* recorded,
                           std::mt19937* random) {
  PowerLoss power(base);
  purse->SetAway(false);
  auto recorder = Recorder::Start(purse, Options(base));
  EXPECT_TRUE(recorder.ok()) << recorder.status().ToString();
  std::atomic<bool> stop = false;
  std::thread agent([&] {
    while (!stop) {
      for (int i = 0; i < 3; ++i) (void)(*recorder)->Record(Usage((*recorded)++));
      std::this_thread::sleep_for(1ms);
    }
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(20 + (*random)() % 60));
  purse->SetAway(true);  // the power fails: nothing is asked from here on
  std::set<std::string> asked;
  for (const auto& call : purse->calls()) {
    for (const RecordRequest& record : call) asked.insert(record.usage_id);
  }
  power.FailTo(next, *random);
  stop = true;
  agent.join();
  EXPECT_EQ((*recorder)->Stats().dropped_corrupt, 0u);
  (void)(*recorder)->Close();
  return asked;
}

TEST(PowerLoss, NothingThatWasSentIsLostOrCountedTwice) {
  const unsigned seed = Seed();
  std::mt19937 random(seed);
  const TemporaryFolder folder;
  const auto purse = MoodyPurse(seed);
  std::atomic<int> recorded = 0;
  std::set<std::string> asked;
  size_t at_stake = 0;  // asked for the first time, and only in the journal when the power failed
  std::string base = folder.path() + "/0";
  fs::create_directory(base);
  for (int life = 1; life <= 10 || (at_stake < 50 && life <= 200); ++life) {
    const std::string next = folder.path() + "/" + std::to_string(life);
    const auto asked_now = Live(base, next, purse, &recorded, &random);
    const auto counted = purse->counted();
    for (const std::string& id : asked_now) {
      const bool is_new = asked.insert(id).second;
      at_stake += is_new && IsGood(NumberOf(id)) && counted.count(id) == 0 ? 1 : 0;
    }
    base = next;
  }
  EXPECT_GE(at_stake, 50u) << "all had been delivered: nothing is tested";

  purse->SetAway(false);
  RecorderOptions options = Options(base);
  options.close_timeout = 20s;
  auto last = Recorder::Start(purse, options);
  ASSERT_TRUE(last.ok()) << last.status().ToString();
  // Journals of earlier lives are taken up a few at a time, as those before them are through.
  const auto all_counted = [&] {
    const auto counted = purse->counted();
    return std::all_of(asked.begin(), asked.end(), [&](const std::string& id) {
      return !IsGood(NumberOf(id)) || counted.count(id) == 1;
    });
  };
  for (int i = 0; i < 100; ++i) {
    (void)(*last)->Flush(30s);
    if (all_counted()) break;
    std::this_thread::sleep_for(100ms);
  }
  const RecorderStats stats = (*last)->Stats();
  EXPECT_EQ(stats.held, 0u);
  EXPECT_EQ(stats.dropped_corrupt, 0u);
  EXPECT_EQ(stats.accepted, stats.delivered + stats.dropped());
  const auto counted = purse->counted();
  const std::string refused = ReadFile(options.journal_folder + "/set-aside/refused.jsonl");
  for (const std::string& id : asked) {
    if (IsGood(NumberOf(id))) {
      EXPECT_EQ(counted.count(id), 1u) << id << " is lost";
    } else {
      EXPECT_NE(refused.find("\"usage_id\":\"" + id + "\""), std::string::npos)
          << id << " was refused, and is not set aside";
    }
  }
  for (const auto& [id, record] : counted) {  // and nothing is made up or altered
    EXPECT_LT(NumberOf(id), recorded);
    EXPECT_EQ(record.tokens->uncached_input_tokens, NumberOf(id));
    EXPECT_EQ(record.step, "good");
  }
  std::cout << recorded << " recorded, " << asked.size() << " sent, " << at_stake
            << " at stake when the power failed, " << purse->replays() << " sent again"
            << std::endl;
}

// A process is killed between a write and its fdatasync; the next one sends what it finds, and then
// the power fails.
TEST(PowerLoss, WhatIsAdoptedIsMadeDurableBeforeItIsSent) {
  std::mt19937 random(Seed());
  internal::SetAside nowhere("/dev/null/none", 0);
  const auto taken = [](Journal& journal) {
    (void)journal.Adopt();
    journal.Commit();
    std::vector<std::string> payloads;
    for (const auto& entry : journal.Take(kAll).entries) payloads.push_back(entry.payload);
    return payloads;
  };
  for (const uint64_t segment_bytes_max : {20, 4000}) {  // in a file of its own, or at an end
    for (int round = 0; round < 10; ++round) {
      const TemporaryFolder folder;
      const std::string base = folder.path() + "/0";
      fs::create_directory(base);
      const auto open = [&](const std::string& root) {
        auto journal = Journal::Open(
            {.root = root + "/journal", .label = "test", .segment_bytes_max = segment_bytes_max},
            &nowhere);
        EXPECT_TRUE(journal.ok()) << journal.status().ToString();
        return *std::move(journal);
      };
      PowerLoss power(base);
      auto killed = open(base);
      for (const char* record : {"one", "two", "three"}) {
        ASSERT_TRUE(killed->Append({record}).ok());
        killed->Commit();
        power.LoseSyncs(true);
      }
      killed.reset();
      power.LoseSyncs(false);
      const auto adopter = open(base);
      ASSERT_EQ(taken(*adopter), (std::vector<std::string>{"one", "two", "three"}));
      power.FailTo(folder.path() + "/1", random);
      EXPECT_EQ(taken(*open(folder.path() + "/1")),
                (std::vector<std::string>{"one", "two", "three"}));
    }
  }
}

}  // namespace
}  // namespace bursar
