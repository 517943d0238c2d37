#include <google/protobuf/stubs/logging.h>
#include <google/protobuf/util/message_differencer.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "bursar/v1/telemetry_service.pb.h"
#include "fuzz/targets.h"
#include "src/journal_format.h"
#include "src/journal_segment.h"
#include "src/record_bytes.h"

namespace bursar::fuzz {
namespace {

using internal::AppendFrame;
using internal::FrameKind;
using internal::FrameReader;
using internal::HeaderState;
using internal::JournalSegment;

constexpr uint32_t kSalt = 0x5a17;
constexpr JournalSegment::Limits kAll{1'000'000, 1 << 30};

// A file that is in memory alone, and goes with its owner.
class MemoryFile {
 public:
  explicit MemoryFile(std::string_view bytes) : fd_(::memfd_create("journal", MFD_CLOEXEC)) {
    Expect(fd_ >= 0, "a file in memory can be made");
    const ssize_t written = ::pwrite(fd_, bytes.data(), bytes.size(), 0);
    Expect(written == static_cast<ssize_t>(bytes.size()), "it takes the bytes");
  }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;
  ~MemoryFile() { ::close(fd_); }

  std::string path() const { return "/proc/self/fd/" + std::to_string(fd_); }
  std::string Content() const {
    std::string bytes(static_cast<size_t>(::lseek(fd_, 0, SEEK_END)), '\0');
    const ssize_t got = ::pread(fd_, bytes.data(), bytes.size(), 0);
    Expect(got == static_cast<ssize_t>(bytes.size()), "it gives the bytes back");
    return bytes;
  }

