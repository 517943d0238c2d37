#pragma once

#include <bursar/status.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "src/file_descriptor.h"
#include "src/journal_format.h"

namespace bursar::internal {

// One file of the journal: records are appended, made durable, read once in order, and marked as
// done. Knows how many of its records are still to be read and how many are not done.
//
// Not safe for use by many threads at once, but for Sync, which may run beside all but Append.
class JournalSegment {
 public:
  // A new, empty file.
  static StatusOr<std::unique_ptr<JournalSegment>> Create(const std::string& path, uint32_t salt);

  struct Found {
    uint64_t records = 0;  // not done
    std::vector<CorruptRange> corrupt;
    std::optional<int64_t> not_before_unix_ms;
    bool newer = false;  // written by a later version: nothing was read, and nothing may be changed
  };
  // What somebody else left; reads all of it.
  static StatusOr<std::unique_ptr<JournalSegment>> Open(const std::string& path, uint32_t salt,
                                                        Found* found);

  // Writes records after what is there, all or none. They count from Commit on. `end` is where
  // they end.
  Status Append(const std::vector<std::string>& records, uint64_t* end);
  Status Sync() const;
  void Commit(uint64_t records, uint64_t end);

  struct Entry {
    uint32_t offset;
    std::string payload;
  };
  struct Limits {
    size_t records;
    size_t bytes;
  };
  // The next records, within the limits but at least one if there is any. Where the end is reached
  // and fewer were there than there should be, `lost` is how many, and `corrupt` where. Where the
  // system does not let it be read, all that is unread is lost to this process, and read_failed().
  struct Taken {
    std::vector<Entry> entries;
    uint64_t lost = 0;
    std::vector<CorruptRange> corrupt;
  };
  Taken Take(Limits limits);

  // Appends a mark; is not made durable, for a record that is sent twice counts once.
  void MarkDone(const std::vector<uint32_t>& offsets);
  void SaveNotBefore(int64_t unix_ms);

  bool read_failed() const { return read_failed_; }  // the file may be whole all the same
  uint64_t unread() const { return unread_; }
  uint64_t not_done() const { return not_done_; }
  uint64_t bytes() const { return end_; }
  const std::string& path() const { return path_; }
  std::string BytesOf(const CorruptRange& range) const;

 private:
  JournalSegment(std::string path, uint32_t salt, FileDescriptor file)
      : path_(std::move(path)), salt_(salt), file_(std::move(file)) {}
  Status Write(std::string_view frames);
  void Scan(std::string_view bytes, Found* found);
  bool Fill();  // false: it cannot be read
  bool WasDone(uint64_t offset) const;

  const std::string path_;
  const uint32_t salt_;
  FileDescriptor file_;
  uint64_t end_ = 0;            // what has been written
  uint64_t committed_end_ = 0;  // up to here records may be read
  uint64_t read_at_ = 0;
  std::string buffer_;  // what was read ahead, from buffer_at_ on
  uint64_t buffer_at_ = 0;
  bool read_failed_ = false;
  uint64_t unread_ = 0;
  uint64_t not_done_ = 0;
  std::vector<uint32_t> done_before_;  // sorted: found done when it was opened
  std::set<uint64_t> corrupt_before_;  // told of already
};

}  // namespace bursar::internal
