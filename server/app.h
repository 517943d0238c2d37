#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "config.h"

namespace bursar {

// The server, put together: database, ledger, services, and what runs beside them. Starts in the
// order in which the parts need each other and stops in the opposite one.
class App {
 public:
  // With --migrate=only the database is migrated and nothing serves: `serving()` is false.
  // Errors: FAILED_PRECONDITION or UNAVAILABLE with one sentence; everything begun is stopped
  // again. Call from a thread that lives as long as the App: the embedded PostgreSQL ends with it.
  static absl::StatusOr<std::unique_ptr<App>> Start(const Config& config);
  ~App();

  bool serving() const;
  const std::string& listen() const;  // as bound

  // Starts the embedded PostgreSQL again if it died. Call every now and then, from Start()'s
  // thread.
  void KeepDatabaseRunning();

  // Takes no more calls, lets those under way end within --drain-timeout, stops everything.
  void Stop();

 private:
  struct Parts;
  explicit App(const Config& config);

  absl::Status OpenDatabase();
  absl::Status MakeFirstKey();
  absl::Status Serve();
  absl::Status RefreshKeys();

  std::unique_ptr<Parts> parts_;
};

}  // namespace bursar
