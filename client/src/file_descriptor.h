#pragma once

#include <bursar/status.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace bursar::internal {

// An open file; closed with its owner. Not passed on to programs that the process starts.
class FileDescriptor {
 public:
  FileDescriptor() = default;
  explicit FileDescriptor(int fd) : fd_(fd) {}
  FileDescriptor(FileDescriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  FileDescriptor& operator=(FileDescriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~FileDescriptor();

  bool open() const { return fd_ >= 0; }
  int get() const { return fd_; }

 private:
  int fd_ = -1;
};

// What the system said in errno. Errors: RESOURCE_EXHAUSTED where the disk, the quota or the file
// is full; else FAILED_PRECONDITION.
Status SystemError(const std::string& what, const std::string& path);

StatusOr<FileDescriptor> OpenFile(const std::string& path, int flags);  // new ones: mode 0600

// Writes all of it at `offset`, or says why not; then part of it may be written.
Status WriteAt(const FileDescriptor& file, uint64_t offset, std::string_view bytes,
               const std::string& path);

// Reads what there is of `bytes` bytes at `offset`.
StatusOr<std::string> ReadAt(const FileDescriptor& file, uint64_t offset, size_t bytes,
                             const std::string& path);

// Makes the names in a folder durable.
Status SyncFolder(const std::string& path);

}  // namespace bursar::internal
