#pragma once

#include <bursar/requests.h>

#include <cstdint>
#include <map>
#include <mutex>
#include <string>

namespace bursar::demo {

// What the fleet did, added up from the answers that it got: the demo's own side of the sums.
// Safe for use by many threads at once.
class Tally {
 public:
  struct Sums {
    int64_t records = 0;
    int64_t cost_nanousd = 0;
    int64_t failed = 0;
    int64_t retries = 0;
    int64_t denied = 0;
    int64_t runs = 0;
    int64_t errors = 0;  // calls to the server that failed
  };

  // What is worth a line when it happens first.
  struct News {
    int warning_percent = 0;  // 75 or 90: a counter crossed it
    BudgetStatus budget;
    int64_t nth_warning = 0;  // counts from 1, over all counters
  };

  void AddRun();
  void AddError();
  // Counts the denial; returns how many there were of this budget, this one included.
  int64_t AddDenial(const CheckResponse& response);
  // Returns the number of the record, and news of a counter that it brought over 75 % or 90 %.
  int64_t AddRecord(const RecordResponse& response, const Subject& subject, News* news);

  Sums sums() const;
  std::map<std::string, int64_t> denials() const;  // by budget
  int64_t warnings() const;
  // Who spent most, and the run of theirs that did.
  Subject top_subject() const;

 private:
  mutable std::mutex mutex_;
  Sums sums_;
  std::map<std::string, int64_t> denials_;
  std::map<std::string, int> warned_percent_;  // by counter
  int64_t warnings_ = 0;
  std::map<std::string, int64_t> spent_by_user_;
  std::map<std::string, std::map<std::string, int64_t>> spent_by_run_;  // by user
};

}  // namespace bursar::demo
