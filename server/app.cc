#include "app.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

#include "absl/strings/str_cat.h"
#include "access/key_ring.h"
#include "clock.h"
#include "http/http_server.h"
#include "ledger/lane.h"
#include "ledger/sweeper.h"
#include "periodic.h"
#include "postgres/cluster.h"
#include "postgres/migrations.h"
#include "postgres/partitions.h"
#include "postgres/pg_budget_store.h"
#include "postgres/pg_cost_store.h"
#include "postgres/pg_export_store.h"
#include "postgres/pg_key_store.h"
#include "postgres/pg_ledger_store.h"
#include "postgres/pg_ledger_view.h"
#include "postgres/pg_price_store.h"
#include "postgres/pg_rollups.h"
#include "postgres/pg_usage_view.h"
#include "postgres/role_settings.h"
#include "pricing/price_books.h"
#include "rpc/rpc_server.h"
#include "status_macros.h"

namespace bursar {
namespace {

constexpr int kPoolSessions = 6;  // two query threads, keys, prices, partitions, rollups

// Written beside its name and moved there, so that nobody reads half a key.
absl::Status WriteSecretFile(const std::string& path, const std::string& text) {
  std::error_code ignored;
  std::filesystem::create_directories(std::filesystem::path(path).parent_path(), ignored);
  const std::string draft = path + ".new";
  const int fd = open(draft.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  const std::string line = text + "\n";
  const bool written =
      fd >= 0 && write(fd, line.data(), line.size()) == static_cast<ssize_t>(line.size());
  const bool synced = written && fsync(fd) == 0;
  const int error = errno;
  if (fd >= 0) close(fd);
  if (synced && rename(draft.c_str(), path.c_str()) == 0) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat("the admin key cannot be written to ", path,
                                                    ": ", std::strerror(error),
                                                    "; choose another --admin-key-file"));
}

}  // namespace

struct App::Parts {
  Config config;
  Clock clock;
  metrics::Metrics metrics;
  std::atomic<bool> database_answers{true};
  std::atomic<bool> stopping{false};
  bool started = false;  // said so in the log, so that the stop is said too

