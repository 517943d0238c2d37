#include "postgres/cluster.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "log.h"
#include "postgres/binaries.h"
#include "postgres/connection.h"
#include "postgres/leftover.h"
#include "status_macros.h"

namespace bursar::postgres {
namespace {

namespace fs = std::filesystem;

constexpr absl::Duration kReadyTimeout = absl::Seconds(30);
constexpr absl::Duration kInitdbTimeout = absl::Minutes(2);
constexpr size_t kSocketPathBytes = 107;  // of sockaddr_un, without its NUL
constexpr char kSocketName[] = "/.s.PGSQL.5432";

absl::Status Refused(const std::string& path, const std::string& what, int error) {
  return absl::FailedPreconditionError(
      absl::StrCat(path, " cannot be ", what, ": ", strerror(error)));
}

// The last line of a log, or the last that says why PostgreSQL gave up if one follows the last
// start.
std::string LastLineOf(const std::string& path) {
  std::ifstream stream(path);
  std::string line, last = "it wrote nothing", reason;
  while (std::getline(stream, line)) {
    if (line.find("starting PostgreSQL") != std::string::npos) reason.clear();
    if (line.find("is starting up") != std::string::npos) continue;  // the answer to our own asking
    for (const char* mark : {"FATAL:", "PANIC:", "error:"}) {
      if (line.find(mark) != std::string::npos) reason = line;
    }
    if (!line.empty()) last = line;
  }
  return reason.empty() ? last : reason;
}

// Makes a folder that only its owner can use.
absl::Status MakePrivateFolder(const std::string& path, const Account& owner) {
  if (mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) return Refused(path, "made", errno);
  if (chmod(path.c_str(), 0700) != 0) return Refused(path, "made private", errno);
  if (!owner.name.empty() && chown(path.c_str(), owner.uid, owner.gid) != 0) {
    return Refused(path, "given to " + owner.name, errno);
  }
  return absl::OkStatus();
}

// The major version that made the data directory; 0 if there is none yet.
absl::StatusOr<int> MajorOf(const std::string& cluster_dir) {
  std::error_code ignored;
  if (!fs::exists(cluster_dir, ignored)) return 0;
  std::string line;
  int major = 0;
  std::getline(std::ifstream(cluster_dir + "/PG_VERSION"), line);
  if (absl::SimpleAtoi(line, &major)) return major;
  return absl::FailedPreconditionError(absl::StrCat(
      cluster_dir, " holds no PostgreSQL data (no PG_VERSION): move it away and start again"));
}

void SyncFolder(const std::string& path) {
  const int folder = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0) return;
  fsync(folder);
  close(folder);
}

absl::Status MakeRoleAndDatabase(Session& session) {
  ASSIGN_OR_RETURN(const Rows role,
                   session.Execute("SELECT FROM pg_roles WHERE rolname = 'bursar'"));
  if (role.size() == 0) RETURN_IF_ERROR(session.ExecuteScript("CREATE ROLE bursar LOGIN"));
  ASSIGN_OR_RETURN(const Rows database,
                   session.Execute("SELECT FROM pg_database WHERE datname = 'bursar'"));
  if (database.size() != 0) return absl::OkStatus();
  return session.ExecuteScript("CREATE DATABASE bursar OWNER bursar");
}

// Names that libpq and PostgreSQL take as they are in a list of socket folders.
bool IsPlain(std::string_view path) {
  return std::all_of(path.begin(), path.end(), [](char c) {
    return absl::ascii_isalnum(c) || std::string_view("/._-+").find(c) != std::string_view::npos;
  });
}

}  // namespace

absl::StatusOr<std::unique_ptr<Cluster>> Cluster::Start(const std::string& data_dir) {
  const absl::Time began = absl::Now();
  std::unique_ptr<Cluster> cluster(new Cluster);
  ASSIGN_OR_RETURN(cluster->account_, UnprivilegedAccount());
  std::error_code no_working_directory;
  RETURN_IF_ERROR(
      CheckEnterable(cluster->account_, fs::absolute(data_dir, no_working_directory).string()));
  RETURN_IF_ERROR(cluster->MakeFolder(data_dir));
  // Once more where links lead.
  RETURN_IF_ERROR(CheckEnterable(cluster->account_, cluster->data_dir_));
  RETURN_IF_ERROR(cluster->Lock());
  RETURN_IF_ERROR(StopLeftover(cluster->Path("postgres")));
  RETURN_IF_ERROR(cluster->CheckOwner());
  RETURN_IF_ERROR(cluster->InitializeOnce());
  RETURN_IF_ERROR(cluster->MakeSocketFolder());
  RETURN_IF_ERROR(cluster->Launch());
  ASSIGN_OR_RETURN(const std::unique_ptr<Session> session, cluster->WaitUntilReady());
  RETURN_IF_ERROR(MakeRoleAndDatabase(*session));
  cluster->url_ = cluster->UrlOf("bursar", "bursar");
  Log(LogLevel::kInfo, "postgres_started",
      {{"pid", int64_t{cluster->pid_}},
       {"data_dir", cluster->data_dir_},
       {"seconds", absl::ToDoubleSeconds(absl::Now() - began)}});
  return cluster;
}

