// How long Record() takes on the agent's thread, while the recorder writes and sends in the
// background. Not a test: prints percentiles. Usage: client_bench [FOLDER ON THE DISK TO MEASURE]

#include <bursar/recorder.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

namespace bursar {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

// Takes everything at once, so that only the recorder is measured.
class Sink : public Connection {
 public:
  StatusOr<std::vector<StatusOr<RecordResponse>>> RecordBatch(
      const std::vector<RecordRequest>& requests, const CallOptions& call) override {
    (void)call;
    return std::vector<StatusOr<RecordResponse>>(requests.size(), RecordResponse{});
  }
};

RecordRequest Sample() {
  RecordRequest record;
  record.reservation_id = "0b6f2a1e-33f0-4a61-9f0f-0d5b3c9d1a77";
  record.subject = {.project = "support",
                    .team = "search",
                    .user = "ada",
                    .agent = "planner",
                    .run = "run-2026-11-22-000042",
                    .labels = {{"environment", "production"}}};
  record.model = {.provider = "anthropic", .name = "claude-sonnet-4-5-20250929"};
  record.tokens = TokenUsage{.uncached_input_tokens = 4808, .visible_output_tokens = 310};
  record.latency = 850ms;
  record.attempt = 1;
  return record;
}

void Measure(const char* name, const std::string& folder, int records, Clock::duration pause) {
  RecorderOptions options;
  options.journal_folder = folder;
  options.memory_records_max = 1'000'000;
  options.memory_bytes_max = size_t{4} << 30;
  auto recorder = Recorder::Start(std::make_shared<Sink>(), options);
  if (!recorder.ok()) {
    std::printf("%s: %s\n", name, recorder.status().ToString().c_str());
    return;
  }
  std::vector<double> took_us;
  took_us.reserve(static_cast<size_t>(records));
  const RecordRequest sample = Sample();
  const auto begin = Clock::now();
  auto due = begin;
  for (int i = 0; i < records; ++i) {
    RecordRequest record = sample;  // the agent has made it: not measured
    if (pause > Clock::duration::zero()) std::this_thread::sleep_until(due += pause);
    const auto start = Clock::now();
    const Status status = (*recorder)->Record(std::move(record));
    took_us.push_back(std::chrono::duration<double, std::micro>(Clock::now() - start).count());
    if (!status.ok()) std::printf("%s\n", status.ToString().c_str());
  }
  const auto recorded = Clock::now();
  const Status flushed = (*recorder)->Flush(60s);
  const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  std::sort(took_us.begin(), took_us.end());
  const auto at = [&](double part) {
    return took_us[static_cast<size_t>(part * static_cast<double>(took_us.size() - 1))];
  };
  std::printf(
      "%-34s %7d records  p50 %6.2f us  p90 %6.2f  p99 %7.2f  max %8.1f  "
      "delivered %.0f/s (%s, after %.0f ms of recording)\n",
      name, records, at(0.5), at(0.9), at(0.99), took_us.back(), records / seconds,
      flushed.ToString().c_str(),
      std::chrono::duration<double, std::milli>(recorded - begin).count());
}

}  // namespace
}  // namespace bursar

int main(int argc, char** argv) {
  const std::filesystem::path root =
      argc > 1 ? std::filesystem::path(argv[1]) : std::filesystem::temp_directory_path();
  const std::string folder = (root / "bursar-recorder-bench").string();
  using std::chrono::microseconds;
  bursar::Measure("memory alone, 10,000/s", "", 20000, microseconds(100));
  bursar::Measure("journal, 10,000/s", folder, 20000, microseconds(100));
  bursar::Measure("journal, 1,000/s", folder, 3000, microseconds(1000));
  bursar::Measure("journal, 50/s (lone records)", folder, 200, microseconds(20000));
  bursar::Measure("journal, as fast as it goes", folder, 100000, microseconds(0));
  std::filesystem::remove_all(folder);
}
