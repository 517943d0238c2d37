#include "src/journal.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <random>
#include <thread>

#include "testing/temporary_folder.h"

namespace bursar::internal {
namespace {

namespace fs = std::filesystem;
using bursar::testing::FilesBelow;
using bursar::testing::ReadFile;
using bursar::testing::TemporaryFolder;
using bursar::testing::WriteFile;
using ::testing::ElementsAre;
using ::testing::IsSubsetOf;

constexpr JournalSegment::Limits kAll{1'000'000, 1 << 30};

// A journal in a folder, with where it sets aside.
struct Opened {
  explicit Opened(const std::string& root, JournalOptions options = {.label = "test"})
      : set_aside(root + "/set-aside", 1 << 20) {
    options.root = root;
    auto made = Journal::Open(options, &set_aside);
    EXPECT_TRUE(made.ok()) << made.status().ToString();
    journal = *std::move(made);
  }
  Status Append(const std::vector<std::string>& records) const {
    Status status = journal->Append(records);
    journal->Commit();
    return status;
  }
  Journal::Adopted Adopt() const {
    const Journal::Adopted adopted = journal->Adopt();
    journal->Commit();
    return adopted;
  }
  std::vector<std::string> TakeAll() const {
    std::vector<std::string> payloads;
    for (const auto& entry : journal->Take(kAll).entries) payloads.push_back(entry.payload);
    return payloads;
  }
  SetAside set_aside;
  std::unique_ptr<Journal> journal;
};

// What a process that is killed now leaves: its files as they are, and no lock.
void CopyAsCrashed(const std::string& from, const std::string& to) {
  fs::copy(from, to, fs::copy_options::recursive);
}

std::vector<std::string> Numbered(int count, const std::string& tail = "") {
  std::vector<std::string> records;
  for (int i = 0; i < count; ++i) records.push_back("record " + std::to_string(i) + tail);
  return records;
}

TEST(Journal, GivesEachRecordOnceInTheOrderOfAppending) {
  const TemporaryFolder root;
  const Opened opened(root.path());
  ASSERT_TRUE(opened.Append({"a", "b"}).ok());
  ASSERT_TRUE(opened.Append({"c"}).ok());
  const auto first = opened.journal->Take({2, 1 << 20});
  ASSERT_EQ(first.entries.size(), 2u);
  EXPECT_EQ(first.entries[1].payload, "b");
  EXPECT_EQ(first.entries[1].number, 1u);
  EXPECT_THAT(opened.TakeAll(), ElementsAre("c"));
  EXPECT_THAT(opened.TakeAll(), ElementsAre());
  EXPECT_EQ(opened.journal->not_done(), 3u);
}

TEST(Journal, TakesNoMoreBytesThanAllowedButAtLeastOneRecord) {
  const TemporaryFolder root;
  const Opened opened(root.path());
  ASSERT_TRUE(opened.Append({std::string(100, 'a'), "b", std::string(100, 'c')}).ok());
  EXPECT_EQ(opened.journal->Take({10, 50}).entries.size(), 1u);
  EXPECT_EQ(opened.journal->Take({10, 100}).entries.size(), 1u);
  EXPECT_EQ(opened.journal->Take({10, 100}).entries.size(), 1u);
}

TEST(Journal, LeavesNothingOnceAllIsDone) {
  const TemporaryFolder root;
  {
    const Opened opened(root.path());
    ASSERT_TRUE(opened.Append(Numbered(3)).ok());
    std::vector<Journal::Place> places;
    for (const auto& entry : opened.journal->Take(kAll).entries) places.push_back(entry.place);
    opened.journal->MarkDone(places);
    EXPECT_EQ(opened.journal->not_done(), 0u);
  }
  EXPECT_TRUE(fs::is_empty(root.path()));
}

TEST(Journal, WhatIsDoneIsNotFoundAgain) {
  const TemporaryFolder root;
  {
    const Opened opened(root.path());
    ASSERT_TRUE(opened.Append(Numbered(5)).ok());
    const auto taken = opened.journal->Take(kAll);
    opened.journal->MarkDone({taken.entries[1].place, taken.entries[3].place});
  }
  const Opened opened(root.path());
  EXPECT_EQ(opened.Adopt().records, 3u);
  EXPECT_THAT(opened.TakeAll(), ElementsAre("record 0", "record 2", "record 4"));
}

TEST(Journal, RollsToNewSegmentsAndDeletesThoseThatAreDone) {
  const TemporaryFolder root;
  const Opened opened(root.path(), {.label = "test", .segment_bytes_max = 200});
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(opened.Append({std::string(100, 'x')}).ok());
  EXPECT_EQ(FilesBelow(root.path(), ".journal").size(), 10u);
  std::vector<Journal::Place> places;
  for (const auto& entry : opened.journal->Take(kAll).entries) places.push_back(entry.place);
  ASSERT_EQ(places.size(), 10u);
  opened.journal->MarkDone({places.begin(), places.begin() + 4});
  EXPECT_EQ(FilesBelow(root.path(), ".journal").size(), 6u);
  opened.journal->MarkDone({places.begin() + 4, places.end()});
  EXPECT_EQ(FilesBelow(root.path(), ".journal").size(), 1u);  // the one that is being filled
}

TEST(Journal, IsFullAtItsBoundAndTakesMoreWhenSomeIsDone) {
  const TemporaryFolder root;
  const Opened opened(root.path(), {.label = "test", .segment_bytes_max = 300, .bytes_max = 1000});
  const std::string record(100, 'x');
  int appended = 0;
  Status status;
  while ((status = opened.Append({record})).ok()) ++appended;
  EXPECT_EQ(status.code(), StatusCode::kResourceExhausted);
  EXPECT_GE(appended, 7);
  EXPECT_LE(opened.journal->bytes(), 1000u);
  const auto taken = opened.journal->Take(kAll);
  ASSERT_EQ(taken.entries.size(), static_cast<size_t>(appended));
  for (const auto& entry : taken.entries) opened.journal->MarkDone({entry.place});
  EXPECT_TRUE(opened.Append({record}).ok());
}

TEST(Journal, FilesAreTheOwnersAlone) {
  const TemporaryFolder root;
  const Opened opened(root.path());
  ASSERT_TRUE(opened.Append({"a"}).ok());
  struct stat about {};
  const auto files = FilesBelow(root.path(), ".journal");
  ASSERT_EQ(files.size(), 1u);
  ASSERT_EQ(::stat(files[0].c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 0777, 0600u);
  ASSERT_EQ(::stat(fs::path(files[0]).parent_path().c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 0777, 0700u);
}

TEST(Journal, TakesNothingOverFromOneThatLivesOrHasAnotherLabel) {
  const TemporaryFolder root;
  {
    const Opened other_label(root.path(), {.label = "other"});
    ASSERT_TRUE(other_label.Append({"of another tenant"}).ok());
  }
  const Opened alive(root.path());
  ASSERT_TRUE(alive.Append({"mine"}).ok());
  const Opened opened(root.path());
  EXPECT_EQ(opened.Adopt().records, 0u);
  EXPECT_THAT(alive.TakeAll(), ElementsAre("mine"));
}

TEST(Journal, OrphansAreAdoptedOnceHoweverManyLookAtOnce) {
  const TemporaryFolder root;
  for (int i = 0; i < 20; ++i) {
    const Opened dead(root.path());
    ASSERT_TRUE(dead.Append({"record of " + std::to_string(i)}).ok());
  }
  std::vector<std::vector<std::string>> got(4);
  {
    std::vector<std::thread> threads;
    std::vector<std::unique_ptr<Opened>> all(4);
    for (size_t i = 0; i < all.size(); ++i) {
      threads.emplace_back([&, i] {
        all[i] = std::make_unique<Opened>(root.path());
        all[i]->Adopt();
        got[i] = all[i]->TakeAll();
      });
    }
    for (std::thread& thread : threads) thread.join();
  }
  std::vector<std::string> together;
  for (const auto& part : got) together.insert(together.end(), part.begin(), part.end());
  std::sort(together.begin(), together.end());
  EXPECT_EQ(together.size(), 20u);
  EXPECT_EQ(std::unique(together.begin(), together.end()), together.end());
}

// R18: a crash at any byte. What was committed before the cut comes back whole; of what was being
// written, nothing is made up.
TEST(Journal, GivesBackEveryWholeRecordWhereverTheFileEnds) {
  const TemporaryFolder root;
  const Opened writer(root.path() + "/a");
  const auto records = Numbered(8);
  std::vector<uint64_t> ends;
  for (const std::string& record : records) {
    ASSERT_TRUE(writer.Append({record}).ok());
    ends.push_back(writer.journal->bytes());
  }
  const std::string file = FilesBelow(root.path() + "/a", ".journal").at(0);
  for (uint64_t cut = 0; cut <= ends.back(); ++cut) {
    CopyAsCrashed(root.path() + "/a", root.path() + "/b");
    fs::resize_file(FilesBelow(root.path() + "/b", ".journal").at(0), cut);
    {
      const Opened reader(root.path() + "/b");
      const auto whole = static_cast<size_t>(
          std::count_if(ends.begin(), ends.end(), [&](uint64_t end) { return end <= cut; }));
      const Journal::Adopted adopted = reader.Adopt();
      EXPECT_EQ(adopted.records, whole) << "cut at " << cut;
      EXPECT_EQ(reader.TakeAll(),
                std::vector<std::string>(records.begin(),
                                         records.begin() + static_cast<std::ptrdiff_t>(whole)));
      const bool torn = cut != 0 && cut != kSegmentHeaderBytes &&
                        std::find(ends.begin(), ends.end(), cut) == ends.end();
      EXPECT_EQ(adopted.corrupt, torn ? 1u : 0u) << "cut at " << cut;
    }
    fs::remove_all(root.path() + "/b");
  }
}

// R18: a flipped bit anywhere costs at most the record that it is in.
TEST(Journal, AFlippedBitCostsAtMostItsOwnRecordAndIsCountedAndSetAside) {
  const TemporaryFolder root;
  const Opened writer(root.path() + "/a");
  const auto records = Numbered(6);
  std::vector<uint64_t> ends = {kSegmentHeaderBytes};
  for (const std::string& record : records) {
    ASSERT_TRUE(writer.Append({record}).ok());
    ends.push_back(writer.journal->bytes());
  }
  const std::string whole = ReadFile(FilesBelow(root.path() + "/a", ".journal").at(0));
  for (size_t byte = 0; byte < whole.size(); ++byte) {
    CopyAsCrashed(root.path() + "/a", root.path() + "/b");
    std::string flipped = whole;
    flipped[byte] = static_cast<char>(flipped[byte] ^ (1 << (byte % 8)));
    WriteFile(FilesBelow(root.path() + "/b", ".journal").at(0), flipped);
    {
      const Opened reader(root.path() + "/b");
      std::vector<std::string> expected;
      for (size_t i = 0; i < records.size(); ++i) {
        if (byte < ends[i] || byte >= ends[i + 1]) expected.push_back(records[i]);
      }
      EXPECT_EQ(reader.Adopt().corrupt, 1u) << "byte " << byte;
      EXPECT_EQ(reader.TakeAll(), expected) << "byte " << byte;
      EXPECT_EQ(fs::exists(root.path() + "/b/set-aside"), true);
    }
    fs::remove_all(root.path() + "/b");
  }
}

// R18: a torn write: a stretch of the last batch did not reach the disk. Nothing but its own
// records is lost, and nothing that was never written comes back.
TEST(Journal, SurvivesAnyStretchThatTheDiskDidNotWrite) {
  const TemporaryFolder root;
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  const Opened writer(root.path() + "/a");
  const auto before = Numbered(5, " of the first batch");
  const auto unsynced = Numbered(5, " of the second batch");
  ASSERT_TRUE(writer.Append(before).ok());
  const uint64_t durable = writer.journal->bytes();
  ASSERT_TRUE(writer.Append(unsynced).ok());
  const std::string whole = ReadFile(FilesBelow(root.path() + "/a", ".journal").at(0));
  for (int round = 0; round < 200; ++round) {
    CopyAsCrashed(root.path() + "/a", root.path() + "/b");
    std::string torn = whole;
    const size_t from = durable + random() % (whole.size() - durable);
    const size_t to = from + random() % (whole.size() - from + 1);
    std::fill(torn.begin() + static_cast<std::ptrdiff_t>(from),
              torn.begin() + static_cast<std::ptrdiff_t>(to), '\0');
    WriteFile(FilesBelow(root.path() + "/b", ".journal").at(0), torn);
    {
      const Opened reader(root.path() + "/b");
      reader.Adopt();
      auto got = reader.TakeAll();
      ASSERT_GE(got.size(), before.size());
      EXPECT_EQ(std::vector<std::string>(got.begin(), got.begin() + 5), before);
      EXPECT_THAT(std::vector<std::string>(got.begin() + 5, got.end()), IsSubsetOf(unsynced));
    }
    fs::remove_all(root.path() + "/b");
  }
}

TEST(Journal, DamageWhileItIsOpenIsCountedAndTheRestIsRead) {
  const TemporaryFolder root;
  const Opened opened(root.path());
  ASSERT_TRUE(opened.Append(Numbered(5)).ok());
  const std::string file = FilesBelow(root.path(), ".journal").at(0);
  std::string bytes = ReadFile(file);
  bytes[bytes.find("record 2")] = 'R';
  WriteFile(file, bytes);
  const auto taken = opened.journal->Take(kAll);
  EXPECT_EQ(taken.entries.size(), 4u);
  EXPECT_EQ(taken.lost, 1u);
  EXPECT_EQ(taken.corrupt, 1u);
  EXPECT_EQ(opened.journal->not_done(), 4u);
  EXPECT_EQ(opened.journal->next_number(), 5u);
}

TEST(Journal, ARecordThatLooksLikeFramesIsOneRecord) {
  const TemporaryFolder root;
  std::string frames;
  AppendFrame(FrameKind::kRecord, "forged", 0, &frames);
  {
    const Opened opened(root.path());
    ASSERT_TRUE(opened.Append({"a", frames, "b"}).ok());
    const std::string file = FilesBelow(root.path(), ".journal").at(0);
    std::string bytes = ReadFile(file);
    bytes[bytes.find(frames) - kFrameHeaderBytes] ^= 1;  // the reader must search in it
    WriteFile(file, bytes);
  }
  const Opened opened(root.path());
  opened.Adopt();
  EXPECT_THAT(opened.TakeAll(), ElementsAre("a", "b"));
}

TEST(Journal, LeavesAloneWhatALaterVersionWrote) {
  const TemporaryFolder root;
  {
    const Opened opened(root.path());
    ASSERT_TRUE(opened.Append({"a"}).ok());
  }
  const std::string file = FilesBelow(root.path(), ".journal").at(0);
  std::string bytes = ReadFile(file);
  bytes[8] = 2;
  const uint32_t crc = Crc32(0, bytes.substr(0, 12));
  for (int i = 0; i < 4; ++i)
    bytes[12 + static_cast<size_t>(i)] = static_cast<char>(crc >> (8 * i));
  WriteFile(file, bytes);
  const Opened opened(root.path());
  const Journal::Adopted adopted = opened.Adopt();
  EXPECT_EQ(adopted.records, 0u);
  EXPECT_EQ(adopted.corrupt, 1u);
  EXPECT_EQ(opened.Adopt().corrupt, 0u);  // told of once
  EXPECT_EQ(ReadFile(file), bytes);
}

TEST(Journal, DamageThatCannotBeSetAsideStaysWhereItIs) {
  const TemporaryFolder root;
  {
    const Opened opened(root.path());
    ASSERT_TRUE(opened.Append({"a"}).ok());
  }
  const std::string file = FilesBelow(root.path(), ".journal").at(0);
  fs::resize_file(file, fs::file_size(file) - 1);
  {
    const Opened opened(root.path());
    WriteFile(root.path() + "/set-aside", "in the way of the folder");
    EXPECT_EQ(opened.Adopt().corrupt, 1u);
    EXPECT_EQ(opened.Adopt().corrupt, 0u);
  }
  EXPECT_TRUE(fs::exists(file));
}

// R18: a full disk, as the limit of a file's size: an error, and all that was appended is there.
TEST(Journal, AFullDiskIsAnErrorAndLosesNothingThatWasAppended) {
  const TemporaryFolder root;
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  auto* const handler = std::signal(SIGXFSZ, SIG_IGN);
  {
    const Opened opened(root.path());
    ASSERT_TRUE(opened.Append(Numbered(10)).ok());
    const auto durable = opened.journal->bytes();
    rlimit small = before;
    small.rlim_cur = durable + 20;  // the next record is cut off in the middle
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
    const Status full = opened.Append({"one more record"});
    const auto at_failure = fs::file_size(FilesBelow(root.path(), ".journal").at(0));
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
    EXPECT_EQ(full.code(), StatusCode::kResourceExhausted) << full.ToString();
    EXPECT_EQ(at_failure, durable);  // no torn tail is left
    EXPECT_EQ(opened.journal->not_done(), 10u);
    EXPECT_TRUE(opened.Append({"when there is room again"}).ok());
  }
  std::signal(SIGXFSZ, handler);
  const Opened opened(root.path());
  const Journal::Adopted adopted = opened.Adopt();
  EXPECT_EQ(adopted.records, 11u);
  EXPECT_EQ(adopted.corrupt, 0u);
}

// The system's errors when the open file `path` is read, as of a broken disk.
void LetReadingFail(const std::string& path) {
  for (const auto& file : fs::directory_iterator("/proc/self/fd")) {
    std::error_code error;
    if (fs::read_symlink(file.path(), error).string() != path) continue;
    const int writes_only = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
    ASSERT_GE(::dup2(writes_only, std::stoi(file.path().filename().string())), 0);
    ::close(writes_only);
    return;
  }
  FAIL() << path << " is not open";
}

TEST(Journal, WhatTheSystemDoesNotLetItReadStaysForTheNext) {
  const TemporaryFolder folder;
  {
    const Opened opened(folder.path());
    ASSERT_TRUE(opened.Append(Numbered(3)).ok());
    const auto files = FilesBelow(folder.path(), ".journal");
    ASSERT_EQ(files.size(), 1u);
    LetReadingFail(files[0]);
    const auto taken = opened.journal->Take(kAll);
    EXPECT_TRUE(taken.entries.empty());
    EXPECT_EQ(taken.lost, 3u);
    EXPECT_EQ(opened.journal->not_done(), 0u);
  }
  const Opened next(folder.path());
  EXPECT_EQ(next.Adopt().records, 3u);
  EXPECT_EQ(next.TakeAll(), Numbered(3));
}

TEST(FrameReader, EndsOnAnyBytes) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  std::string good;
  for (int i = 0; i < 5; ++i) AppendFrame(FrameKind::kRecord, "payload", 7, &good);
  for (int round = 0; round < 2000; ++round) {
    std::string bytes = good;
    for (unsigned i = 0; i < 1 + random() % 8; ++i) {
      bytes[random() % bytes.size()] = static_cast<char>(random());
    }
    bytes.resize(random() % (bytes.size() + 1));
    FrameReader reader(bytes, 7, 0);
    size_t covered = 0;
    while (const auto frame = reader.Next()) covered += kFrameHeaderBytes + frame->payload.size();
    for (const CorruptRange& range : reader.corrupt()) covered += range.bytes;
    EXPECT_EQ(covered, bytes.size());  // every byte is a frame's or damaged
  }
}

}  // namespace
}  // namespace bursar::internal