  std::unique_ptr<postgres::Cluster> cluster;
  postgres::SessionOptions session_options;
  std::unique_ptr<postgres::SessionPool> pool;
  std::unique_ptr<postgres::PgKeyStore> key_store;
  std::unique_ptr<postgres::PgBudgetStore> budget_store;
  std::unique_ptr<postgres::PgCostStore> cost_store;
  std::unique_ptr<postgres::PgExportStore> export_store;
  std::unique_ptr<postgres::PgLedgerView> ledger_view;
  std::unique_ptr<postgres::PgPriceStore> price_store;
  std::unique_ptr<postgres::PgUsageView> usage_view;
  std::unique_ptr<access::KeyRing> keys;
  std::unique_ptr<pricing::PriceBooks> prices;
  std::unique_ptr<ledger::Lanes> lanes;
  std::unique_ptr<ledger::Sweeper> sweeper;
  std::unique_ptr<rpc::RpcServer> rpc;
  std::unique_ptr<http::HttpServer> http;
  std::vector<std::unique_ptr<Periodic>> periodic;
};

App::App(const Config& config) : parts_(std::make_unique<Parts>()) { parts_->config = config; }

App::~App() { Stop(); }

bool App::serving() const { return parts_->rpc != nullptr; }

const std::string& App::listen() const { return parts_->rpc->address(); }

absl::StatusOr<std::unique_ptr<App>> App::Start(const Config& config) {
  auto app = std::unique_ptr<App>(new App(config));
  RETURN_IF_ERROR(app->OpenDatabase());
  if (config.migrate == MigrateMode::kOnly) return app;
  if (!config.insecure_no_auth) RETURN_IF_ERROR(app->MakeFirstKey());
  RETURN_IF_ERROR(app->Serve());
  return app;
}

absl::Status App::OpenDatabase() {
  Parts& p = *parts_;
  p.session_options.url = p.config.database_url;
  p.session_options.pgbouncer = p.config.pgbouncer;
  if (p.config.database_url.empty()) {
    ASSIGN_OR_RETURN(p.cluster, postgres::Cluster::Start(p.config.data_dir));
    p.session_options.url = p.cluster->url();
  }
  ASSIGN_OR_RETURN(auto session, postgres::Session::Connect(p.session_options));
  if (p.config.pgbouncer) RETURN_IF_ERROR(postgres::CheckRoleSettings(*session));
  RETURN_IF_ERROR(postgres::CheckDurability(*session));
  if (p.config.migrate != MigrateMode::kOff) RETURN_IF_ERROR(postgres::Migrate(*session));
  RETURN_IF_ERROR(postgres::CheckSchema(*session));
  RETURN_IF_ERROR(postgres::MakePartitions(*session));
  p.pool = std::make_unique<postgres::SessionPool>(p.session_options, kPoolSessions);
  p.key_store = std::make_unique<postgres::PgKeyStore>(*p.pool);
  p.budget_store = std::make_unique<postgres::PgBudgetStore>(*p.pool);
  p.cost_store = std::make_unique<postgres::PgCostStore>(*p.pool);
  p.export_store = std::make_unique<postgres::PgExportStore>(*p.pool);
  p.ledger_view = std::make_unique<postgres::PgLedgerView>(*p.pool, p.config.ledger_horizon);
  p.price_store = std::make_unique<postgres::PgPriceStore>(*p.pool);
  p.usage_view = std::make_unique<postgres::PgUsageView>(*p.pool);
  p.prices = std::make_unique<pricing::PriceBooks>(*p.price_store);
  p.keys = std::make_unique<access::KeyRing>(*p.key_store, p.clock);
  return absl::OkStatus();
}

// The file is there before the key is: a key that nobody can read would lock everybody out.
absl::Status App::MakeFirstKey() {
  Parts& p = *parts_;
  RETURN_IF_ERROR(p.keys->Refresh());
  ASSIGN_OR_RETURN(const auto live, p.key_store->ListLive());
  if (!live.empty()) return absl::OkStatus();
  const access::NewKey made = access::MakeKey("default", access::Role::kAdmin, "first start");
  const std::string waiting = p.config.admin_key_file + absl::StrCat(".", getpid());
  RETURN_IF_ERROR(WriteSecretFile(waiting, made.text));
  auto first = p.key_store->InsertFirst(made.key);
  if (!first.ok()) {  // it may be in the database all the same
    return absl::Status(
        first.status().code(),
        absl::StrCat("whether the admin key was kept is unknown; if it was, it is in ", waiting,
                     ": ", first.status().message()));
  }
  if (!*first) {  // another replica was faster, and has the key
    unlink(waiting.c_str());
    return absl::OkStatus();
  }
  if (rename(waiting.c_str(), p.config.admin_key_file.c_str()) != 0) {
    return absl::FailedPreconditionError(absl::StrCat(
        "the admin key is in ", waiting, " and cannot be moved to ", p.config.admin_key_file));
  }
  Log(LogLevel::kInfo, "admin_key_created",
      {{"file", p.config.admin_key_file},
       {"use", absl::StrCat("export BURSAR_API_KEY_FILE=", p.config.admin_key_file)}});
  return p.keys->Refresh();
}

absl::Status App::RefreshKeys() {
  const absl::Status status = parts_->keys->Refresh();
  parts_->database_answers = !absl::IsUnavailable(status);
  return status;
}

absl::Status App::Serve() {
  Parts& p = *parts_;
  RETURN_IF_ERROR(p.prices->Open());
  postgres::SessionOptions lane_options = p.session_options;
  lane_options.scans_off = true;
  auto make_store = [&]() -> absl::StatusOr<std::unique_ptr<ledger::LedgerStore>> {
    ASSIGN_OR_RETURN(auto session, postgres::Session::Connect(lane_options));
    return std::make_unique<postgres::PgLedgerStore>(std::move(session));
  };
  std::vector<std::unique_ptr<ledger::LedgerStore>> stores;
  for (int i = 0; i < p.config.database_connections; ++i) {
    ASSIGN_OR_RETURN(auto store, make_store());
    stores.push_back(std::move(store));
  }
  // While a batch waits for one of pgbouncer's connections, what is remembered grows old.
  p.lanes = std::make_unique<ledger::Lanes>(
      ledger::LaneOptions{.horizon = p.config.ledger_horizon, .go_by_memory = !p.config.pgbouncer},
      std::move(stores), *p.prices, p.metrics, p.clock);
  ASSIGN_OR_RETURN(auto sweeper_store, make_store());
  p.sweeper = std::make_unique<ledger::Sweeper>(std::move(sweeper_store), *p.lanes);
  const bool open = p.config.insecure_no_auth;
  ASSIGN_OR_RETURN(p.rpc, rpc::RpcServer::Start(
                              {.listen = p.config.listen, .keys = open ? nullptr : p.keys.get()},
                              *p.lanes, *p.cost_store, *p.export_store, *p.usage_view,
                              *p.budget_store, *p.ledger_view, *p.prices, p.metrics));
  if (!p.config.http.empty()) {
    ASSIGN_OR_RETURN(
        p.http, http::HttpServer::Start({.listen = p.config.http,
                                         .metrics = [&p] { return p.metrics.Expose(); },
                                         .ready =
                                             [&p] {
                                               return p.database_answers
                                                          ? absl::OkStatus()
                                                          : absl::UnavailableError(
                                                                "the database cannot be reached");
                                             }}));
  }
  p.periodic.push_back(std::make_unique<Periodic>("refresh_keys", absl::Milliseconds(500),
                                                  [this] { return RefreshKeys(); }));
  p.periodic.push_back(std::make_unique<Periodic>("refresh_prices", absl::Milliseconds(500),
                                                  [&p] { return p.prices->Refresh(); }));
  p.periodic.push_back(
      std::make_unique<Periodic>("sweep", absl::Seconds(1), [&p] { return p.sweeper->Sweep(); }));
  p.periodic.push_back(
      std::make_unique<Periodic>("make_partitions", absl::Hours(1), [&p]() -> absl::Status {
        ASSIGN_OR_RETURN(auto session, postgres::Session::Connect(p.session_options));
        return postgres::MakePartitions(*session);
      }));
  p.periodic.push_back(
      std::make_unique<Periodic>("merge_rollups", absl::Seconds(1), [&p]() -> absl::Status {
        ASSIGN_OR_RETURN(auto session, p.pool->Take());
        return postgres::MergeRollups(*session, [&p] { return p.stopping.load(); });
      }));
  p.started = true;
  Log(LogLevel::kInfo, "server_started",
      {{"listen", p.rpc->address()},
       {"http", p.http ? p.http->address() : ""},
       {"database_url", p.cluster ? p.cluster->url() : "as given"},
       {"admin_key_file", open ? "" : p.config.admin_key_file},
       {"auth", !open},
       {"pid", int64_t{getpid()}}});
  return absl::OkStatus();
}

void App::KeepDatabaseRunning() {
  if (!parts_->cluster) return;
  if (absl::Status status = parts_->cluster->EnsureRunning(); !status.ok()) {
    Log(LogLevel::kError, "postgres_not_restarted", {{"error", status.ToString()}});
  }
}

void App::Stop() {
  Parts& p = *parts_;
  p.stopping = true;
  if (p.sweeper) p.sweeper->Stop();
  p.periodic.clear();
  if (p.rpc) p.rpc->Drain(p.clock.Now() + p.config.drain_timeout);
  if (p.lanes) p.lanes->Stop();  // answers what is left, so that no call waits for it
  p.http.reset();
  p.rpc.reset();
  p.sweeper.reset();
  p.lanes.reset();
  p.pool.reset();
  if (p.cluster) {
    if (absl::Status status = p.cluster->Stop(); !status.ok()) {
      Log(LogLevel::kError, "postgres_not_stopped", {{"error", status.ToString()}});
    }
    p.cluster.reset();
  }
  if (std::exchange(p.started, false)) Log(LogLevel::kInfo, "server_stopped");
}

}  // namespace bursar
