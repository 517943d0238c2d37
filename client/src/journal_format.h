#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// How bytes stand in a segment, a file of the journal. All numbers are little-endian.
//
//     header   "bursarJ\n"  u32 version  u32 CRC-32 of the twelve bytes before
//     frame    u32 marker  u32 CRC-32 of what follows  u32 payload bytes  u8 kind  payload
//     frame    ...
//
// Frames only ever get appended. The marker's bytes are no UTF-8, so text never looks like one: a
// reader that meets damage looks for the next marker whose checksum holds and goes on there. The
// checksum begins with the segment's salt (made of its name, see journal_folder.h), so bytes of
// another segment, or a frame inside a record, are none of this one.
namespace bursar::internal {

inline constexpr uint32_t kJournalVersion = 1;
inline constexpr size_t kSegmentHeaderBytes = 16;
inline constexpr size_t kFrameHeaderBytes = 13;

enum class FrameKind : uint8_t {
  kRecord = 1,     // a serialized RecordUsageRequest
  kDone = 2,       // u32 offsets of records in this segment that need not be sent any more
  kNotBefore = 3,  // i64 Unix milliseconds before which the server wants no call
};

std::string SegmentHeader();

// What the front of a segment says: kNewer is a whole header of a version that is not ours.
enum class HeaderState { kOurs, kNewer, kDamaged };
HeaderState ReadSegmentHeader(std::string_view segment);

void AppendFrame(FrameKind kind, std::string_view payload, uint32_t salt, std::string* out);

std::string DonePayload(const std::vector<uint32_t>& offsets);
std::vector<uint32_t> ReadDonePayload(std::string_view payload);
std::string NotBeforePayload(int64_t unix_ms);
std::optional<int64_t> ReadNotBeforePayload(std::string_view payload);

struct Frame {
  FrameKind kind;
  std::string_view payload;
  size_t offset;  // of its marker, in the segment
};

// Bytes that hold no frame: damage, or a tail that was torn off.
struct CorruptRange {
  size_t offset;
  size_t bytes;
  size_t frames;  // how many were begun in it; at least 1
};

// Reads frames one after another, and steps over what is corrupt. `bytes` begin at `offset` of the
// segment and must outlive the reader.
class FrameReader {
 public:
  FrameReader(std::string_view bytes, uint32_t salt, size_t offset)
      : bytes_(bytes), salt_(salt), offset_(offset) {}

  std::optional<Frame> Next();  // nothing at the end
  const std::vector<CorruptRange>& corrupt() const { return corrupt_; }
  size_t position() const { return offset_ + at_; }  // in the segment, after the last frame

 private:
  std::optional<Frame> FrameAt(size_t at) const;

  std::string_view bytes_;
  uint32_t salt_;
  size_t offset_;
  size_t at_ = 0;
  std::vector<CorruptRange> corrupt_;
};

uint32_t Crc32(uint32_t begin, std::string_view bytes);

}  // namespace bursar::internal
