#include "cli/export_bundle.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "absl/time/clock.h"
#include "cli/compression.h"
#include "cli/csv_sums.h"
#include "cli/input.h"
#include "cli/period.h"
#include "src/file_descriptor.h"

namespace bursar::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kFormatVersion = 1;
constexpr size_t kPieceBytes = 256 << 10;
constexpr char kManifest[] = "manifest.json";
constexpr char kManifestSha[] = "manifest.json.sha256";

class Sha256 {
 public:
  Sha256() { EVP_DigestInit_ex(digest_.get(), EVP_sha256(), nullptr); }
  void Add(std::string_view bytes) { EVP_DigestUpdate(digest_.get(), bytes.data(), bytes.size()); }
  std::string Hex() {
    unsigned char hash[EVP_MAX_MD_SIZE];
    unsigned int size = 0;
    EVP_DigestFinal_ex(digest_.get(), hash, &size);
    static constexpr char kHex[] = "0123456789abcdef";
    std::string hex;
    for (unsigned int i = 0; i < size; ++i) {
      hex += kHex[hash[i] >> 4];
      hex += kHex[hash[i] & 15];
    }
    return hex;
  }

 private:
  std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> digest_{EVP_MD_CTX_new(), EVP_MD_CTX_free};
};

// Gives the file's bytes piece by piece.
template <typename Take>
Status ReadFile(const std::string& path, Take take) {
  const auto file = internal::OpenFile(path, O_RDONLY);
  if (!file.ok()) return file.status();
  for (uint64_t at = 0;;) {
    const auto piece = internal::ReadAt(*file, at, kPieceBytes, path);
    if (!piece.ok()) return piece.status();
    if (piece->empty()) return {};
    take(std::string_view(*piece));
    at += piece->size();
  }
}

StatusOr<std::string> Sha256Of(const std::string& path) {
  Sha256 sha;
  const Status status = ReadFile(path, [&](std::string_view piece) { sha.Add(piece); });
  if (!status.ok()) return status;
  return sha.Hex();
}

std::string TimeText(absl::Time time) {
  return absl::FormatTime("%Y-%m-%d%ET%H:%M:%E*SZ", time, absl::UTCTimeZone());
}

Json FiltersJson(const v1::ExportUsageRequest& request) {
  Json filters = Json::array();
  for (const v1::Filter& filter : request.filters()) {
    filters.push_back(
        {{"dimension", filter.dimension()},
         {"values", std::vector<std::string>(filter.values().begin(), filter.values().end())},
         {"exclude", filter.exclude()}});
  }
  return filters;
}

Status WriteDurably(const std::string& path, const std::string& text) {
  const auto file = internal::OpenFile(path, O_WRONLY | O_CREAT | O_TRUNC);
  if (!file.ok()) return file.status();
  if (Status status = internal::WriteAt(*file, 0, text, path); !status.ok()) return status;
  return fdatasync(file->get()) == 0 ? Status() : internal::SystemError("cannot write", path);
}

// What a manifest says of one file, and its faults.
class FileCheck {
 public:
  FileCheck(const Json& json, std::vector<std::string>* faults) : faults_(faults) {
    file_ = {.name = json.at("name"),
             .table = json.at("table"),
             .rows = json.at("rows"),
             .bytes = json.at("bytes"),
             .cost_nanousd = std::stoll(json.at("cost_nanousd").get<std::string>())};
    sha256_ = json.at("sha256");
  }

  ExportedFile Run(const std::string& folder) {
    if (std::filesystem::path(file_.name).filename() != file_.name) {
      Fault("is not a name in this folder");
      return file_;
    }
    Sha256 sha;
    int64_t bytes = 0;
    CsvSums sums;
    Decompressor decompressor(CompressionOf(file_.name));
    Status readable;
    const Status read = ReadFile(folder + "/" + file_.name, [&](std::string_view piece) {
      sha.Add(piece);
      bytes += static_cast<int64_t>(piece.size());
      if (!readable.ok()) return;
      readable = decompressor.Add(piece, [&](std::string_view text) { sums.Add(text); });
    });
    if (!read.ok()) return Fault(read.message()), file_;
    if (readable.ok()) readable = decompressor.Finish();
    Expect("bytes", bytes, file_.bytes);
    if (sha.Hex() != sha256_) Fault("is not what was written: its SHA-256 is another");
    if (!readable.ok()) return Fault(readable.message()), file_;
    if (!sums.whole()) Fault("ends within a line");
    Expect("rows", sums.rows(), file_.rows);
    if (sums.has_cost()) Expect("cost_nanousd", sums.cost_nanousd(), file_.cost_nanousd);
    return file_;
  }

 private:
  void Fault(const std::string& what) { faults_->push_back(file_.name + ": " + what); }
  void Expect(const std::string& what, int64_t is, int64_t by_manifest) {
    if (is == by_manifest) return;
    Fault("has " + what + " " + std::to_string(is) + "; the manifest says " +
          std::to_string(by_manifest));
  }

  std::vector<std::string>* const faults_;
  ExportedFile file_;
  std::string sha256_;
};

}  // namespace

Status WriteManifest(const std::string& folder, const v1::ExportUsageRequest& request,
                     const std::vector<ExportedFile>& files) {
  Json list = Json::array();
  for (const ExportedFile& file : files) {
    const auto sha256 = Sha256Of(folder + "/" + file.name);
    if (!sha256.ok()) return sha256.status();
    list.push_back({{"name", file.name},
                    {"table", file.table},
                    {"rows", file.rows},
                    {"bytes", file.bytes},
                    {"sha256", *sha256},
                    {"cost_nanousd", std::to_string(file.cost_nanousd)}});
  }
  const Json manifest = {{"format_version", kFormatVersion},
                         {"from", TimeText(TimeOf(request.start_time()))},
                         {"to", TimeText(TimeOf(request.end_time()))},
                         {"filters", FiltersJson(request)},
                         {"created", TimeText(absl::Now())},
                         {"files", list}};
  const std::string text =
      manifest.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
  if (Status status = WriteDurably(folder + "/" + kManifest, text); !status.ok()) return status;
  Sha256 sha;
  sha.Add(text);
  if (Status status =
          WriteDurably(folder + "/" + kManifestSha, sha.Hex() + "  " + kManifest + "\n");
      !status.ok()) {
    return status;
  }
  return internal::SyncFolder(folder);
}

StatusOr<VerifiedBundle> VerifyBundle(const std::string& folder) {
  const auto text = ReadInput(folder + "/" + kManifest, 1 << 20);
  if (!text.ok()) return text.status();
  VerifiedBundle verified;
  Sha256 sha;
  sha.Add(*text);
  const auto sum = ReadInput(folder + "/" + kManifestSha, 1 << 10);
  if (!sum.ok() || *sum != sha.Hex() + "  " + kManifest + "\n") {
    verified.faults.push_back(std::string(kManifest) + ": is not what " + kManifestSha +
                              " was written of");
  }
  try {
    const Json manifest = Json::parse(*text);
    if (manifest.at("format_version") != kFormatVersion) {
      return Status(StatusCode::kFailedPrecondition,
                    folder + " is of another version than this command knows");
    }
    for (const Json& file : manifest.at("files")) {
      verified.files.push_back(FileCheck(file, &verified.faults).Run(folder));
    }
  } catch (const std::exception& error) {  // of the JSON, or of a number in it
    return Status(StatusCode::kFailedPrecondition,
                  folder + "/" + kManifest + " cannot be read: " + error.what());
  }
  return verified;
}

}  // namespace bursar::cli
