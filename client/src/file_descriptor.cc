#include "src/file_descriptor.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>

namespace bursar::internal {

FileDescriptor::~FileDescriptor() {
  if (fd_ >= 0) ::close(fd_);
}

Status SystemError(const std::string& what, const std::string& path) {
  const int error = errno;
  const bool full = error == ENOSPC || error == EDQUOT || error == EFBIG;
  return {full ? StatusCode::kResourceExhausted : StatusCode::kFailedPrecondition,
          what + " " + path + ": " + std::generic_category().message(error)};
}

StatusOr<FileDescriptor> OpenFile(const std::string& path, int flags) {
  FileDescriptor file(::open(path.c_str(), flags | O_CLOEXEC, 0600));
  if (!file.open()) return SystemError("cannot open", path);
  return file;
}

Status WriteAt(const FileDescriptor& file, uint64_t offset, std::string_view bytes,
               const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t written =
        ::pwrite(file.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return SystemError("cannot write to", path);
    bytes.remove_prefix(static_cast<size_t>(written));
    offset += static_cast<uint64_t>(written);
  }
  return {};
}

StatusOr<std::string> ReadAt(const FileDescriptor& file, uint64_t offset, size_t bytes,
                             const std::string& path) {
  std::string out(bytes, '\0');
  size_t have = 0;
  while (have < bytes) {
    const ssize_t got =
        ::pread(file.get(), out.data() + have, bytes - have, static_cast<off_t>(offset + have));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return SystemError("cannot read", path);
    if (got == 0) break;
    have += static_cast<size_t>(got);
  }
  out.resize(have);
  return out;
}

Status SyncFolder(const std::string& path) {
  const auto folder = OpenFile(path, O_RDONLY | O_DIRECTORY);
  if (!folder.ok()) return folder.status();
  if (::fsync(folder->get()) != 0) return SystemError("cannot make durable", path);
  return {};
}

}  // namespace bursar::internal
