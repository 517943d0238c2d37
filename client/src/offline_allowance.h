#pragma once

#include <bursar/options.h>
#include <bursar/requests.h>

#include <cstdint>
#include <map>
#include <mutex>
#include <string>

namespace bursar::internal {

// What may be spent while the server cannot be reached, and what was granted of it.
//
// A grant is kept under its check's request_id until its record is delivered or its reservation
// released; its sum never exceeds the allowance when a grant is made. Safe for use by many threads.
class OfflineAllowance {
 public:
  explicit OfflineAllowance(const ClientOptions& options)
      : allowance_(options.offline_allowance_nanousd), call_(options.offline_call_nanousd) {}

  // The server's estimate for a model, which an offline check of the same model assumes at least.
  void Learn(const Model& model, int64_t estimated_nanousd);

  // An answer to `check` that allows it, or that denies it and says why. The id must be drawn.
  // The same id asks once.
  CheckResponse Decide(const CheckRequest& check, const Status& why);

  // For a record of a call that was allowed offline, before it is sent: names its subject, so that
  // a server that never saw the check charges it, and counts its cost where it is known.
  void Complete(RecordRequest* record);

  // The server has counted the record, or the reservation's call was not made.
  void Delivered(const std::string& usage_id);
  void Released(const std::string& reservation_id);

  int64_t used_nanousd() const;

 private:
  struct Grant {
    int64_t nanousd = 0;
    Subject subject;
    Model model;
  };
  int64_t CostOf(const CheckRequest& check) const;  // with the mutex
  void Forget(const std::string& reservation_id);   // with the mutex

  const int64_t allowance_;
  const int64_t call_;
  mutable std::mutex mutex_;
  int64_t used_ = 0;
  std::map<std::string, Grant> grants_;             // by request_id
  std::map<std::string, std::string> settlements_;  // request_id by the usage_id that ends it
  std::map<std::string, int64_t> estimates_;        // the largest by "provider/model"
};

}  // namespace bursar::internal
