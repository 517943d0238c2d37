#include "postgres/binaries.h"

#include <stdio.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <memory>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace bursar::postgres {
namespace {

namespace fs = std::filesystem;

constexpr int kOldestMajor = 15;

// What a command prints on its first line; empty if it fails.
std::string FirstLineOf(const std::string& command) {
  const std::unique_ptr<FILE, int (*)(FILE*)> output(popen(command.c_str(), "re"), &pclose);
  char line[512];
  if (output == nullptr || fgets(line, sizeof line, output.get()) == nullptr) return "";
  return std::string(absl::StripAsciiWhitespace(line));
}

// 15 of "postgres (PostgreSQL) 15.20 (Debian 15.20-0+deb12u1)"; 0 if that cannot be read.
int MajorOf(const std::string& folder) {
  const std::string line = FirstLineOf(absl::StrCat("'", folder, "/postgres' -V 2>/dev/null"));
  const size_t digits = line.find_first_of("0123456789");
  return digits == std::string::npos ? 0 : atoi(line.c_str() + digits);
}

bool HoldsServer(const std::string& folder) {
  if (folder.empty() || folder.find('\'') != std::string::npos) return false;
  return access(absl::StrCat(folder, "/initdb").c_str(), X_OK) == 0 &&
         access(absl::StrCat(folder, "/postgres").c_str(), X_OK) == 0;
}

std::vector<std::string> VersionFolders() {
  std::vector<std::pair<int, std::string>> versions;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator("/usr/lib/postgresql", ignored)) {
    int version = 0;
    if (absl::SimpleAtoi(entry.path().filename().string(), &version)) {
      versions.emplace_back(version, (entry.path() / "bin").string());
    }
  }
  std::sort(versions.begin(), versions.end(), std::greater<>());
  std::vector<std::string> folders;
  for (auto& [version, folder] : versions) folders.push_back(std::move(folder));
  return folders;
}

std::vector<std::string> Candidates() {
  std::vector<std::string> folders = {FirstLineOf("pg_config --bindir 2>/dev/null")};
  for (std::string& folder : VersionFolders()) folders.push_back(std::move(folder));
  const char* path = getenv("PATH");
  const std::vector<std::string> in_path = absl::StrSplit(path == nullptr ? "" : path, ':');
  for (const std::string& folder : in_path) {
    std::error_code
        ignored;  // a link in PATH: the programs look for their files beside the real one
    const fs::path real = fs::canonical(fs::path(folder) / "postgres", ignored);
    folders.push_back(real.parent_path().string());
  }
  return folders;
}

}  // namespace

absl::StatusOr<Binaries> FindBinaries(int major) {
  std::vector<std::string> found;
  for (const std::string& folder : Candidates()) {
    if (!HoldsServer(folder)) continue;
    const int version = MajorOf(folder);
    if (major == 0 ? version >= kOldestMajor : version == major) return Binaries{folder, version};
    if (version != 0) found.push_back(absl::StrCat(version, " in ", folder));
  }
  const std::string wanted = major == 0 ? absl::StrCat("PostgreSQL ", kOldestMajor, " or later")
                                        : absl::StrCat("PostgreSQL ", major);
  return absl::FailedPreconditionError(absl::StrCat(
      wanted, " is not installed (",
      found.empty() ? "found none" : absl::StrCat("found ", absl::StrJoin(found, ", ")),
      "): install it (apt-get install postgresql), or give --database-url"));
}

}  // namespace bursar::postgres
