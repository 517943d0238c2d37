#pragma once

#include <bursar/options.h>
#include <bursar/requests.h>

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>

namespace bursar::internal {

// What may be spent while the server cannot be reached, and what was granted of it.
//
// A grant is kept under its check's request_id until the server has counted what ended it, or its
// reservation is released; its sum never exceeds the allowance when a grant is made. A grant takes
// its estimate, or what its records say together where that is more; once a record has ended it and
// all of them say what they cost, it takes just that. Safe for use by many threads.
class OfflineAllowance {
 public:
  explicit OfflineAllowance(const ClientOptions& options)
      : allowance_(options.offline_allowance_nanousd), call_(options.offline_call_nanousd) {}

  // The server's estimate for a model, which an offline check of the same model assumes at least.
  void Learn(const Model& model, int64_t estimated_nanousd);

  // An answer to `check` that allows it, or that denies it and says why. The id must be drawn. The
  // same id asks once: repeated, it gets the same answer, or RESERVATION_ENDED once a record has
  // ended it. Errors: ALREADY_EXISTS, as of the server, for an id used with another payload.
  StatusOr<CheckResponse> Decide(const CheckRequest& check, const Status& why);

  // For a record of a call that was allowed offline, before it is sent: names its subject, so that
  // a server that never saw the check charges it; says what was granted where it ends the grant and
  // nobody knows what it cost, since that server has no hold to charge; and counts it.
  void Complete(RecordRequest* record);

  // The server has counted the record; it will never take it; the reservation's call was not made.
  void Delivered(const std::string& usage_id);
  void Refused(const std::string& usage_id);
  void Released(const std::string& reservation_id);

  int64_t used_nanousd() const;

 private:
  struct Pending {
    std::optional<int64_t> nanousd;  // as the record says
    bool ends = false;
  };
  struct Grant {
    int64_t estimate = 0;
    int64_t taken = 0;  // of the allowance
    std::string payload;
    Subject subject;
    Model model;
    bool ended = false;                      // a record that ends it was counted, or it is released
    std::map<std::string, Pending> pending;  // given and not counted yet, by usage_id
  };
  using Grants = std::map<std::string, Grant>;

  int64_t CostOf(const CheckRequest& check) const;  // all of these with the mutex
  void Recount(Grants::iterator grant);
  void Settled(const std::string& usage_id, bool counted);
  static int64_t SaidBy(const Grant& grant, const std::string& but_usage_id);
  static bool IsEnded(const Grant& grant);

  const int64_t allowance_;
  const int64_t call_;
  mutable std::mutex mutex_;
  int64_t used_ = 0;                                // the sum of what is taken; saturates
  Grants grants_;                                   // by request_id
  std::map<std::string, std::string> request_ids_;  // by the usage_id of what is pending
  std::map<std::string, int64_t> estimates_;        // the largest by "provider/model"
};

}  // namespace bursar::internal
