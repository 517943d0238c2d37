#include "history/usage_view.h"

#include <algorithm>
#include <array>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "history/cost_query.h"
#include "status_macros.h"
#include "usage/field_error.h"
#include "usage/limits.h"
#include "usage/validate.h"

namespace bursar::history {
namespace {

constexpr absl::Duration kRangeMax = absl::Hours(24 * 366 * 20);

constexpr std::array<absl::string_view, 11> kRunDimensions = {
    "project", "team",       "user",     "agent",    "workflow", "tool",
    "run",     "parent_run", "root_run", "provider", "model"};

bool IsRunDimension(absl::string_view dimension) {
  return std::find(kRunDimensions.begin(), kRunDimensions.end(), dimension) != kRunDimensions.end();
}

absl::Status ValidateRange(absl::Time start, absl::Time end) {
  if (end <= start) return usage::FieldError("end_time", "must be after start_time");
  if (start != absl::InfinitePast() && end - start > kRangeMax) {
    return usage::FieldError("start_time", "is more than 20 years before the end; ask for less");
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status Validate(const UsageQuery& query, absl::Time now) {
  if (query.start == absl::InfinitePast() && query.trace_id.empty()) {
    return usage::FieldError("start_time", "is missing; the range needs a start, or a trace_id");
  }
  RETURN_IF_ERROR(usage::ValidateText("trace_id", query.trace_id, 0, usage::kTraceIdBytesMax));
  // What has not happened yet is not in a list that ends now.
  const bool open = query.end == absl::InfiniteFuture();
  RETURN_IF_ERROR(
      ValidateRange(query.start, open ? std::max(now, query.start + absl::Seconds(1)) : query.end));
  return ValidateRecordFilters(query.filters);
}

absl::Status Validate(const RunQuery& query, absl::Time now) {
  const absl::Time start = query.start.value_or(now - kRunsDefault);
  const bool open = query.end == absl::InfiniteFuture();
  if (!query.start && !open && query.end <= start) {
    return usage::FieldError("end_time",
                             "is more than 7 days ago, where a range starts that has no "
                             "start_time; give one");
  }
  RETURN_IF_ERROR(ValidateRange(start, open ? std::max(now, start + absl::Seconds(1)) : query.end));
  static const std::string allowed = absl::StrJoin(kRunDimensions, ", ");
  return ValidateFilters(query.filters, IsRunDimension, allowed);
}

}  // namespace bursar::history
