#pragma once

#include <bursar/status.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace bursar::cli {

enum class Compression { kNone, kGzip, kZstd };

// ".gz", ".zst" or nothing.
std::string_view SuffixOf(Compression compression);

// What a file's name says: "usage.csv.gz".
Compression CompressionOf(std::string_view path);

// Makes each text a frame (zstd) or member (gzip) of its own: a file of several is a right one, and
// can be cut between two of them. For one thread.
class Compressor {
 public:
  explicit Compressor(Compression compression);
  ~Compressor();

  // Valid until the next call.
  StatusOr<std::string_view> Compress(std::string_view text);

 private:
  struct Zstd;
  StatusOr<std::string_view> Gzip(std::string_view text);

  const Compression compression_;
  std::unique_ptr<Zstd> zstd_;
  std::string compressed_;
};

// Undoes that, in pieces of any size. For one thread.
class Decompressor {
 public:
  using Take = std::function<void(std::string_view)>;

  explicit Decompressor(Compression compression);
  ~Decompressor();

  // Errors: FAILED_PRECONDITION for bytes that are not what they should be.
  Status Add(std::string_view bytes, const Take& take);
  Status Finish() const;  // that the last frame or member is whole

 private:
  struct Streams;
  Status AddZstd(std::string_view bytes, const Take& take);
  Status AddGzip(std::string_view bytes, const Take& take);

  const Compression compression_;
  std::unique_ptr<Streams> streams_;
  bool within_ = false;  // a frame or member
};

}  // namespace bursar::cli
