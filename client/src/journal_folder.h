#pragma once

#include <bursar/status.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "src/file_descriptor.h"

namespace bursar::internal {

// A folder of segments that nobody else uses while this lives: "<root>/<label>@<random UUID>",
// mode 0700, with a file `lock` in it that is locked by flock. The system drops the lock when the
// process ends, however it ends; from then on the folder is an orphan, and who locks it next has
// it.
class JournalFolder {
 public:
  // A new folder; makes `root` as well where it is missing.
  static StatusOr<std::unique_ptr<JournalFolder>> Make(const std::string& root,
                                                       const std::string& label);

  // Gives `take` every folder of that label that nobody holds, one after another, until it says
  // false. Each is got by one caller only, however many ask at once.
  static void ForEachOrphan(const std::string& root, const std::string& label,
                            const std::function<bool(std::unique_ptr<JournalFolder>)>& take);

  const std::string& path() const { return path_; }
  std::vector<std::string> SegmentNames() const;  // sorted
  static std::string SegmentName(uint64_t number);
  std::string PathOf(const std::string& segment_name) const { return path_ + "/" + segment_name; }
  uint32_t SaltOf(const std::string& segment_name) const;

  // Removes the folder, if nothing but the lock is in it. The lock is kept until destruction.
  void RemoveIfEmpty() const;

 private:
  JournalFolder(std::string path, FileDescriptor lock)
      : path_(std::move(path)), lock_(std::move(lock)) {}
  static std::unique_ptr<JournalFolder> Claim(const std::string& path);

  std::string path_;
  FileDescriptor lock_;
};

}  // namespace bursar::internal
