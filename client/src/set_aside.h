#pragma once

#include <bursar/requests.h>
#include <bursar/status.h>

#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>

namespace bursar::internal {

// Where records go that no retry can save, for people to look at: FOLDER/refused.jsonl, a line for
// each with the reason and the record as JSON, and a file for each stretch of damaged bytes. Mode
// 0600 in a folder of mode 0700, shared by the processes that share a journal; `bytes_max` bounds
// all of it. Safe for use by many threads.
class SetAside {
 public:
  SetAside(std::string folder, uint64_t bytes_max)
      : folder_(std::move(folder)), bytes_max_(bytes_max) {}

  std::string refused_path() const { return folder_ + "/refused.jsonl"; }

  // Both say whether it is on the disk now. The same damage is kept once.
  Status Refused(const RecordRequest& record, const Status& why);
  Status Corrupt(const std::string& name, std::string_view bytes);

 private:
  Status Room(uint64_t bytes) const;

  const std::string folder_;
  const uint64_t bytes_max_;
  std::mutex mutex_;
};

}  // namespace bursar::internal
