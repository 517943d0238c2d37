#include "cli/range_flags.h"

#include "cli/period.h"

namespace bursar::cli {

void RangeFlags::AddTo(CLI::App& app, const std::string& otherwise) {
  app.add_option("--period", period, "today, month, or a length like 7d; default: " + otherwise)
      ->type_name("PERIOD");
  app.add_option("--from", from, "start, like 2026-11-01 or 2026-11-01T09:30")->type_name("TIME");
  app.add_option("--to", to, "end, not included; default: now")->type_name("TIME");
}

Status RangeFlags::Fill(absl::Time now, const std::string& otherwise,
                        google::protobuf::Timestamp* start,
                        google::protobuf::Timestamp* end) const {
  if (!period.empty() && !from.empty()) {
    return {StatusCode::kInvalidArgument,
            "--period and --from exclude each other; one of them would be right"};
  }
  const absl::TimeZone utc = absl::UTCTimeZone();
  absl::Time first = absl::InfinitePast();
  if (start != nullptr) {
    const auto read = from.empty() ? PeriodStart(period.empty() ? otherwise : period, now, utc)
                                   : ParseTime(from, utc);
    if (!read.ok()) return read.status();
    first = *read;
    SetTime(first, start);
  }
  if (end == nullptr) return {};
  const auto last = ParseTime(to, utc);
  if (!last.ok()) return last.status();
  if (*last <= first) return RangeEndsBeforeItStarts(first, *last, utc);
  SetTime(*last, end);
  return {};
}

}  // namespace bursar::cli
