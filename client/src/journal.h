#pragma once

#include <bursar/status.h>
#include <bursar/types.h>

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "src/journal_folder.h"
#include "src/journal_segment.h"
#include "src/set_aside.h"

namespace bursar::internal {

struct JournalOptions {
  std::string root;
  std::string label;
  uint64_t segment_bytes_max = 4 << 20;
  uint64_t bytes_max = 256 << 20;  // of all segments, adopted ones too
};

// The records that are not delivered yet, on disk: they outlive the process.
//
// Append writes records to the segment that is being filled and returns when they are durable: one
// write and one fdatasync for all of them (and, when a new segment begins, one fsync of the
// folder). Marks of what is done are not made durable: what a power failure takes is sent again,
// and the server counts an id once. Take gives each record once, in the order of appending; a
// segment all of whose records are done is deleted. Adopt takes over what dead processes left, so
// much at a time that its files stay few: once 32 files are held that others left, no more folders
// are taken in.
//
// Errors of Append: RESOURCE_EXHAUSTED where the journal or the disk is full; FAILED_PRECONDITION
// where the system refuses; then none of the records is in the journal, and what was in it before
// still is.
//
// Append, Adopt, WantsToAdopt and Commit from one thread, Take, MarkDone and SaveNotBefore from one
// other; the figures from any.
class Journal {
 public:
  // `set_aside` gets what is damaged, and outlives the journal.
  static StatusOr<std::unique_ptr<Journal>> Open(const JournalOptions& options,
                                                 SetAside* set_aside);
  ~Journal();  // deletes what is done; the rest waits for who adopts it

  struct Adopted {
    uint64_t records = 0;
    uint64_t corrupt = 0;
    std::optional<Timestamp> not_before;  // what SaveNotBefore was given last
  };
  Adopted Adopt();
  // Whether the last Adopt left something, and half of what it took is done.
  bool WantsToAdopt() const;

  Status Append(const std::vector<std::string>& records);

  // What was appended or adopted can be taken from now on. Apart, so that the caller can count it
  // in the same moment.
  void Commit();

  struct Place {
    uint64_t segment;
    uint32_t offset;
  };
  struct Entry {
    Place place;
    uint64_t number;  // counts records in the order in which they are taken
    std::string payload;
  };
  struct Taken {
    std::vector<Entry> entries;
    uint64_t lost = 0;     // can no longer be read, though they could be when they were written
    uint64_t corrupt = 0;  // damaged places that were met
  };
  Taken Take(JournalSegment::Limits limits);
  void MarkDone(const std::vector<Place>& places);

  // When the server wants to be called again at the earliest, for whoever adopts this journal.
  void SaveNotBefore(Timestamp time);

  uint64_t next_number() const;  // of the record that is taken next
  uint64_t end_number() const;   // of the record that is appended next
  uint64_t not_done() const;
  uint64_t bytes() const;

 private:
  struct Filed {  // a segment and the folder that it stands in
    std::shared_ptr<JournalFolder> folder;
    std::unique_ptr<JournalSegment> segment;
    bool keep = false;  // it has bytes that were neither read nor set aside: the file stays
  };
  using Segments = std::map<uint64_t, Filed>;  // in the order of reading

  Journal(JournalOptions options, std::shared_ptr<JournalFolder> own, SetAside* set_aside)
      : options_(std::move(options)), own_(std::move(own)), set_aside_(set_aside) {}
  Status Roll();
  Status MakeRoom(uint64_t bytes);
  void AdoptFolder(const std::shared_ptr<JournalFolder>& folder, Adopted* adopted);
  uint64_t KeepCorrupt(Filed& filed, const std::vector<CorruptRange>& ranges);
  void DeleteIfDone(Segments::iterator filed);
  uint64_t BytesLocked() const;
  size_t AdoptedFiles() const;

  const JournalOptions options_;
  const std::shared_ptr<JournalFolder> own_;
  SetAside* const set_aside_;

  mutable std::mutex mutex_;
  Segments segments_;
  uint64_t next_segment_ = 1;
  uint64_t filling_ = 0;  // the segment that is appended to; 0 = none
  uint64_t next_number_ = 0;
  uint64_t end_number_ = 0;
  struct {
    uint64_t records = 0;
    uint64_t end = 0;
  } appended_;                  // durable, and not committed
  std::vector<Filed> adopted_;  // not committed
  bool more_orphans_ = false;   // than were adopted
  std::vector<std::shared_ptr<JournalFolder>> kept_;
  std::set<std::string> unreadable_;  // told of already
};

}  // namespace bursar::internal
