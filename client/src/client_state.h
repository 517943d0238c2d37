#pragma once

#include <bursar/client.h>

#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "src/hold_keeper.h"
#include "src/offline_allowance.h"
#include "src/retry.h"

namespace bursar {

// What the copies of a Client share.
struct Client::State {
  State(std::shared_ptr<Connection> its_connection, ClientOptions its_options);

  // What `subject` and `trace` leave empty, from the call around it and the options.
  void Complete(Subject* subject, std::optional<TraceIds>* trace) const;
  // A record before it is sent for the first time.
  void Complete(RecordRequest* record);

  // The recorder, which begins when it is first asked for. Errors: those of Recorder::Start.
  StatusOr<Recorder*> StartedRecorder();
  Recorder* RecorderIfStarted() const;  // else null

  template <typename Attempt>
  auto Call(std::chrono::steady_clock::time_point deadline, const Attempt& attempt)
      -> decltype(attempt()) {
    return internal::CallWithRetry(options, health, deadline, attempt);
  }
  // The same for what only reads. Apart: queries that take too long say nothing about whether a
  // check would be answered.
  template <typename Attempt>
  auto Query(std::chrono::steady_clock::time_point deadline, const Attempt& attempt)
      -> decltype(attempt()) {
    return internal::CallWithRetry(options, query_health, deadline, attempt);
  }
  StatusOr<ExtendResponse> Extend(const ExtendRequest& request, const CallOptions& call);

  const ClientOptions options;  // disabled also where the environment says so
  const std::shared_ptr<Connection> connection;
  internal::CallHealth health;
  internal::CallHealth query_health;
  internal::OfflineAllowance allowance;

 private:
  // Errors: those of LoadApiKey, where the key names the journal's label.
  StatusOr<RecorderOptions> OptionsOfRecorder();

  mutable std::mutex recorder_mutex_;
  std::unique_ptr<Recorder> recorder_;

 public:
  internal::HoldKeeper keeper;  // the last member, since its thread uses the others
};

namespace internal {

// "127.0.0.1_50051" for an endpoint, with "-TENANT" where the key names one: whose records those of
// a journal are, whatever key they were recorded under.
std::string JournalLabel(const std::string& endpoint, const std::string& api_key);

}  // namespace internal
}  // namespace bursar
