#include "cli/compression.h"

#include <zlib.h>
#include <zstd.h>

#include <vector>

namespace bursar::cli {
namespace {

constexpr int kZstdLevel = 3;
constexpr int kGzipLevel = 4;         // a third of level 6's time for a tenth more bytes
constexpr int kGzipWindow = 15 + 16;  // with gzip's own header
constexpr size_t kPieceBytes = 128 << 10;

Status Damaged(const std::string& why) {
  return {StatusCode::kFailedPrecondition, "it cannot be decompressed: " + why};
}

bool EndsWith(std::string_view text, std::string_view end) {
  return text.size() >= end.size() && text.substr(text.size() - end.size()) == end;
}

Bytef* Bytes(const char* text) { return reinterpret_cast<Bytef*>(const_cast<char*>(text)); }

}  // namespace

std::string_view SuffixOf(Compression compression) {
  if (compression == Compression::kGzip) return ".gz";
  return compression == Compression::kZstd ? ".zst" : "";
}

Compression CompressionOf(std::string_view path) {
  for (const auto compression : {Compression::kGzip, Compression::kZstd}) {
    if (EndsWith(path, SuffixOf(compression))) return compression;
  }
  return Compression::kNone;
}

struct Compressor::Zstd {
  std::unique_ptr<ZSTD_CCtx, size_t (*)(ZSTD_CCtx*)> stream{ZSTD_createCCtx(), ZSTD_freeCCtx};
};

Compressor::Compressor(Compression compression) : compression_(compression) {
  if (compression != Compression::kZstd) return;
  zstd_ = std::make_unique<Zstd>();
  ZSTD_CCtx_setParameter(zstd_->stream.get(), ZSTD_c_compressionLevel, kZstdLevel);
  ZSTD_CCtx_setParameter(zstd_->stream.get(), ZSTD_c_checksumFlag, 1);
}

Compressor::~Compressor() = default;

StatusOr<std::string_view> Compressor::Compress(std::string_view text) {
  if (compression_ == Compression::kNone) return text;
  if (compression_ == Compression::kGzip) return Gzip(text);
  compressed_.resize(ZSTD_compressBound(text.size()));
  const size_t bytes = ZSTD_compress2(zstd_->stream.get(), compressed_.data(), compressed_.size(),
                                      text.data(), text.size());
  if (ZSTD_isError(bytes) != 0) {
    return Status(StatusCode::kInternal, std::string("zstd: ") + ZSTD_getErrorName(bytes));
  }
  return std::string_view(compressed_.data(), bytes);
}

StatusOr<std::string_view> Compressor::Gzip(std::string_view text) {
  z_stream stream{};
  if (deflateInit2(&stream, kGzipLevel, Z_DEFLATED, kGzipWindow, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
    return Status(StatusCode::kInternal, "gzip: there is no memory");
  }
  compressed_.resize(deflateBound(&stream, text.size()));
  stream.next_in = Bytes(text.data());
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = Bytes(compressed_.data());
  stream.avail_out = static_cast<uInt>(compressed_.size());
  const int outcome = deflate(&stream, Z_FINISH);
  const size_t bytes = stream.total_out;
  deflateEnd(&stream);
  if (outcome != Z_STREAM_END) return Status(StatusCode::kInternal, "gzip: it did not end");
  return std::string_view(compressed_.data(), bytes);
}

struct Decompressor::Streams {
  std::unique_ptr<ZSTD_DStream, size_t (*)(ZSTD_DStream*)> zstd{ZSTD_createDStream(),
                                                                ZSTD_freeDStream};
  z_stream gzip{};
  std::vector<char> piece = std::vector<char>(kPieceBytes);
};

Decompressor::Decompressor(Compression compression)
    : compression_(compression), streams_(std::make_unique<Streams>()) {
  if (compression == Compression::kGzip) inflateInit2(&streams_->gzip, kGzipWindow);
}

Decompressor::~Decompressor() {
  if (compression_ == Compression::kGzip) inflateEnd(&streams_->gzip);
}

Status Decompressor::Add(std::string_view bytes, const Take& take) {
  if (compression_ == Compression::kZstd) return AddZstd(bytes, take);
  if (compression_ == Compression::kGzip) return AddGzip(bytes, take);
  take(bytes);
  return {};
}

Status Decompressor::AddZstd(std::string_view bytes, const Take& take) {
  ZSTD_inBuffer in{bytes.data(), bytes.size(), 0};
  bool full = false;  // of its output: there may be more without further input
  while (in.pos < in.size || full) {
    ZSTD_outBuffer out{streams_->piece.data(), streams_->piece.size(), 0};
    const size_t left = ZSTD_decompressStream(streams_->zstd.get(), &out, &in);
    if (ZSTD_isError(left) != 0) return Damaged(ZSTD_getErrorName(left));
    take({streams_->piece.data(), out.pos});
    full = out.pos == out.size;
    within_ = left != 0;
  }
  return {};
}

Status Decompressor::AddGzip(std::string_view bytes, const Take& take) {
  z_stream& stream = streams_->gzip;
  stream.next_in = Bytes(bytes.data());
  stream.avail_in = static_cast<uInt>(bytes.size());
  bool full = false;
  while (stream.avail_in > 0 || full) {
    stream.next_out = Bytes(streams_->piece.data());
    stream.avail_out = static_cast<uInt>(streams_->piece.size());
    within_ = true;
    const int outcome = inflate(&stream, Z_NO_FLUSH);
    if (outcome != Z_OK && outcome != Z_STREAM_END && outcome != Z_BUF_ERROR) {
      return Damaged(stream.msg != nullptr ? stream.msg : "gzip " + std::to_string(outcome));
    }
    take({streams_->piece.data(), streams_->piece.size() - stream.avail_out});
    full = stream.avail_out == 0 && outcome == Z_OK;
    if (outcome == Z_STREAM_END) {
      within_ = false;
      inflateReset(&stream);
    }
  }
  return {};
}

Status Decompressor::Finish() const { return within_ ? Damaged("it ends too soon") : Status(); }

}  // namespace bursar::cli