Cluster::~Cluster() { Stop().IgnoreError(); }

std::string Cluster::Path(std::string_view name) const {
  return (std::filesystem::path(data_dir_) / name).string();
}

std::string Cluster::UrlOf(std::string_view database, std::string_view role) const {
  return absl::StrCat("host=", QuoteConnectionValue(socket_dir_),
                      " port=5432 dbname=", QuoteConnectionValue(database),
                      " user=", QuoteConnectionValue(role));
}

absl::Status Cluster::MakeFolder(const std::string& data_dir) {
  if (data_dir.empty()) return absl::FailedPreconditionError("the data directory has no name");
  std::error_code error;
  fs::path path = fs::absolute(data_dir, error);
  fs::path made;
  for (const fs::path& part : path) {
    made /= part;
    // Others may pass through to what belongs to them; every file inside has its own mode.
    if (mkdir(made.c_str(), 0711) == 0) chmod(made.c_str(), account_.name.empty() ? 0700 : 0711);
  }
  path = fs::canonical(path, error);
  if (!error && !fs::is_directory(path)) error = std::make_error_code(std::errc::not_a_directory);
  if (error) return Refused(data_dir, "made", error.value());
  data_dir_ = path.string();
  return absl::OkStatus();
}

absl::Status Cluster::Lock() {
  const std::string path = Path("bursar.lock");
  lock_fd_ = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (lock_fd_ < 0) return Refused(path, "written", errno);
  if (flock(lock_fd_, LOCK_EX | LOCK_NB) != 0) {
    char holder[32] = {};
    if (read(lock_fd_, holder, sizeof holder - 1) <= 0) strcpy(holder, "unknown");
    return absl::FailedPreconditionError(
        absl::StrCat("the data directory ", data_dir_, " is in use by process ", holder,
                     ": stop that server, or give another --data-dir"));
  }
  const std::string pid = absl::StrCat(getpid());
  if (ftruncate(lock_fd_, 0) != 0 || pwrite(lock_fd_, pid.data(), pid.size(), 0) < 0) {
    return Refused(path, "written", errno);
  }
  return absl::OkStatus();
}

absl::Status Cluster::CheckOwner() const {
  struct stat entry;
  const std::string path = Path("postgres");
  if (stat(path.c_str(), &entry) != 0 || entry.st_uid == account_.uid) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      path, " belongs to user id ", entry.st_uid, ", but PostgreSQL would run as user id ",
      account_.uid, account_.name.empty() ? "" : absl::StrCat(" (", account_.name, ")"),
      ": run this server as the user that made it, or change the folder's owner"));
}

// Into another name first: what an interrupted initdb leaves is not taken for a cluster.
absl::Status Cluster::InitializeOnce() {
  const std::string cluster_dir = Path("postgres");
  ASSIGN_OR_RETURN(const int major, MajorOf(cluster_dir));
  if (major != 0) return absl::OkStatus();
  ASSIGN_OR_RETURN(const Binaries binaries, FindBinaries());
  const std::string unfinished = Path("postgres.initdb");
  std::error_code error;
  fs::remove_all(unfinished, error);
  RETURN_IF_ERROR(MakePrivateFolder(unfinished, account_));
  ASSIGN_OR_RETURN(const pid_t pid, Spawn(account_,
                                          {binaries.folder + "/initdb", "--pgdata=" + unfinished,
                                           "--username=postgres", "--encoding=UTF8", "--locale=C",
                                           "--auth=trust", "--no-instructions"},
                                          Path("postgres.log")));
  if (const int status = WaitForChild(pid, kInitdbTimeout); status != 0) {
    if (status == -1) kill(pid, SIGKILL);
    return absl::UnavailableError(absl::StrCat("initdb could not make ", cluster_dir, ": ",
                                               LastLineOf(Path("postgres.log"))));
  }
  fs::rename(unfinished, cluster_dir, error);
  if (error) return Refused(cluster_dir, "made", error.value());
  SyncFolder(data_dir_);
  return absl::OkStatus();
}

