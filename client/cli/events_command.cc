#include "cli/events_command.h"

#include "cli/pages.h"
#include "cli/parse.h"
#include "cli/period.h"
#include "cli/reservation_text.h"

namespace bursar::cli {
namespace {

constexpr auto kSinceDefault = std::chrono::hours(24);

Choices<std::string> Kinds() {
  return {{"denied", "DENIED"},
          {"threshold-crossed", "THRESHOLD_CROSSED"},
          {"overrun", "OVERRUN"},
          {"expired", "EXPIRED"},
          {"late", "LATE"}};
}

StatusOr<absl::Time> ParseUtc(std::string_view text) {
  return ParseTime(text, absl::UTCTimeZone());
}

}  // namespace

EventsCommand::EventsCommand(CLI::App& parent) {
  app_ = parent.add_subcommand("events", "Show thresholds crossed, denials, overruns, expiries");
  CLI::Option* since =
      AddParsedFlag(*app_, "--since", "TIME", "so long ago until now, like 90m or 7d; default: 24h",
                    ParseDuration, [this](std::chrono::nanoseconds time) { since_ = time; });
  CLI::Option* from =
      AddParsedFlag(*app_, "--from", "TIME", "start, like 2026-11-01 or 2026-11-01T09:30", ParseUtc,
                    [this](absl::Time time) { from_ = time; });
  AddParsedFlag(*app_, "--to", "TIME", "end, not included; default: now", ParseUtc,
                [this](absl::Time time) { to_ = time; });
  since->excludes(from);
  AddChoiceFlag(*app_, "--kind", "denied, threshold-crossed, overrun, expired or late", Kinds(),
                [this](const std::string& kind) { kind_ = kind; });
  filters_.AddTo(*app_);
  AddParsedFlag(*app_, "--limit", "N", "rows at most, up to 10000; default: 100", ParseRows,
                [this](int32_t rows) { limit_ = rows; });
}

StatusOr<v1::ListCostEventsRequest> EventsCommand::Request(absl::Time now) const {
  const absl::Time start = from_.value_or(now - absl::FromChrono(since_.value_or(kSinceDefault)));
  v1::ListCostEventsRequest request;
  SetTime(start, request.mutable_start_time());
  if (to_ && *to_ <= start) return RangeEndsBeforeItStarts(start, *to_, absl::UTCTimeZone());
  if (to_) SetTime(*to_, request.mutable_end_time());
  AddFilter("kind", kind_, request.mutable_filters());
  filters_.FillInto(request.mutable_filters());
  return request;
}

int EventsCommand::Run(Server& server, Output& output) {
  const auto request = Request(absl::Now());
  if (!request.ok()) return FailUsage(request.status(), output);
  v1::ListCostEventsResponse all;
  const Status status = ReadPages(server, &AdminStub::ListCostEvents, *request, limit_,
                                  &v1::ListCostEventsResponse::events_size, &all);
  if (!status.ok()) return Fail(status, server, output);
  if (output.json) return PrintJson(all, output);
  if (all.events().empty()) {
    output.out << "no such event\n";
  } else {
    output.out << EventTable(all.events()).Render(output.palette);
  }
  if (!all.next_page_token().empty()) output.out << kMoreRows;
  return kExitOk;
}

}  // namespace bursar::cli
