#include "testing/power_loss.h"

#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <utility>

#include "testing/temporary_folder.h"

namespace bursar::testing {
namespace {

namespace fs = std::filesystem;
using FileNumber = std::pair<dev_t, ino_t>;
using Names = std::map<std::string, FileNumber>;

struct Disk {
  std::string base;
  std::string graveyard;  // keeps what was removed, by another name
  std::map<FileNumber, uint64_t> durable_bytes;
  std::map<std::string, Names> durable_names;  // by the folder's path
  bool loses_syncs = false;
};

std::mutex mutex;
std::optional<Disk> disk;  // while there is a PowerLoss

FileNumber NumberOf(const struct stat& about) { return {about.st_dev, about.st_ino}; }

std::string GraveOf(const FileNumber& file) {
  return disk->graveyard + "/" + std::to_string(file.second);
}

bool IsBelowBase(const std::string& path) { return (path + "/").rfind(disk->base + "/", 0) == 0; }

Names NamesIn(const std::string& folder) {
  Names names;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    struct stat about {};
    if (::lstat(it->path().c_str(), &about) == 0) {
      names[it->path().filename().string()] = NumberOf(about);
    }
  }
  return names;
}

std::string PathOf(int fd) {
  std::error_code error;
  return fs::read_symlink("/proc/self/fd/" + std::to_string(fd), error).string();
}

// What a sync that begins now will make durable.
void NoteSync(int fd) {
  const std::lock_guard lock(mutex);
  struct stat about {};
  if (!disk || disk->loses_syncs || ::fstat(fd, &about) != 0) return;
  if (S_ISDIR(about.st_mode)) {
    const std::string path = PathOf(fd);
    if (IsBelowBase(path)) disk->durable_names[path] = NamesIn(path);
  } else {
    uint64_t& bytes = disk->durable_bytes[NumberOf(about)];
    bytes = std::max(bytes, static_cast<uint64_t>(about.st_size));
  }
}

int Sync(long which, int fd) {
  NoteSync(fd);
  return static_cast<int>(::syscall(which, fd));
}

void BuryBeforeUnlink(const char* path) {
  const std::lock_guard lock(mutex);
  struct stat about {};
  if (!disk || !IsBelowBase(path) || ::lstat(path, &about) != 0) return;
  (void)!::link(path, GraveOf(NumberOf(about)).c_str());
}

// The bytes of a file that are left: all that are durable, and some of the rest.
std::string Left(const std::string& path, uint64_t durable, std::mt19937& random) {
  std::string bytes = ReadFile(path);
  if (bytes.size() <= durable) return bytes;
  const auto below = [&](uint64_t limit) { return static_cast<size_t>(random() % (limit + 1)); };
  bytes.resize(durable + below(bytes.size() - durable));
  if (random() % 2 == 0) {
    const size_t from = durable + below(bytes.size() - durable);
    const size_t count = below(bytes.size() - from);
    bytes.replace(from, count, count, '\0');
  }
  return bytes;
}

void FailFolder(const std::string& path, const std::string& to, std::mt19937& random) {
  fs::create_directory(to);
  const Names now = NamesIn(path);
  const auto known = disk->durable_names.find(path);
  const Names durable = known == disk->durable_names.end() ? Names() : known->second;
  Names all = now;
  all.insert(durable.begin(), durable.end());
  for (const auto& [name, file] : all) {
    const bool certain = now.count(name) > 0 && durable.count(name) > 0;
    if (!certain && random() % 2 == 0) continue;
    const std::string target = to + "/" + name;
    const std::string source = now.count(name) > 0 ? path + "/" + name : GraveOf(file);
    if (fs::is_directory(path + "/" + name)) {
      FailFolder(path + "/" + name, target, random);
    } else if (fs::exists(source)) {
      WriteFile(target, Left(source, disk->durable_bytes[file], random));
    }
  }
}

}  // namespace

PowerLoss::PowerLoss(std::string base) {
  const std::lock_guard lock(mutex);
  disk.emplace();
  disk->base = std::move(base);
  // Beside it, so that a name there is one of the same disk.
  std::string graveyard = disk->base + ".removed-XXXXXX";
  disk->graveyard = ::mkdtemp(graveyard.data());
  disk->durable_names[disk->base] = NamesIn(disk->base);
  for (const auto& entry : fs::recursive_directory_iterator(disk->base)) {
    const std::string path = entry.path().string();
    struct stat about {};
    if (entry.is_directory()) {
      disk->durable_names[path] = NamesIn(path);
    } else if (::stat(path.c_str(), &about) == 0) {
      disk->durable_bytes[NumberOf(about)] = static_cast<uint64_t>(about.st_size);
    }
  }
}

PowerLoss::~PowerLoss() {
  const std::lock_guard lock(mutex);
  std::error_code ignored;
  fs::remove_all(disk->graveyard, ignored);
  disk.reset();
}

void PowerLoss::LoseSyncs(bool lose) {
  const std::lock_guard lock(mutex);
  disk->loses_syncs = lose;
}

void PowerLoss::FailTo(const std::string& folder, std::mt19937& random) {
  const std::lock_guard lock(mutex);
  FailFolder(disk->base, folder, random);
}

}  // namespace bursar::testing

// In place of libc's, for what this program is linked of.
extern "C" int fsync(int fd) { return bursar::testing::Sync(SYS_fsync, fd); }

extern "C" int fdatasync(int fd) { return bursar::testing::Sync(SYS_fdatasync, fd); }

extern "C" int unlink(const char* path) noexcept {
  bursar::testing::BuryBeforeUnlink(path);
  return static_cast<int>(::syscall(SYS_unlink, path));
}
