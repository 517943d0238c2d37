// R18: a disk without room, as a real one: a tmpfs of a few hundred KiB.
#include <bursar/recorder.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "src/journal.h"
#include "testing/fake_purse.h"
#include "testing/small_disk.h"
#include "testing/temporary_folder.h"

namespace bursar {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using bursar::testing::FakePurse;
using bursar::testing::FilesBelow;
using bursar::testing::FillDisk;
using bursar::testing::OnSmallDisk;
using bursar::testing::TemporaryFolder;
using internal::Journal;
using ::testing::HasSubstr;

constexpr size_t kDiskBytes = 256 << 10;
constexpr char kSkip[] = "this system lets nobody mount a disk: run it as root";
constexpr internal::JournalSegment::Limits kAll{1'000'000, 1 << 30};

RecorderOptions Quick(const std::string& journal_folder) {
  RecorderOptions options;
  options.journal_folder = journal_folder;
  options.linger = 1ms;
  options.retry_initial_backoff = 1ms;
  options.retry_max_backoff = 5ms;
  options.close_timeout = 10s;
  return options;
}

std::unique_ptr<Recorder> Start(std::shared_ptr<Connection> purse, const RecorderOptions& options) {
  auto recorder = Recorder::Start(std::move(purse), options);
  EXPECT_TRUE(recorder.ok()) << recorder.status().ToString();
  return *std::move(recorder);
}

// Until all that the recorder holds is in its journal, while the purse is away.
void AwaitJournal(Recorder& recorder) {
  Status held;
  for (int i = 0; i < 200; ++i) {
    held = recorder.Flush(50ms);
    if (held.message().find(", 0 in memory alone") != std::string::npos) return;
  }
  ADD_FAILURE() << held.ToString();
}

void ExpectBalanced(const RecorderStats& stats) {
  EXPECT_EQ(stats.accepted, stats.delivered + stats.held + stats.dropped());
}

std::unique_ptr<Journal> OpenJournal(const std::string& root, internal::SetAside* set_aside) {
  auto journal =
      Journal::Open({.root = root, .label = "test", .segment_bytes_max = 20'000}, set_aside);
  EXPECT_TRUE(journal.ok()) << journal.status().ToString();
  return *std::move(journal);
}

std::string Numbered(int number) { return std::to_string(number) + std::string(3000, 'x'); }

TEST(FullDisk, TheJournalSaysSoLosesNothingAndGoesOnWhenThereIsRoom) {
  const TemporaryFolder disk;
  const bool ran = OnSmallDisk(disk.path(), kDiskBytes, [&] {
    const std::string root = disk.path() + "/journal";
    internal::SetAside set_aside(root + "/set-aside", 1 << 20);
    int appended = 0;
    {
      const auto journal = OpenJournal(root, &set_aside);
      testing::WriteFile(disk.path() + "/ballast", std::string(50'000, 'x'));
      Status full;
      for (int failures = 0;
           failures < 20;) {  // each time it starts over with a new segment, or not
        Status status = journal->Append({Numbered(appended)});
        journal->Commit();
        if (status.ok()) {
          ++appended;
        } else {
          full = status;
          ++failures;
        }
      }
      EXPECT_EQ(full.code(), StatusCode::kResourceExhausted) << full.ToString();
      EXPECT_THAT(full.message(), HasSubstr("No space left on device"));
      EXPECT_GT(appended, 30);
      EXPECT_EQ(journal->not_done(), static_cast<uint64_t>(appended));
      const TemporaryFolder elsewhere;  // should the process die now
      fs::copy(root, elsewhere.path() + "/left", fs::copy_options::recursive);
      const Journal::Adopted left = OpenJournal(elsewhere.path() + "/left", &set_aside)->Adopt();
      EXPECT_EQ(left.records, static_cast<uint64_t>(appended));
      EXPECT_EQ(left.corrupt, 0u);  // no torn tail is left
      fs::remove(disk.path() + "/ballast");
      for (int i = 0; i < 5; ++i) {
        const Status status = journal->Append({Numbered(appended++)});
        EXPECT_TRUE(status.ok()) << status.ToString();
        journal->Commit();
      }
    }  // it ends without having delivered anything
    const auto journal = OpenJournal(root, &set_aside);
    const Journal::Adopted adopted = journal->Adopt();
    journal->Commit();
    EXPECT_EQ(adopted.records, static_cast<uint64_t>(appended));
    EXPECT_EQ(adopted.corrupt, 0u);
    const auto taken = journal->Take(kAll);
    ASSERT_EQ(taken.entries.size(), static_cast<size_t>(appended));
    for (int i = 0; i < appended; ++i) {
      EXPECT_EQ(taken.entries[static_cast<size_t>(i)].payload, Numbered(i));
    }
  });
  if (!ran) GTEST_SKIP() << kSkip;
}

TEST(FullDisk, TheRecorderKeepsRecordsInMemoryAndDeliversThemAll) {
  const TemporaryFolder disk;
  const bool ran = OnSmallDisk(disk.path(), kDiskBytes, [&] {
    auto purse = std::make_shared<FakePurse>();
    purse->SetAway(true);
    RecorderOptions options = Quick(disk.path() + "/journal");
    options.segment_bytes_max = 20'000;
    const auto recorder = Start(purse, options);
    testing::WriteFile(disk.path() + "/ballast", std::string(100'000, 'x'));
    const auto record = [&](int number) {
      return recorder->Record({.usage_id = "u" + std::to_string(number),
                               .error = CallError{.message = std::string(1000, 'x')}});
    };
    for (int i = 0; i < 400; ++i) {
      ASSERT_TRUE(record(i).ok());
      if (i % 10 == 9) (void)recorder->Flush(2ms);
    }
    const RecorderStats full = recorder->Stats();
    EXPECT_GT(full.journal_failures, 0u);
    EXPECT_EQ(full.held, 400u);
    EXPECT_GT(FilesBelow(disk.path(), ".journal").size(), 3u);  // the disk has some of them
    ExpectBalanced(full);
    purse->SetAway(false);
    ASSERT_TRUE(recorder->Flush(20s).ok());
    EXPECT_EQ(purse->size(), 400u);
    EXPECT_EQ(recorder->Stats().dropped(), 0u);

    fs::remove(disk.path() + "/ballast");
    purse->SetAway(true);
    ASSERT_TRUE(record(1000).ok());
    AwaitJournal(*recorder);
    purse->SetAway(false);
    EXPECT_TRUE(recorder->Close().ok());
    EXPECT_EQ(purse->size(), 401u);
    EXPECT_EQ(purse->replays(), 0u);
    ExpectBalanced(recorder->Stats());
  });
  if (!ran) GTEST_SKIP() << kSkip;
}

TEST(FullDisk, WhatCannotBeMarkedAsDeliveredIsSentAgainAndCountsOnce) {
  const TemporaryFolder disk;
  const bool ran = OnSmallDisk(disk.path(), 2 * kDiskBytes, [&] {
    constexpr int kRecords = 600;
    auto purse = std::make_shared<FakePurse>();
    purse->SetAway(true);
    RecorderOptions options = Quick(disk.path() + "/journal");
    options.batch_records_max = 1;  // a mark for each
    const auto recorder = Start(purse, options);
    for (int i = 0; i < kRecords; ++i) {
      ASSERT_TRUE(recorder->Record({.usage_id = "u" + std::to_string(i)}).ok());
    }
    AwaitJournal(*recorder);
    FillDisk(disk.path() + "/ballast");
    purse->SetAway(false);
    // The process ends here: what it leaves is what its files have after the last but one.
    const TemporaryFolder elsewhere;
    for (int i = 0; i < 2000 && purse->size() < kRecords - 1; ++i) std::this_thread::sleep_for(5ms);
    purse->SetAway(true);
    fs::copy(options.journal_folder, elsewhere.path() + "/left", fs::copy_options::recursive);
    purse->SetAway(false);
    ASSERT_TRUE(recorder->Close().ok());
    EXPECT_EQ(purse->replays(), 0u);

    const auto next = Start(purse, Quick(elsewhere.path() + "/left"));
    ASSERT_TRUE(next->Flush(20s).ok());
    EXPECT_GT(purse->replays(), 100u) << "all marks were written: nothing is tested";
    EXPECT_EQ(purse->size(), static_cast<size_t>(kRecords));
    EXPECT_EQ(next->Stats().dropped(), 0u);
    ExpectBalanced(next->Stats());
  });
  if (!ran) GTEST_SKIP() << kSkip;
}

}  // namespace
}  // namespace bursar
