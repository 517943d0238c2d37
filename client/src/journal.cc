#include "src/journal.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <utility>

namespace bursar::internal {
namespace {

// A process may have few files open, and a folder's segments (64 with the default sizes) are taken
// over together.
constexpr size_t kAdoptedFilesMax = 10000;

uint64_t FramedBytes(const std::vector<std::string>& records) {
  uint64_t bytes = 0;
  for (const std::string& record : records) bytes += kFrameHeaderBytes + record.size();
  return bytes;
}

}  // namespace

StatusOr<std::unique_ptr<Journal>> Journal::Open(const JournalOptions& options,
                                                 SetAside* set_aside) {
  auto own = JournalFolder::Make(options.root, options.label);
  if (!own.ok()) return own.status();
  return std::unique_ptr<Journal>(
      new Journal(options, std::shared_ptr<JournalFolder>(*std::move(own)), set_aside));
}

Journal::~Journal() {
  const std::lock_guard lock(mutex_);
  filling_ = 0;
  for (auto it = segments_.begin(); it != segments_.end();) DeleteIfDone(it++);
  own_->RemoveIfEmpty();
}

Journal::Adopted Journal::Adopt() {
  Adopted adopted;
  more_orphans_ = false;
  JournalFolder::ForEachOrphan(
      options_.root, options_.label, [&](std::unique_ptr<JournalFolder> orphan) {
        more_orphans_ = AdoptedFiles() >= kAdoptedFilesMax;
        if (!more_orphans_) {
          AdoptFolder(std::shared_ptr<JournalFolder>(std::move(orphan)), &adopted);
        }
        return !more_orphans_;
      });
  return adopted;
}

bool Journal::WantsToAdopt() const {
  return more_orphans_ && AdoptedFiles() <= kAdoptedFilesMax / 2;
}

// Locks and segments that others left and that are open here.
size_t Journal::AdoptedFiles() const {
  const std::lock_guard lock(mutex_);
  std::set<const JournalFolder*> folders;
  size_t segments = adopted_.size();
  for (const Filed& filed : adopted_) folders.insert(filed.folder.get());
  for (const auto& [number, filed] : segments_) {
    if (filed.folder == own_) continue;
    ++segments;
    folders.insert(filed.folder.get());
  }
  return segments + folders.size();
}

void Journal::AdoptFolder(const std::shared_ptr<JournalFolder>& folder, Adopted* adopted) {
  for (const std::string& name : folder->SegmentNames()) {
    JournalSegment::Found found;
    auto segment = JournalSegment::Open(folder->PathOf(name), folder->SaltOf(name), &found);
    if (!segment.ok() || found.newer) {  // stays for whoever can read it
      if (unreadable_.insert(folder->PathOf(name)).second) ++adopted->corrupt;
      continue;
    }
    // Who was killed may not have got to it, and what is sent must outlive a power failure. Where
    // it cannot be done, it is sent all the same.
    if (found.records > 0) (void)segment.value()->Sync();
    Filed filed{folder, *std::move(segment)};
    adopted->corrupt += KeepCorrupt(filed, found.corrupt);
    adopted->records += found.records;
    if (found.not_before_unix_ms) {
      const Timestamp time{std::chrono::milliseconds(*found.not_before_unix_ms)};
      adopted->not_before = std::max(adopted->not_before.value_or(time), time);
    }
    adopted_.push_back(std::move(filed));
  }
  (void)SyncFolder(folder->path());
  folder->RemoveIfEmpty();
}

void Journal::Commit() {
  const std::lock_guard lock(mutex_);
  if (appended_.records > 0) {
    segments_.at(filling_).segment->Commit(appended_.records, appended_.end);
    end_number_ += std::exchange(appended_, {}).records;
  }
  if (adopted_.empty()) return;
  // What is appended from now on is read after what is adopted, so that numbers keep the order.
  const uint64_t filled = std::exchange(filling_, 0);
  if (filled != 0) DeleteIfDone(segments_.find(filled));
  for (Filed& filed : adopted_) {
    end_number_ += filed.segment->not_done();
    DeleteIfDone(segments_.emplace(next_segment_++, std::move(filed)).first);
  }
  adopted_.clear();
}

uint64_t Journal::KeepCorrupt(Filed& filed, const std::vector<CorruptRange>& ranges) {
  uint64_t frames = 0;
  for (const CorruptRange& range : ranges) {
    frames += range.frames;
    const std::filesystem::path path(filed.segment->path());
    const std::string name = "damaged-" + path.parent_path().filename().string() + "-" +
                             path.stem().string() + "-" + std::to_string(range.offset);
    filed.keep |= !set_aside_->Corrupt(name, filed.segment->BytesOf(range)).ok();
  }
  return frames;
}

void Journal::DeleteIfDone(Segments::iterator filed) {
  if (filed->first == filling_ || filed->second.segment->not_done() > 0) return;
  const std::shared_ptr<JournalFolder> folder = std::move(filed->second.folder);
  if (!filed->second.keep) {
    ::unlink(filed->second.segment->path().c_str());
  } else {
    kept_.push_back(folder);  // stays locked, so that it is not found again and again
  }
  segments_.erase(filed);
  if (folder != own_) folder->RemoveIfEmpty();
}

Status Journal::Roll() {
  const std::string name = JournalFolder::SegmentName(next_segment_);
  auto segment = JournalSegment::Create(own_->PathOf(name), own_->SaltOf(name));
  if (!segment.ok()) return segment.status();
  if (Status status = SyncFolder(own_->path()); !status.ok()) {
    ::unlink(own_->PathOf(name).c_str());
    return status;
  }
  const uint64_t filled = std::exchange(filling_, next_segment_++);
  segments_.emplace(filling_, Filed{own_, *std::move(segment)});
  if (filled != 0) DeleteIfDone(segments_.find(filled));
  return {};
}

Status Journal::MakeRoom(uint64_t bytes) {
  const JournalSegment* filled = filling_ == 0 ? nullptr : segments_.at(filling_).segment.get();
  const bool full = filled != nullptr && filled->bytes() > kSegmentHeaderBytes &&
                    filled->bytes() + bytes > options_.segment_bytes_max;
  const bool only_done =
      filled != nullptr && filled->not_done() == 0 && BytesLocked() + bytes > options_.bytes_max;
  if (filled == nullptr || full || only_done) {
    if (Status status = Roll(); !status.ok()) return status;
  }
  if (BytesLocked() + bytes <= options_.bytes_max) return {};
  return {StatusCode::kResourceExhausted, "the journal in " + options_.root + " has " +
                                              std::to_string(BytesLocked()) + " bytes of at most " +
                                              std::to_string(options_.bytes_max)};
}

Status Journal::Append(const std::vector<std::string>& records) {
  const JournalSegment* segment = nullptr;
  uint64_t end = 0;
  {
    const std::lock_guard lock(mutex_);
    if (Status status = MakeRoom(FramedBytes(records)); !status.ok()) return status;
    JournalSegment& filled = *segments_.at(filling_).segment;
    if (Status status = filled.Append(records, &end); !status.ok()) return status;
    segment = &filled;
  }
  // Beside the reader: it is not kept waiting by the disk. Only this thread ends the filling of a
  // segment, so it stays where it is.
  Status synced = segment->Sync();
  const std::lock_guard lock(mutex_);
  if (!synced.ok()) {
    // What the disk holds after a failed sync is not known: nothing more is written to this file.
    const uint64_t filled = std::exchange(filling_, 0);
    DeleteIfDone(segments_.find(filled));
    return synced;
  }
  appended_ = {records.size(), end};
  return {};
}

Journal::Taken Journal::Take(JournalSegment::Limits limits) {
  const std::lock_guard lock(mutex_);
  Taken taken;
  size_t bytes = 0;
  for (auto it = segments_.begin(); it != segments_.end();) {
    const auto filed = it++;
    if (filed->second.segment->unread() == 0) continue;
    if (taken.entries.size() >= limits.records || bytes >= limits.bytes) break;
    auto part =
        filed->second.segment->Take({limits.records - taken.entries.size(), limits.bytes - bytes});
    for (JournalSegment::Entry& entry : part.entries) {
      bytes += entry.payload.size();
      taken.entries.push_back(
          {{filed->first, entry.offset}, next_number_++, std::move(entry.payload)});
    }
    taken.lost += part.lost;
    next_number_ += part.lost;
    taken.corrupt += KeepCorrupt(filed->second, part.corrupt);
    filed->second.keep |= filed->second.segment->read_failed();
    DeleteIfDone(filed);
  }
  return taken;
}

void Journal::MarkDone(const std::vector<Place>& places) {
  std::map<uint64_t, std::vector<uint32_t>> by_segment;
  for (const Place& place : places) by_segment[place.segment].push_back(place.offset);
  const std::lock_guard lock(mutex_);
  for (const auto& [number, offsets] : by_segment) {
    const auto filed = segments_.find(number);
    if (filed == segments_.end()) continue;
    filed->second.segment->MarkDone(offsets);
    DeleteIfDone(filed);
  }
}

void Journal::SaveNotBefore(Timestamp time) {
  const std::lock_guard lock(mutex_);
  if (segments_.empty()) return;
  segments_.rbegin()->second.segment->SaveNotBefore(
      std::chrono::ceil<std::chrono::milliseconds>(time.time_since_epoch()).count());
}

uint64_t Journal::next_number() const {
  const std::lock_guard lock(mutex_);
  return next_number_;
}

uint64_t Journal::end_number() const {
  const std::lock_guard lock(mutex_);
  return end_number_;
}

uint64_t Journal::not_done() const {
  const std::lock_guard lock(mutex_);
  uint64_t records = 0;
  for (const auto& [number, filed] : segments_) records += filed.segment->not_done();
  return records;
}

uint64_t Journal::bytes() const {
  const std::lock_guard lock(mutex_);
  return BytesLocked();
}

uint64_t Journal::BytesLocked() const {
  uint64_t bytes = 0;
  for (const auto& [number, filed] : segments_) bytes += filed.segment->bytes();
  return bytes;
}

}  // namespace bursar::internal
