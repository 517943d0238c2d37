#include "src/journal_format.h"

#include <zlib.h>

#include <algorithm>

namespace bursar::internal {
namespace {

constexpr std::string_view kMagic = "bursarJ\n";
constexpr std::string_view kMarker = "\xB5\xFF\xA2\xFE";
constexpr size_t kCrcAt = 4;
constexpr size_t kLengthAt = 8;
constexpr size_t kKindAt = 12;

template <typename Integer>
void Put(Integer value, std::string* out) {
  for (size_t i = 0; i < sizeof value; ++i) {
    out->push_back(static_cast<char>(static_cast<uint64_t>(value) >> (8 * i)));
  }
}

template <typename Integer>
Integer Get(std::string_view bytes, size_t at) {
  uint64_t value = 0;
  for (size_t i = 0; i < sizeof(Integer); ++i) {
    value |= uint64_t{static_cast<unsigned char>(bytes[at + i])} << (8 * i);
  }
  return static_cast<Integer>(value);
}

size_t MarkersIn(std::string_view bytes) {
  size_t count = 0;
  for (size_t at = bytes.find(kMarker); at != std::string_view::npos;
       at = bytes.find(kMarker, at + kMarker.size())) {
    ++count;
  }
  return count;
}

}  // namespace

uint32_t Crc32(uint32_t begin, std::string_view bytes) {
  return static_cast<uint32_t>(
      crc32_z(begin, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size()));
}

std::string SegmentHeader() {
  std::string header(kMagic);
  Put(kJournalVersion, &header);
  Put(Crc32(0, header), &header);
  return header;
}

HeaderState ReadSegmentHeader(std::string_view segment) {
  if (segment.size() < kSegmentHeaderBytes) return HeaderState::kDamaged;
  if (segment.substr(0, kMagic.size()) != kMagic) return HeaderState::kDamaged;
  if (Get<uint32_t>(segment, 12) != Crc32(0, segment.substr(0, 12))) return HeaderState::kDamaged;
  return Get<uint32_t>(segment, 8) == kJournalVersion ? HeaderState::kOurs : HeaderState::kNewer;
}

void AppendFrame(FrameKind kind, std::string_view payload, uint32_t salt, std::string* out) {
  std::string covered;
  covered.reserve(kFrameHeaderBytes - kLengthAt + payload.size());
  Put(static_cast<uint32_t>(payload.size()), &covered);
  covered.push_back(static_cast<char>(kind));
  covered.append(payload);
  out->append(kMarker);
  Put(Crc32(salt, covered), out);
  out->append(covered);
}

std::string DonePayload(const std::vector<uint32_t>& offsets) {
  std::string payload;
  payload.reserve(offsets.size() * sizeof(uint32_t));
  for (uint32_t offset : offsets) Put(offset, &payload);
  return payload;
}

std::vector<uint32_t> ReadDonePayload(std::string_view payload) {
  std::vector<uint32_t> offsets;
  for (size_t at = 0; at + sizeof(uint32_t) <= payload.size(); at += sizeof(uint32_t)) {
    offsets.push_back(Get<uint32_t>(payload, at));
  }
  return offsets;
}

std::string NotBeforePayload(int64_t unix_ms) {
  std::string payload;
  Put(unix_ms, &payload);
  return payload;
}

std::optional<int64_t> ReadNotBeforePayload(std::string_view payload) {
  if (payload.size() != sizeof(int64_t)) return std::nullopt;
  return Get<int64_t>(payload, 0);
}

std::optional<Frame> FrameReader::FrameAt(size_t at) const {
  const std::string_view rest = bytes_.substr(at);
  if (rest.size() < kFrameHeaderBytes || rest.substr(0, kMarker.size()) != kMarker) {
    return std::nullopt;
  }
  const auto length = Get<uint32_t>(rest, kLengthAt);
  if (length > rest.size() - kFrameHeaderBytes) return std::nullopt;
  const std::string_view covered =
      rest.substr(kLengthAt, kFrameHeaderBytes - kLengthAt + size_t{length});
  if (Crc32(salt_, covered) != Get<uint32_t>(rest, kCrcAt)) return std::nullopt;
  return Frame{static_cast<FrameKind>(rest[kKindAt]), rest.substr(kFrameHeaderBytes, length),
               offset_ + at};
}

std::optional<Frame> FrameReader::Next() {
  const size_t begin = at_;
  std::optional<Frame> frame;
  while (at_ < bytes_.size() && !(frame = FrameAt(at_))) {
    at_ = std::min(bytes_.find(kMarker, at_ + 1), bytes_.size());
  }
  if (at_ > begin) {
    const size_t markers = MarkersIn(bytes_.substr(begin, at_ - begin));
    corrupt_.push_back({offset_ + begin, at_ - begin, std::max<size_t>(markers, 1)});
  }
  if (frame) at_ += kFrameHeaderBytes + frame->payload.size();
  return frame;
}

}  // namespace bursar::internal
