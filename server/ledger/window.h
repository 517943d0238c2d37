#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace bursar::ledger {

enum class WindowKind { kLifetime = 1, kMinute, kHour, kDay, kWeek, kMonth };
absl::string_view WindowKindName(WindowKind kind);  // "DAY"

// Over which stretch of time a budget's limit holds. Calendar windows follow the civil calendar of
// a time zone; they tile time, without gap or overlap, whatever its clocks do.
struct Window {
  WindowKind kind = WindowKind::kLifetime;
  std::string time_zone;  // IANA name; empty = UTC
  absl::TimeZone zone = absl::UTCTimeZone();
};

// One window: start <= t < end. Its key names it for good: "DAY 2026-11-22".
struct Span {
  absl::Time start = absl::InfinitePast();
  absl::Time end = absl::InfiniteFuture();
  std::string key;
};

// INVALID_ARGUMENT for a name that is not in the IANA time zone database.
absl::StatusOr<absl::TimeZone> LoadZone(absl::string_view name);

// The window that holds `time`. Days, weeks and months run from the first moment of a civil date to
// the first moment of the next, so a day can have 23 or 25 hours, and a date that was left out has
// none. Minutes and hours are the civil ones under one UTC offset: an hour that clocks repeat
// counts as two.
Span WindowAt(const Window& window, absl::Time time);

// Remembers the last window: nearly every call falls into the same one, and finding it takes longer
// than deciding the call. Not thread-safe.
class WindowMemo {
 public:
  const Span& At(const Window& window, absl::Time time) {
    if (last_.key.empty() || time < last_.start || time >= last_.end) {
      last_ = WindowAt(window, time);
    }
    return last_;
  }

 private:
  Span last_;
};

}  // namespace bursar::ledger
