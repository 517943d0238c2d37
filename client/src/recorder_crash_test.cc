#include <bursar/connection.h>
#include <bursar/recorder.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <mutex>
#include <random>
#include <set>
#include <thread>

#include "src/journal_folder.h"
#include "src/journal_format.h"
#include "testing/fake_server.h"
#include "testing/temporary_folder.h"

namespace bursar {
namespace {

using namespace std::chrono_literals;
using bursar::testing::FilesBelow;
using bursar::testing::ReadFile;
using bursar::testing::TemporaryFolder;

constexpr char kFolder[] = "BURSAR_TEST_JOURNAL";
constexpr char kEndpoint[] = "BURSAR_TEST_ENDPOINT";
constexpr char kName[] = "BURSAR_TEST_CHILD";
constexpr int kRecords = 5000;

RecorderOptions Options(const std::string& folder) {
  RecorderOptions options;
  options.journal_folder = folder;
  options.linger = 2ms;
  options.segment_bytes_max = 64 << 10;
  options.retry_initial_backoff = 1ms;
  options.retry_max_backoff = 10ms;
  options.adopt_interval = 50ms;
  options.close_timeout = 30s;
  return options;
}

std::unique_ptr<Recorder> Start(const std::string& folder, const std::string& endpoint) {
  auto connection = MakeConnection({.endpoint = endpoint});
  auto recorder = Recorder::Start(*std::move(connection), Options(folder));
  EXPECT_TRUE(recorder.ok()) << recorder.status().ToString();
  return *std::move(recorder);
}

// A server that counts each id once, and often fails before or after it did.
class CountingServer {
 public:
  explicit CountingServer(unsigned seed) : random_(seed) {
    server_.record_batch = [this](const v1::BatchRecordUsageRequest& request,
                                  v1::BatchRecordUsageResponse* response) {
      return Answer(request, response);
    };
  }
  std::string endpoint() const { return server_.endpoint(); }
  std::set<std::string> counted() const {
    const std::lock_guard lock(mutex_);
    std::set<std::string> ids;
    for (const auto& [id, payload] : counted_) ids.insert(id);
    return ids;
  }
  size_t size() const {
    const std::lock_guard lock(mutex_);
    return counted_.size();
  }
  size_t conflicts() const {
    const std::lock_guard lock(mutex_);
    return conflicts_;
  }
  size_t replays() const {
    const std::lock_guard lock(mutex_);
    return replays_;
  }

 private:
  grpc::Status Answer(const v1::BatchRecordUsageRequest& request,
                      v1::BatchRecordUsageResponse* response) {
    const std::lock_guard lock(mutex_);
    const auto luck = random_() % 10;
    if (luck == 0) return {grpc::StatusCode::UNAVAILABLE, "before"};
    for (const v1::RecordUsageRequest& record : request.records()) {
      const auto [known, is_new] = counted_.emplace(record.usage_id(), record.SerializeAsString());
      if (!is_new) ++replays_;
      if (known->second != record.SerializeAsString()) ++conflicts_;
      response->add_results();
    }
    if (luck == 1) return {grpc::StatusCode::DEADLINE_EXCEEDED, "the answer is lost"};
    return grpc::Status::OK;
  }

