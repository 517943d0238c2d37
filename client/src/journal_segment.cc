#include "src/journal_segment.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

namespace bursar::internal {

StatusOr<std::unique_ptr<JournalSegment>> JournalSegment::Create(const std::string& path,
                                                                 uint32_t salt) {
  auto file = OpenFile(path, O_RDWR | O_CREAT | O_EXCL);
  if (!file.ok()) return file.status();
  std::unique_ptr<JournalSegment> segment(new JournalSegment(path, salt, *std::move(file)));
  if (Status status = segment->Write(SegmentHeader()); !status.ok()) {
    ::unlink(path.c_str());
    return status;
  }
  segment->committed_end_ = segment->read_at_ = segment->end_;
  return segment;
}

StatusOr<std::unique_ptr<JournalSegment>> JournalSegment::Open(const std::string& path,
                                                               uint32_t salt, Found* found) {
  auto file = OpenFile(path, O_RDWR);
  if (!file.ok()) return file.status();
  struct stat about {};
  if (::fstat(file->get(), &about) != 0) return SystemError("cannot read", path);
  const auto bytes = ReadAt(*file, 0, static_cast<size_t>(about.st_size), path);
  if (!bytes.ok()) return bytes.status();
  std::unique_ptr<JournalSegment> segment(new JournalSegment(path, salt, *std::move(file)));
  segment->Scan(*bytes, found);
  return segment;
}

void JournalSegment::Scan(std::string_view bytes, Found* found) {
  end_ = committed_end_ = bytes.size();
  read_at_ = std::min<uint64_t>(kSegmentHeaderBytes, end_);
  const HeaderState header = ReadSegmentHeader(bytes);
  found->newer = header == HeaderState::kNewer;
  if (found->newer) return;
  // A damaged header takes nothing with it: frames are known by their own checksums.
  if (header == HeaderState::kDamaged && read_at_ > 0) found->corrupt.push_back({0, read_at_, 1});

  std::vector<uint32_t> records;
  FrameReader reader(bytes.substr(read_at_), salt_, read_at_);
  while (const auto frame = reader.Next()) {
    if (frame->kind == FrameKind::kRecord) records.push_back(static_cast<uint32_t>(frame->offset));
    if (frame->kind == FrameKind::kDone) {
      const auto offsets = ReadDonePayload(frame->payload);
      done_before_.insert(done_before_.end(), offsets.begin(), offsets.end());
    }
    if (frame->kind == FrameKind::kNotBefore) {
      if (const auto time = ReadNotBeforePayload(frame->payload)) found->not_before_unix_ms = time;
    }
  }
  std::sort(done_before_.begin(), done_before_.end());
  found->records = static_cast<uint64_t>(std::count_if(
      records.begin(), records.end(), [this](uint32_t offset) { return !WasDone(offset); }));
  unread_ = not_done_ = found->records;
  for (const CorruptRange& range : reader.corrupt()) {
    corrupt_before_.insert(range.offset);
    found->corrupt.push_back(range);
  }
}

Status JournalSegment::Write(std::string_view frames) {
  Status status = WriteAt(file_, end_, frames, path_);
  if (!status.ok()) {
    // What was written of it is cut off; if that fails too, it is a torn tail for the next reader.
    (void)!::ftruncate(file_.get(), static_cast<off_t>(end_));
    return status;
  }
  end_ += frames.size();
  return {};
}

Status JournalSegment::Append(const std::vector<std::string>& records, uint64_t* end) {
  std::string frames;
  for (const std::string& record : records) {
    AppendFrame(FrameKind::kRecord, record, salt_, &frames);
  }
  Status status = Write(frames);
  *end = end_;
  return status;
}

Status JournalSegment::Sync() const {
  if (::fdatasync(file_.get()) != 0) return SystemError("cannot make durable", path_);
  return {};
}

void JournalSegment::Commit(uint64_t records, uint64_t end) {
  committed_end_ = end;
  unread_ += records;
  not_done_ += records;
}

bool JournalSegment::Fill() {
  if (read_at_ < buffer_at_ + buffer_.size() || read_at_ >= committed_end_) return true;
  auto bytes = ReadAt(file_, read_at_, committed_end_ - read_at_, path_);
  if (!bytes.ok()) return false;
  buffer_ = *std::move(bytes);
  buffer_at_ = read_at_;
  return true;
}

bool JournalSegment::WasDone(uint64_t offset) const {
  return std::binary_search(done_before_.begin(), done_before_.end(),
                            static_cast<uint32_t>(offset));
}

JournalSegment::Taken JournalSegment::Take(Limits limits) {
  Taken taken;
  size_t bytes = 0;
  while (unread_ > 0 && taken.entries.size() < limits.records) {
    if (!Fill()) {
      read_failed_ = true;
      read_at_ = buffer_at_ = committed_end_;
      buffer_.clear();
      taken.lost = std::exchange(unread_, 0);
      not_done_ -= taken.lost;
      break;
    }
    FrameReader reader(std::string_view(buffer_).substr(read_at_ - buffer_at_), salt_, read_at_);
    const auto frame = reader.Next();
    for (const CorruptRange& range : reader.corrupt()) {
      if (corrupt_before_.insert(range.offset).second) taken.corrupt.push_back(range);
    }
    if (!frame) {  // nothing but damage up to the end of what was read ahead
      read_at_ = buffer_at_ + buffer_.size();
      if (!buffer_.empty() && read_at_ < committed_end_) continue;
      taken.lost = std::exchange(unread_, 0);
      not_done_ -= taken.lost;
      break;
    }
    if (frame->kind == FrameKind::kRecord && !WasDone(frame->offset)) {
      bytes += frame->payload.size();
      if (!taken.entries.empty() && bytes > limits.bytes) break;  // the next call begins with it
      taken.entries.push_back({static_cast<uint32_t>(frame->offset), std::string(frame->payload)});
      --unread_;
    }
    read_at_ = reader.position();
  }
  return taken;
}

void JournalSegment::MarkDone(const std::vector<uint32_t>& offsets) {
  not_done_ -= std::min<uint64_t>(not_done_, offsets.size());
  std::string frame;
  AppendFrame(FrameKind::kDone, DonePayload(offsets), salt_, &frame);
  (void)Write(frame);  // on a full disk: the record may be sent again, and counts once
}

void JournalSegment::SaveNotBefore(int64_t unix_ms) {
  std::string frame;
  AppendFrame(FrameKind::kNotBefore, NotBeforePayload(unix_ms), salt_, &frame);
  (void)Write(frame);
}

std::string JournalSegment::BytesOf(const CorruptRange& range) const {
  auto bytes = ReadAt(file_, range.offset, range.bytes, path_);
  return bytes.ok() ? *std::move(bytes) : "";
}

}  // namespace bursar::internal
