#pragma once

#include <bursar/status.h>

#include <CLI/CLI.hpp>
#include <string>

#include "absl/time/time.h"
#include "google/protobuf/timestamp.pb.h"

namespace bursar::cli {

// --period, --from and --to of a list, in UTC. Must stay where it is once added.
struct RangeFlags {
  std::string period, from, to;

  // `otherwise` says in the help what the range is where nothing is given.
  void AddTo(CLI::App& app, const std::string& otherwise);

  // Sets what was given; where there is neither a start nor a period, `otherwise` is the period,
  // and an empty one none. Errors: INVALID_ARGUMENT for a time that cannot be read, --period with
  // --from, or a range that ends before it starts.
  template <typename Request>
  Status FillInto(absl::Time now, const std::string& otherwise, Request* request) const {
    const bool has_start = !period.empty() || !from.empty() || !otherwise.empty();
    return Fill(now, otherwise, has_start ? request->mutable_start_time() : nullptr,
                to.empty() ? nullptr : request->mutable_end_time());
  }

 private:
  Status Fill(absl::Time now, const std::string& otherwise, google::protobuf::Timestamp* start,
              google::protobuf::Timestamp* end) const;
};

}  // namespace bursar::cli