  mutable std::mutex mutex_;
  std::mt19937 random_;
  std::map<std::string, std::string> counted_;
  size_t conflicts_ = 0;
  size_t replays_ = 0;
  testing::FakeServer server_;
};

// This program again, as a process that records and never gets to its end.
pid_t SpawnChild(const std::string& name, const std::string& folder, const std::string& endpoint) {
  std::vector<std::string> environment = {std::string(kName) + "=" + name,
                                          std::string(kFolder) + "=" + folder,
                                          std::string(kEndpoint) + "=" + endpoint};
  for (char** entry = environ; *entry != nullptr; ++entry) environment.emplace_back(*entry);
  std::vector<std::string> arguments = {"/proc/self/exe",
                                        "--gtest_filter=RecorderCrash.DISABLED_Child",
                                        "--gtest_also_run_disabled_tests", "--gtest_brief=1"};
  std::vector<char*> argv;
  std::vector<char*> envp;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  for (std::string& entry : environment) envp.push_back(entry.data());
  argv.push_back(nullptr);
  envp.push_back(nullptr);
  pid_t child = -1;
  EXPECT_EQ(::posix_spawn(&child, argv[0], nullptr, nullptr, argv.data(), envp.data()), 0);
  return child;
}

TEST(RecorderCrash, DISABLED_Child) {
  const char* folder = std::getenv(kFolder);
  if (folder == nullptr) GTEST_SKIP() << "only as a child of the test below";
  const auto recorder = Start(folder, std::getenv(kEndpoint));
  const std::string prefix = std::string(std::getenv(kName)) + "/";
  for (int i = 0; i < kRecords; ++i) {
    RecordRequest record;
    record.usage_id = prefix + std::to_string(i);
    record.tokens = TokenUsage{.uncached_input_tokens = i};
    while (!recorder->Record(record).ok()) std::this_thread::sleep_for(1ms);
    if (i % 20 == 19) std::this_thread::sleep_for(1ms);
  }
  for (;;) std::this_thread::sleep_for(1s);  // until it is killed
}

// The ids of every whole record that the files hold, read without the journal's own code for it.
std::set<std::string> Journaled(const std::string& root) {
  std::set<std::string> ids;
  for (const std::string& path : FilesBelow(root, ".journal")) {
    const std::filesystem::path file(path);
    const uint32_t salt =
        internal::Crc32(0, file.parent_path().filename().string() + "/" + file.filename().string());
    const std::string bytes = ReadFile(path);
    if (bytes.size() < internal::kSegmentHeaderBytes) continue;
    internal::FrameReader reader(std::string_view(bytes).substr(internal::kSegmentHeaderBytes),
                                 salt, internal::kSegmentHeaderBytes);
    while (const auto frame = reader.Next()) {
      v1::RecordUsageRequest record;
      if (frame->kind != internal::FrameKind::kRecord) continue;
      EXPECT_TRUE(record.ParseFromString(std::string(frame->payload)));
      ids.insert(record.usage_id());
    }
  }
  return ids;
}

void Kill(pid_t child) {
  int state = 0;
  ASSERT_EQ(::kill(child, SIGKILL), 0);
  ASSERT_EQ(::waitpid(child, &state, 0), child);
  ASSERT_TRUE(WIFSIGNALED(state)) << "the child ended by itself";
}

TEST(RecorderCrash, EveryRecordThatWasJournaledIsCountedOnceHoweverOftenProcessesAreKilled) {
  const char* given = std::getenv("BURSAR_SEED");
  const unsigned seed =
      given != nullptr ? static_cast<unsigned>(std::atol(given)) : std::random_device{}();
  std::cout << "BURSAR_SEED=" << seed << std::endl;
  std::mt19937 random(seed);
  const TemporaryFolder folder;
  CountingServer server(seed);
  std::set<std::string> journaled;
  size_t left_behind = 0;
  for (int round = 0; round < 4; ++round) {
    const size_t before = server.size();
    const std::string name = "round " + std::to_string(round);
    const pid_t one = SpawnChild(name + " a", folder.path(), server.endpoint());
    const pid_t two = SpawnChild(name + " b", folder.path(), server.endpoint());
    for (int i = 0; i < 3000 && server.size() < before + 200; ++i) {
      std::this_thread::sleep_for(10ms);  // the children are at work
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(random() % 300));
    Kill(one);
    Kill(two);
    const auto ids = Journaled(folder.path());
    left_behind += ids.size();
    journaled.insert(ids.begin(), ids.end());
  }
  EXPECT_GT(left_behind, 0u) << "nothing was journaled when they were killed: nothing is tested";
  const auto recorder = Start(folder.path(), server.endpoint());
  ASSERT_TRUE(recorder->Flush(60s).ok());
  EXPECT_EQ(recorder->Stats().held, 0u);
  ASSERT_TRUE(recorder->Close().ok());
  const auto counted = server.counted();
  for (const std::string& id : journaled) EXPECT_EQ(counted.count(id), 1u) << id;
  for (const std::string& id : counted) EXPECT_EQ(id.rfind("round ", 0), 0u) << id;
  EXPECT_EQ(server.conflicts(), 0u);
  EXPECT_TRUE(FilesBelow(folder.path(), ".journal").empty());
  std::cout << counted.size() << " counted, " << left_behind << " left behind at kills, "
            << server.replays() << " sent again" << std::endl;
}

}  // namespace
}  // namespace bursar
