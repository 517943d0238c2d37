#include "src/set_aside.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "src/file_descriptor.h"
#include "src/record_bytes.h"

namespace bursar::internal {

namespace {

bool EndsInALine(const FileDescriptor& file) {
  struct stat about {};
  char last = '\n';
  if (::fstat(file.get(), &about) != 0 || about.st_size == 0) return true;
  return ::pread(file.get(), &last, 1, about.st_size - 1) != 1 || last == '\n';
}

}  // namespace

Status SetAside::Room(uint64_t bytes) const {
  if (::mkdir(folder_.c_str(), 0700) == 0) {  // where it cannot be made, opening a file shows it
    (void)SyncFolder(std::filesystem::path(folder_).parent_path().string());
  }
  uint64_t used = 0;
  std::error_code error;
  for (std::filesystem::directory_iterator it(folder_, error), end; !error && it != end;
       it.increment(error)) {
    std::error_code gone;
    const uint64_t size = it->file_size(gone);
    if (!gone) used += size;
  }
  if (used + bytes <= bytes_max_) return {};
  return {StatusCode::kResourceExhausted, folder_ + " has " + std::to_string(used) +
                                              " bytes of at most " + std::to_string(bytes_max_) +
                                              ": look at what is there, and remove it"};
}

Status SetAside::Refused(const RecordRequest& record, const Status& why) {
  const std::string line = RefusalLine(record, why) + "\n";
  const std::lock_guard lock(mutex_);
  if (Status room = Room(line.size()); !room.ok()) return room;
  auto file = OpenFile(refused_path(), O_RDWR | O_CREAT | O_APPEND);
  if (!file.ok()) return file.status();
  // What a full disk cut off must not run on into this line.
  const std::string text = (EndsInALine(*file) ? "" : "\n") + line;
  // One write to a file that is open for appending: lines of two processes never mix.
  const ssize_t written = ::write(file->get(), text.data(), text.size());
  if (written != static_cast<ssize_t>(text.size()) || ::fdatasync(file->get()) != 0) {
    return SystemError("cannot write to", refused_path());
  }
  return SyncFolder(folder_);  // the journal forgets the record now: the file must not go either
}

Status SetAside::Corrupt(const std::string& name, std::string_view bytes) {
  const std::lock_guard lock(mutex_);
  const std::string path = folder_ + "/" + name;
  std::error_code error;
  if (std::filesystem::file_size(path, error) == bytes.size() && !error) return {};
  if (Status room = Room(bytes.size()); !room.ok()) return room;
  auto file = OpenFile(path, O_WRONLY | O_CREAT | O_TRUNC);
  if (!file.ok()) return file.status();
  if (Status status = WriteAt(*file, 0, bytes, path); !status.ok()) return status;
  if (::fdatasync(file->get()) != 0) return SystemError("cannot make durable", path);
  return SyncFolder(folder_);
}

}  // namespace bursar::internal
