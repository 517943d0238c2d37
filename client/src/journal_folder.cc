#include "src/journal_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>

#include "src/journal_format.h"
#include "src/random_id.h"

namespace bursar::internal {
namespace {

namespace fs = std::filesystem;

constexpr char kLock[] = "/lock";
constexpr char kSegmentEnding[] = ".journal";
constexpr int kTries = 16;

// Whether `path` still names the file that is open: it may have been removed, or made anew, between
// our opening and our locking it.
bool StillNames(const std::string& path, const FileDescriptor& file) {
  struct stat by_name {};
  struct stat by_file {};
  return ::stat(path.c_str(), &by_name) == 0 && ::fstat(file.get(), &by_file) == 0 &&
         by_name.st_dev == by_file.st_dev && by_name.st_ino == by_file.st_ino;
}

// Makes a folder and what is missing above it, so that a power failure does not take it away.
Status MakeFolder(const fs::path& path) {
  std::error_code error;
  if (fs::is_directory(path, error)) return {};
  const fs::path parent = path.has_parent_path() ? path.parent_path() : ".";
  if (parent != path) {
    if (Status status = MakeFolder(parent); !status.ok()) return status;
  }
  fs::create_directory(path, error);
  if (error) {
    return {StatusCode::kFailedPrecondition,
            "cannot make the journal's folder " + path.string() + ": " + error.message()};
  }
  return SyncFolder(parent);
}

}  // namespace

std::unique_ptr<JournalFolder> JournalFolder::Claim(const std::string& path) {
  auto lock = OpenFile(path + kLock, O_RDWR | O_CREAT);
  if (!lock.ok()) return nullptr;
  if (::flock(lock->get(), LOCK_EX | LOCK_NB) != 0) return nullptr;
  if (!StillNames(path + kLock, *lock)) return nullptr;
  return std::unique_ptr<JournalFolder>(new JournalFolder(path, *std::move(lock)));
}

StatusOr<std::unique_ptr<JournalFolder>> JournalFolder::Make(const std::string& root,
                                                             const std::string& label) {
  if (Status status = MakeFolder(root); !status.ok()) return status;
  // Another process that looks for orphans may be faster with a folder that we just made.
  for (int i = 0; i < kTries; ++i) {
    const std::string path = root + "/" + label + "@" + RandomUuid();
    if (::mkdir(path.c_str(), 0700) != 0) return SystemError("cannot make", path);
    if (auto folder = Claim(path)) {
      if (Status status = SyncFolder(root); !status.ok()) return status;
      return folder;
    }
  }
  return Status(StatusCode::kFailedPrecondition,
                "no file in " + root + " can be locked; a local disk would be right");
}

void JournalFolder::ForEachOrphan(const std::string& root, const std::string& label,
                                  const std::function<bool(std::unique_ptr<JournalFolder>)>& take) {
  std::vector<std::string> paths;
  std::error_code error;
  for (fs::directory_iterator it(root, error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    if (name.substr(0, name.rfind('@')) != label || name.find('@') == std::string::npos) continue;
    paths.push_back(it->path().string());
  }
  for (const std::string& path : paths) {
    auto folder = Claim(path);
    if (folder != nullptr && !take(std::move(folder))) return;
  }
}

std::vector<std::string> JournalFolder::SegmentNames() const {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator it(path_, error), end; !error && it != end; it.increment(error)) {
    if (it->path().extension() == kSegmentEnding) names.push_back(it->path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::string JournalFolder::SegmentName(uint64_t number) {
  std::string digits = std::to_string(number);
  return std::string(digits.size() < 12 ? 12 - digits.size() : 0, '0') + digits + kSegmentEnding;
}

uint32_t JournalFolder::SaltOf(const std::string& segment_name) const {
  // The folder's name is random, so nobody who only writes records can make a frame in one.
  return Crc32(0, fs::path(path_).filename().string() + "/" + segment_name);
}

void JournalFolder::RemoveIfEmpty() const {
  std::error_code error;
  size_t entries = 0;
  for (fs::directory_iterator it(path_, error), end; !error && it != end; it.increment(error)) {
    ++entries;
  }
  if (error || entries != 1) return;
  ::unlink((path_ + kLock).c_str());  // under our lock; who waits for it sees that it has no name
  ::rmdir(path_.c_str());
}

}  // namespace bursar::internal
