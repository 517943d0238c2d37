#include "postgres/timestamp.h"

#include <cstdint>

#include "absl/time/civil_time.h"

namespace bursar::postgres {
namespace {

void PutDigits(std::string& text, int64_t value, int width) {
  const size_t end = text.size() + width;
  text.resize(end);
  for (int i = 1; i <= width; ++i, value /= 10) text[end - i] = static_cast<char>('0' + value % 10);
}

// Reads the digits at the front of `text` and takes them off it.
int64_t TakeDigits(std::string_view& text) {
  int64_t value = 0;
  while (!text.empty() && text[0] >= '0' && text[0] <= '9') {
    value = value * 10 + (text[0] - '0');
    text.remove_prefix(1);
  }
  return value;
}

bool TakeChar(std::string_view& text, char wanted) {
  if (text.empty() || text[0] != wanted) return false;
  text.remove_prefix(1);
  return true;
}

int64_t TakeMicros(std::string_view& text) {
  if (!TakeChar(text, '.')) return 0;
  const size_t before = text.size();
  int64_t micros = TakeDigits(text);
  for (size_t digits = before - text.size(); digits < 6; ++digits) micros *= 10;
  return micros;
}

// "+00", "-03:30" or "+05:53:28": a time zone's seconds east of Greenwich.
int64_t TakeOffset(std::string_view& text) {
  const bool west = TakeChar(text, '-');
  if (!west) TakeChar(text, '+');
  int64_t seconds = TakeDigits(text) * 3600;
  if (TakeChar(text, ':')) seconds += TakeDigits(text) * 60;
  if (TakeChar(text, ':')) seconds += TakeDigits(text);
  return west ? -seconds : seconds;
}

}  // namespace

std::string FormatTimestamp(absl::Time time) {
  if (time == absl::InfiniteFuture()) return "infinity";
  if (time == absl::InfinitePast()) return "-infinity";
  const absl::CivilSecond second = absl::ToCivilSecond(time, absl::UTCTimeZone());
  if (second.year() < 0 ||
      second.year() > 9999) {  // never a clock's; PostgreSQL reads or refuses it
    return absl::FormatTime("%Y-%m-%dT%H:%M:%E6SZ", time, absl::UTCTimeZone());
  }
  const absl::Duration rest = time - absl::FromCivil(second, absl::UTCTimeZone());
  std::string text;
  text.reserve(27);
  PutDigits(text, second.year(), 4);
  text += '-';
  PutDigits(text, second.month(), 2);
  text += '-';
  PutDigits(text, second.day(), 2);
  text += 'T';
  PutDigits(text, second.hour(), 2);
  text += ':';
  PutDigits(text, second.minute(), 2);
  text += ':';
  PutDigits(text, second.second(), 2);
  text += '.';
  PutDigits(text, absl::ToInt64Microseconds(rest), 6);
  text += 'Z';
  return text;
}

absl::Time ParseTimestamp(std::string_view text) {
  if (text.empty() || text == "infinity") return absl::InfiniteFuture();
  if (text == "-infinity") return absl::InfinitePast();
  int64_t year = TakeDigits(text);
  TakeChar(text, '-');
  const int64_t month = TakeDigits(text);
  TakeChar(text, '-');
  const int64_t day = TakeDigits(text);
  if (!TakeChar(text, ' ')) TakeChar(text, 'T');
  const int64_t hour = TakeDigits(text);
  TakeChar(text, ':');
  const int64_t minute = TakeDigits(text);
  TakeChar(text, ':');
  const int64_t second = TakeDigits(text);
  const int64_t micros = TakeMicros(text);
  const int64_t offset = TakeChar(text, 'Z') ? 0 : TakeOffset(text);
  if (text == " BC") year = 1 - year;
  const absl::CivilSecond civil(year, month, day, hour, minute, second);
  return absl::FromCivil(civil, absl::UTCTimeZone()) + absl::Microseconds(micros) -
         absl::Seconds(offset);
}

void ToRfc3339(std::string_view text, std::string& out) {
  constexpr size_t kSeconds = 19;  // of "2026-11-22 12:00:00"
  constexpr size_t kMicros = 26;
  constexpr std::string_view kUtc = "+00";
  const size_t end = text.size() - kUtc.size();
  if (text.size() < kSeconds + kUtc.size() || end > kMicros || text.substr(end) != kUtc ||
      text[4] != '-' || text[10] != ' ') {
    out = FormatTimestamp(ParseTimestamp(text));
    return;
  }
  out.assign(text.substr(0, end));
  out[10] = 'T';
  if (end == kSeconds) out += '.';
  out.append(kMicros - out.size(), '0');
  out += 'Z';
}

}  // namespace bursar::postgres
