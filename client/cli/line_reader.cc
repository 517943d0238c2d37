#include "cli/line_reader.h"

#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

namespace bursar::cli {
namespace {

constexpr size_t kChunkBytes = 256 << 10;

}  // namespace

LineReader::LineReader(int fd, size_t line_bytes_max) : fd_(fd), line_bytes_max_(line_bytes_max) {
  struct stat about {};
  const off_t at = lseek(fd, 0, SEEK_CUR);
  if (fstat(fd, &about) == 0 && S_ISREG(about.st_mode) && at >= 0) {
    bytes_in_all_ = about.st_size - at;
  }
}

LineReader::Got LineReader::Next(std::chrono::milliseconds patience) {
  while (true) {
    const size_t end = buffer_.find('\n', searched_);
    if (end != std::string::npos) return Take(end, end + 1);
    searched_ = buffer_.size();
    if (searched_ - begin_ > line_bytes_max_) {  // nobody wants it: only its end matters
      too_long_ = true;
      begin_ = searched_;
    }
    if (ended_) {
      if (begin_ < buffer_.size() || too_long_) return Take(buffer_.size(), buffer_.size());
      return Got::kEnd;
    }
    if (const Got got = Fill(patience); got != Got::kLine) return got;
  }
}

LineReader::Got LineReader::Take(size_t end, size_t next) {
  line_ = std::string_view(buffer_).substr(begin_, end - begin_);
  begin_ = searched_ = next;
  ++number_;
  const bool too_long = too_long_ || line_.size() > line_bytes_max_;
  too_long_ = false;
  return too_long ? Got::kTooLong : Got::kLine;
}

LineReader::Got LineReader::Fill(std::chrono::milliseconds patience) {
  pollfd waiting{.fd = fd_, .events = POLLIN, .revents = 0};
  if (poll(&waiting, 1, static_cast<int>(patience.count())) == 0) return Got::kNothing;
  buffer_.erase(0, begin_);
  searched_ -= begin_;
  begin_ = 0;
  const size_t kept = buffer_.size();
  buffer_.resize(kept + kChunkBytes);
  const ssize_t count = read(fd_, buffer_.data() + kept, kChunkBytes);
  const int error = errno;
  buffer_.resize(kept + static_cast<size_t>(std::max<ssize_t>(count, 0)));
  if (count < 0 && error != EINTR && error != EAGAIN) {
    error_ = std::generic_category().message(error);
    return Got::kFailed;
  }
  bytes_ += std::max<ssize_t>(count, 0);
  ended_ = count == 0;
  return Got::kLine;
}

}  // namespace bursar::cli