absl::Status Cluster::MakeSocketFolder() {
  socket_dir_ = Path("socket");
  if (socket_dir_.size() + strlen(kSocketName) > kSocketPathBytes || !IsPlain(socket_dir_)) {
    std::string pattern = kSocketFolderPattern;
    if (mkdtemp(pattern.data()) == nullptr) return Refused(pattern, "made", errno);
    socket_dir_ = pattern;
  }
  return MakePrivateFolder(socket_dir_, account_);
}

absl::Status Cluster::Launch() {
  ASSIGN_OR_RETURN(const int major, MajorOf(Path("postgres")));
  ASSIGN_OR_RETURN(const Binaries binaries, FindBinaries(major));
  std::vector<std::string> arguments = {binaries.folder + "/postgres", "-D", Path("postgres")};
  // log_min_messages=log leaves out ERROR: the server logs errors itself, without the values in
  // them.
  for (std::string_view setting :
       {"listen_addresses=", "port=5432", "unix_socket_permissions=0700", "fsync=on",
        "full_page_writes=on", "synchronous_commit=on", "shared_buffers=128MB", "max_wal_size=1GB",
        "max_connections=100", "logging_collector=off", "log_destination=stderr",
        "log_line_prefix=%m [%p] ", "log_checkpoints=off", "log_min_messages=log",
        "log_timezone=UTC", "timezone=UTC"}) {
    arguments.push_back("-c");
    arguments.emplace_back(setting);
  }
  arguments.push_back("-c");
  arguments.push_back("unix_socket_directories=" + socket_dir_);
  ASSIGN_OR_RETURN(pid_, Spawn(account_, arguments, Path("postgres.log")));
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<Session>> Cluster::WaitUntilReady() {
  const absl::Time deadline = absl::Now() + kReadyTimeout;
  SessionOptions options;
  options.url = UrlOf("postgres", "postgres");
  options.statement_timeout = absl::ZeroDuration();
  while (true) {
    absl::StatusOr<std::unique_ptr<Session>> session = Session::Connect(options);
    if (session.ok()) return session;
    if (WaitForChild(pid_, absl::ZeroDuration()) != -1) {
      pid_ = -1;
      return absl::UnavailableError(
          absl::StrCat("PostgreSQL did not start: ", LastLineOf(Path("postgres.log"))));
    }
    if (absl::Now() >= deadline) {
      return absl::UnavailableError(absl::StrCat("PostgreSQL did not answer within 30 s: ",
                                                 LastLineOf(Path("postgres.log"))));
    }
    absl::SleepFor(absl::Milliseconds(20));
  }
}

absl::Status Cluster::EnsureRunning() {
  if (pid_ > 0 && WaitForChild(pid_, absl::ZeroDuration()) == -1) return absl::OkStatus();
  if (lock_fd_ < 0) return absl::FailedPreconditionError("PostgreSQL was stopped");
  Log(LogLevel::kError, "postgres_died",
      {{"pid", int64_t{pid_}}, {"reason", LastLineOf(Path("postgres.log"))}});
  RETURN_IF_ERROR(StopLeftover(Path("postgres")));  // backends that outlived it
  RETURN_IF_ERROR(MakePrivateFolder(socket_dir_, account_));
  RETURN_IF_ERROR(Launch());
  RETURN_IF_ERROR(WaitUntilReady().status());
  Log(LogLevel::kInfo, "postgres_restarted", {{"pid", int64_t{pid_}}});
  return absl::OkStatus();
}

absl::Status Cluster::Stop() {
  absl::Status status;
  if (pid_ > 0) {
    kill(pid_, SIGINT);
    if (WaitForChild(pid_, absl::Seconds(10)) == -1) {
      kill(pid_, SIGQUIT);
      if (WaitForChild(pid_, absl::Seconds(5)) == -1) {
        kill(pid_, SIGKILL);
        WaitForChild(pid_, absl::Seconds(5));
      }
      status = absl::DeadlineExceededError(
          "PostgreSQL did not stop within 10 s and was stopped at once; it recovers when it "
          "starts");
    }
    Log(LogLevel::kInfo, "postgres_stopped", {{"pid", int64_t{pid_}}, {"clean", status.ok()}});
    pid_ = -1;
  }
  std::error_code ignored;
  if (IsSocketFolderOfOurs(socket_dir_)) fs::remove_all(socket_dir_, ignored);
  socket_dir_.clear();
  if (lock_fd_ >= 0) close(lock_fd_);
  lock_fd_ = -1;
  return status;
}

}  // namespace bursar::postgres
