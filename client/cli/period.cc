#include "cli/period.h"

#include "cli/parse.h"
#include "src/convert_types.h"

namespace bursar::cli {
namespace {

constexpr int64_t kPeriodHoursMax = 24 * 366 * 10;

absl::string_view View(std::string_view text) { return {text.data(), text.size()}; }

}  // namespace

StatusOr<absl::TimeZone> LoadZone(std::string_view name) {
  if (name.empty()) return absl::UTCTimeZone();
  absl::TimeZone zone;
  if (absl::LoadTimeZone(View(name), &zone)) return zone;
  return WrongValue(name, "is no known time zone", "an IANA name like Europe/Berlin");
}

StatusOr<absl::Time> ParseTime(std::string_view text, absl::TimeZone zone) {
  static constexpr const char* kFormats[] = {
      absl::RFC3339_full, "%Y-%m-%d%ET%H:%M%Ez", "%Y-%m-%d%ET%H:%M:%E*S",
      "%Y-%m-%d%ET%H:%M", "%Y-%m-%d %H:%M:%S",   "%Y-%m-%d %H:%M",
      "%Y-%m-%d"};
  absl::Time time;
  std::string error;
  for (const char* format : kFormats) {
    if (absl::ParseTime(format, View(text), zone, &time, &error)) return time;
  }
  return WrongValue(text, "is no time", "2026-11-22, 2026-11-22T14:30 or 2026-11-22T14:30:00Z");
}

StatusOr<absl::Time> PeriodStart(std::string_view period, absl::Time now, absl::TimeZone zone) {
  const std::string name = Lower(period);
  if (name == "today") return absl::FromCivil(absl::ToCivilDay(now, zone), zone);
  if (name == "month") return absl::FromCivil(absl::ToCivilMonth(now, zone), zone);
  if (name.size() >= 2 && (name.back() == 'd' || name.back() == 'h')) {
    const auto count = ParseCount(name.substr(0, name.size() - 1));
    const int64_t unit_hours = name.back() == 'd' ? 24 : 1;
    if (count.ok() && *count >= 1 && *count <= kPeriodHoursMax / unit_hours) {
      // The full hour: sums are kept by the hour, and a part of one would be left out or looked up.
      const absl::Time start = now - absl::Hours(*count * unit_hours);
      return absl::FromUnixSeconds(absl::ToUnixSeconds(start) / 3600 * 3600);
    }
  }
  return WrongValue(period, "is no period", "today, month, or a length like 7d, 30d or 12h");
}

Status RangeEndsBeforeItStarts(absl::Time start, absl::Time end, absl::TimeZone zone) {
  return {StatusCode::kInvalidArgument, "the range ends (" + FormatMinute(end, zone) +
                                            ") before it starts (" + FormatMinute(start, zone) +
                                            ")"};
}

std::string FormatMinute(absl::Time time, absl::TimeZone zone) {
  return absl::FormatTime("%Y-%m-%d %H:%M %Z", time, zone);
}

std::string FormatSecond(absl::Time time) {
  return absl::FormatTime("%Y-%m-%d %H:%M:%S UTC", time, absl::UTCTimeZone());
}

absl::Time TimeOf(const google::protobuf::Timestamp& time) {
  return absl::FromChrono(internal::FromProto(time));
}

void SetTime(absl::Time time, google::protobuf::Timestamp* out) {
  internal::ToProto(absl::ToChronoTime(time), out);
}

}  // namespace bursar::cli