 private:
  int fd_;
};

struct Plain {
  uint32_t offset;
  std::string payload;
  bool operator==(const Plain&) const = default;
};

// The records that are not done, and a check of the reader: each byte is a frame's or damaged.
std::vector<Plain> RecordsIn(std::string_view bytes) {
  const size_t begin = std::min(internal::kSegmentHeaderBytes, bytes.size());
  FrameReader reader(bytes.substr(begin), kSalt, begin);
  std::vector<std::pair<size_t, size_t>> covered;
  std::vector<Plain> records;
  std::set<uint32_t> done;
  while (const auto frame = reader.Next()) {
    std::string again;
    AppendFrame(frame->kind, frame->payload, kSalt, &again);
    Expect(bytes.substr(frame->offset, again.size()) == again, "a frame is what was appended");
    covered.emplace_back(frame->offset, again.size());
    const auto offset = static_cast<uint32_t>(frame->offset);
    if (frame->kind == FrameKind::kRecord) records.push_back({offset, std::string(frame->payload)});
    if (frame->kind == FrameKind::kDone) {
      for (const uint32_t each : internal::ReadDonePayload(frame->payload)) done.insert(each);
    }
  }
  for (const auto& range : reader.corrupt()) {
    Expect(range.bytes > 0 && range.frames > 0, "damage is somewhere");
    covered.emplace_back(range.offset, range.bytes);
  }
  std::sort(covered.begin(), covered.end());
  size_t at = begin;
  for (const auto& [offset, length] : covered) {
    Expect(offset == at, "each byte is a frame's or damaged, and not both");
    at += length;
  }
  Expect(at == bytes.size(), "no byte is left out");
  std::erase_if(records, [&](const Plain& record) { return done.count(record.offset) > 0; });
  return records;
}

std::unique_ptr<JournalSegment> Open(const MemoryFile& file, JournalSegment::Found* found) {
  auto segment = JournalSegment::Open(file.path(), kSalt, found);
  Expect(segment.ok(), "any bytes can be opened");
  for (const auto& range : found->corrupt) {
    Expect((*segment)->BytesOf(range).size() == range.bytes, "what is damaged can be set aside");
  }
  return *std::move(segment);
}

// Takes all, in small pieces.
std::vector<Plain> TakeAll(JournalSegment& segment, JournalSegment::Limits limits) {
  std::vector<Plain> taken;
  for (;;) {
    const JournalSegment::Taken part = segment.Take(limits);
    Expect(part.lost == 0 && part.corrupt.empty(), "what could be read can be read again");
    Expect(part.entries.size() <= limits.records, "no more than asked for");
    if (part.entries.empty()) break;
    for (const auto& entry : part.entries) taken.push_back({entry.offset, entry.payload});
  }
  Expect(segment.unread() == 0, "all is taken");
  return taken;
}

void RunSegment(std::string_view bytes) {
  const MemoryFile file(bytes);
  JournalSegment::Found found;
  auto segment = Open(file, &found);
  if (found.newer) {
    Expect(segment->not_done() == 0 && file.Content() == bytes, "a later version is left alone");
    return;
  }
  std::vector<Plain> expected = RecordsIn(bytes);
  Expect(found.records == expected.size(), "each whole record is found");
  Expect(TakeAll(*segment, {1 + bytes.size() % 7, 1 + bytes.size() % 977}) == expected,
         "each record is given once, in order");
  if (bytes.size() < internal::kSegmentHeaderBytes) return;  // nothing is appended to such a stump
  std::vector<uint32_t> first;
  for (size_t i = 0; i < expected.size(); i += 2) first.push_back(expected[i].offset);
  segment->MarkDone(first);
  segment->SaveNotBefore(static_cast<int64_t>(bytes.size()));
  Expect(segment->not_done() == expected.size() - first.size(), "what is done is counted");
  segment.reset();

  JournalSegment::Found again;
  segment = Open(file, &again);
  std::erase_if(expected, [&](const Plain& record) {
    return std::binary_search(first.begin(), first.end(), record.offset);
  });
  Expect(TakeAll(*segment, kAll) == expected, "what is done is not given again, the rest is");
  Expect(again.not_before_unix_ms == static_cast<int64_t>(bytes.size()), "the time is kept");
  Expect(again.corrupt.size() == found.corrupt.size(), "the damage is still what it was");
  Expect(file.Content().substr(0, bytes.size()) == bytes, "what was written stays");
}

// A segment whose frames have the right checksums, as the bytes say: a random reader hardly gets
// past a checksum. Each step: a byte that says which, one for a length, so many bytes.
std::string Built(std::string_view plan) {
  std::string segment = internal::SegmentHeader();
  std::vector<uint32_t> offsets;
  while (plan.size() >= 2) {
    const auto step = static_cast<unsigned char>(plan[0]) % 8;
    const std::string payload(plan.substr(2, static_cast<unsigned char>(plan[1])));
    plan.remove_prefix(2 + payload.size());
    const auto here = static_cast<uint32_t>(segment.size());
    std::vector<uint32_t> done;
    switch (step) {
      case 0:
      case 1:
        offsets.push_back(here);
        AppendFrame(FrameKind::kRecord, payload, kSalt, &segment);
        break;
      case 2:
        AppendFrame(FrameKind::kDone, payload, kSalt, &segment);
        break;
      case 3:  // of records that are there
        for (const char c : payload) {
          if (!offsets.empty()) done.push_back(offsets[static_cast<uint8_t>(c) % offsets.size()]);
        }
        AppendFrame(FrameKind::kDone, internal::DonePayload(done), kSalt, &segment);
        break;
      case 4:
        AppendFrame(FrameKind::kNotBefore, payload, kSalt, &segment);
        break;
      case 5:  // of another version's kind
        AppendFrame(static_cast<FrameKind>(payload.empty() ? 9 : payload[0]), payload, kSalt,
                    &segment);
        break;
      case 6:
        segment += payload;
        break;
      default:  // damage
        for (const char c : payload) {
          segment[static_cast<uint8_t>(c) * segment.size() / 256] ^= 4;
        }
    }
  }
  return segment;
}

void RunRecord(std::string_view bytes) {
  const google::protobuf::LogSilencer silencer;  // it logs each text that is no UTF-8
  const auto record = internal::ParseRecord(bytes);
  if (!record) return;
  Expect(internal::MemoryBytesOf(*record) > 0, "it takes memory");
  const std::string line =
      internal::RefusalLine(*record, Status(StatusCode::kOutOfRange, "a \"reason\"\n"));
  Expect(line.find('\n') == std::string::npos, "a refusal is one line");
  Expect(nlohmann::json::accept(line), "a refusal is JSON");
  const auto written = internal::SerializeRecord(*record);
  if (!written.ok()) {
    Expect(written.status().code() == StatusCode::kInvalidArgument, "it is the record's fault");
    return;
  }
  const auto read = internal::ParseRecord(*written);
  Expect(read.has_value(), "what was written can be read");
  const auto again = internal::SerializeRecord(*read);
  Expect(again.ok(), "what was read can be written");
  v1::RecordUsageRequest one;
  v1::RecordUsageRequest two;
  Expect(one.ParseFromString(*written) && two.ParseFromString(*again), "both are records");
  Expect(google::protobuf::util::MessageDifferencer::Equals(one, two), "nothing is changed");
}

std::string Step(char kind, const std::string& payload) {
  return kind + std::string(1, static_cast<char>(payload.size())) + payload;
}

std::vector<std::string> Plans() {
  const std::string looks_like_a_frame = "\xB5\xFF\xA2\xFE" + std::string(13, 'x');
  return {Step(0, "first") + Step(0, "second") + Step(3, std::string(1, '\0')) + Step(0, "third"),
          Step(0, "") + Step(4, internal::NotBeforePayload(1'780'000'000'000)) + Step(4, "odd"),
          Step(0, "one") + Step(2, internal::DonePayload({16, 0, 0xffffffff})) + Step(2, "odd"),
          Step(0, "one") + Step(6, looks_like_a_frame) + Step(0, "two") + Step(7, "\x40"),
          Step(0, looks_like_a_frame) + Step(5, "\x09") + Step(1, "last") + Step(6, "\xB5\xFF")};
}

std::vector<std::string> Segments() {
  std::vector<std::string> seeds = {"", internal::SegmentHeader()};
  for (const std::string& plan : Plans()) seeds.push_back(Built(plan));
  std::string newer = seeds.back();
  newer[8] = 2;
  const uint32_t crc = internal::Crc32(0, newer.substr(0, 12));
  for (size_t i = 0; i < 4; ++i) newer[12 + i] = static_cast<char>(crc >> (8 * i));
  Expect(internal::ReadSegmentHeader(newer) == HeaderState::kNewer, "a seed is a later version's");
  seeds.push_back(newer);
  return seeds;
}

std::vector<std::string> Records() {
  RecordRequest full{
      .usage_id = "usage-1",
      .reservation_id = "reservation-1",
      .subject = {.project = "search", .user = "ada", .labels = {{"env", "prod"}}},
      .model = {.provider = "openai", .name = "gpt-4o"},
      .tokens = TokenUsage{.uncached_input_tokens = 1000, .other_tokens = {{"input_video", 7}}},
      .cost_nanousd = 1'000'000,
      .outcome = Outcome::kFailed,
      .occur_time = Timestamp(std::chrono::seconds(1'780'000'000)),
      .event_type = "tool_call",
      .step = "search",
      .latency = std::chrono::milliseconds(250),
      .attempt = 2,
      .error = CallError{.type = "timeout", .message = "no answer"},
      .guardrail_hits = {{"pii", "blocked", "input"}},
      .trace = TraceIds{"4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", ""},
      .metadata_json = R"({"a":[1,null,{"b":"c"}],"d":1e300})",
      .content = Content{.prompt = "why?", .response = "because"}};
  RecordRequest reported{.usage_id = "usage-2",
                         .provider_usage = ProviderUsage{"chat", R"({"usage":{}})"}};
  return {*internal::SerializeRecord(full), *internal::SerializeRecord(reported)};
}

}  // namespace

std::vector<Target> Journals() {
  return {{"journal_segment", RunSegment, Segments()},
          {"journal_frames", [](std::string_view plan) { RunSegment(Built(plan)); }, Plans()},
          {"journal_record", RunRecord, Records()}};
}

}  // namespace bursar::fuzz
