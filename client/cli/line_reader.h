#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace bursar::cli {

// Lines of a file or pipe, one after the other, in constant memory. For one thread.
class LineReader {
 public:
  enum class Got {
    kLine,     // line() has it
    kTooLong,  // a line of more than `line_bytes_max`, which is passed over
    kNothing,  // nothing more came within the patience
    kEnd,
    kFailed,  // error() says why
  };

  // Reads file descriptor `fd`, which stays the caller's.
  explicit LineReader(int fd, size_t line_bytes_max);

  // The next line; waits for at most `patience` where it has not come yet. The last one need not
  // end with a line break.
  Got Next(std::chrono::milliseconds patience);

  // Without its line break; good until the next call.
  std::string_view line() const { return line_; }
  int64_t number() const { return number_; }  // of this line; the first is 1
  int64_t bytes() const { return bytes_; }    // read so far
  // How many there are in all; nothing for a pipe or terminal.
  std::optional<int64_t> bytes_in_all() const { return bytes_in_all_; }
  const std::string& error() const { return error_; }

 private:
  Got Fill(std::chrono::milliseconds patience);
  Got Take(size_t end, size_t next);

  const int fd_;
  const size_t line_bytes_max_;
  std::optional<int64_t> bytes_in_all_;
  std::string buffer_;
  size_t begin_ = 0;     // of what was not taken yet
  size_t searched_ = 0;  // up to where there is no line break
  bool too_long_ = false;
  bool ended_ = false;
  std::string_view line_;
  int64_t number_ = 0;
  int64_t bytes_ = 0;
  std::string error_;
};

}  // namespace bursar::cli
