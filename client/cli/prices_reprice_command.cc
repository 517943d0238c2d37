#include "cli/prices_reprice_command.h"

#include <bursar/money.h>
#include <unistd.h>

#include <iostream>

#include "cli/flags.h"
#include "cli/parse.h"
#include "cli/period.h"
#include "src/text.h"

namespace bursar::cli {
namespace {

using internal::FormatCount;

constexpr int64_t kProgressRecords = 100'000;

StatusOr<absl::Time> ParseUtc(std::string_view text) {
  return ParseTime(text, absl::UTCTimeZone());
}

// Of what the server prices again; a cost that somebody declared or corrected by hand it leaves.
StatusOr<std::vector<std::string>> ParseBases(std::string_view text) {
  std::vector<std::string> bases;
  for (const std::string& part : SplitCommas(text)) {
    const auto basis = ParseChoice<std::string>(
        part, {{"unpriced", "UNPRICED"}, {"priced", "PRICED"}, {"estimated", "ESTIMATED"}});
    if (!basis.ok()) return basis.status();
    bases.push_back(*basis);
  }
  return bases;
}

std::string RecordsText(int64_t count) {
  return FormatCount(count) + (count == 1 ? " record" : " records");
}

std::string DeltaText(int64_t nanousd) {
  return nanousd < 0 ? FormatUsd(-nanousd) + " less in all" : FormatUsd(nanousd) + " more in all";
}

void Add(const v1::RepriceUsageResponse& page, v1::RepriceUsageResponse* all) {
  all->set_records(all->records() + page.records());
  all->set_delta_nanousd(all->delta_nanousd() + page.delta_nanousd());
  all->set_examined(all->examined() + page.examined());
  all->set_still_unpriced(all->still_unpriced() + page.still_unpriced());
  all->set_price_version(page.price_version());
}

// Page after page; what was done before an error stays in `all`.
Status Reprice(Server& server, v1::RepriceUsageRequest request, v1::RepriceUsageResponse* all,
               Output& output) {
  do {
    v1::RepriceUsageResponse page;
    const Status status = server.Call(&AdminStub::RepriceUsage, request, &page);
    if (!status.ok()) return status;
    const int64_t before = all->examined() / kProgressRecords;
    Add(page, all);
    if (all->examined() / kProgressRecords > before) {
      output.err << RecordsText(all->examined()) << " looked at so far\n";
    }
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  return {};
}

void Print(const v1::RepriceUsageRequest& request, const v1::RepriceUsageResponse& all,
           Output& output) {
  const auto time = [](const google::protobuf::Timestamp& t) {
    return FormatMinute(TimeOf(t), absl::UTCTimeZone());
  };
  PrintPairs({{"from", time(request.start_time()) + " to " + time(request.end_time())},
              {"looked at", RecordsText(all.examined())},
              {request.validate_only() ? "would change" : "changed",
               RecordsText(all.records()) +
                   (all.records() > 0 ? ": " + DeltaText(all.delta_nanousd()) : "")},
              {"still unpriced", all.still_unpriced() > 0 ? RecordsText(all.still_unpriced()) : ""},
              {"price version", all.price_version()}},
             output);
}

}  // namespace

RepriceCommand::RepriceCommand(CLI::App& prices) {
  app_ = prices.add_subcommand("reprice", "Price records again, by the newest prices");
  AddParsedFlag(*app_, "--from", "TIME", "start, like 2026-11-01 or 2026-11-01T09:30", ParseUtc,
                [this](absl::Time time) { from_ = time; });
  AddParsedFlag(*app_, "--to", "TIME", "end, not included; default: now", ParseUtc,
                [this](absl::Time time) { to_ = time; });
  v1::RepriceUsageRequest* request = &request_;
  AddParsedFlag(*app_, "--basis", "unpriced|priced|estimated",
                "unpriced (default), priced, estimated; or several, with commas", ParseBases,
                [request](const std::vector<std::string>& bases) {
                  v1::Filter* filter = request->add_filters();
                  filter->set_dimension("cost_basis");
                  filter->mutable_values()->Assign(bases.begin(), bases.end());
                })
      ->option_text("WORDS");
  // A record is of many budgets, so --budget is no filter here.
  AddSubjectFlags(*app_, &filters_.subject);
  filters_.model.AddTo(*app_);
  AddRepeatedFlag(*app_, "--filter", "DIM=VALUES", "like region=eu or step!=x; may be repeated",
                  ParseFilter,
                  [request](v1::Filter filter) { *request->add_filters() = std::move(filter); });
  app_->add_flag("--dry-run", dry_run_, "print the difference, and change nothing");
  app_->add_flag("--yes", yes_, "do it without asking");
}

StatusOr<v1::RepriceUsageRequest> RepriceCommand::Request(absl::Time now) const {
  if (!from_) {
    return Status(StatusCode::kInvalidArgument,
                  "since when? --from 2026-11-01 would be right, and --to where it ends");
  }
  const absl::Time end = to_.value_or(now);
  if (end <= *from_) return RangeEndsBeforeItStarts(*from_, end, absl::UTCTimeZone());
  v1::RepriceUsageRequest request = request_;
  SetTime(*from_, request.mutable_start_time());
  SetTime(end, request.mutable_end_time());
  filters_.FillInto(request.mutable_filters());
  return request;
}

std::optional<int> RepriceCommand::Refused(const v1::RepriceUsageResponse& preview,
                                           Output& output) const {
  if (yes_) return std::nullopt;
  if (isatty(STDIN_FILENO) == 0) {
    output.err << "bursar: nothing was changed: there is no terminal to ask on; --yes would do "
                  "it\n";
    return kExitUsage;
  }
  output.err << "Change " << RecordsText(preview.records()) << " ("
             << DeltaText(preview.delta_nanousd()) << ")? [y/N] " << std::flush;
  std::string answer;
  std::getline(std::cin, answer);
  if (const std::string word = Lower(internal::Trim(answer)); word == "y" || word == "yes") {
    return std::nullopt;
  }
  output.err << "bursar: nothing was changed\n";
  return kExitFailed;
}

int RepriceCommand::Preview(Server& server, v1::RepriceUsageRequest request,
                            v1::RepriceUsageResponse* all, Output& output) const {
  request.set_validate_only(true);
  if (const Status status = Reprice(server, request, all, output); !status.ok()) {
    return Fail(status, server, output);
  }
  if (!output.json) {
    Print(request, *all, output);
    if (dry_run_) output.out << "dry run: nothing was changed\n";
  } else if (dry_run_) {
    return PrintJson(*all, output);
  }
  return kExitOk;
}

int RepriceCommand::Run(Server& server, Output& output) {
  const auto request = Request(absl::Now());
  if (!request.ok()) return FailUsage(request.status(), output);
  v1::RepriceUsageResponse preview;
  const int code = Preview(server, *request, &preview, output);
  if (code != kExitOk || dry_run_) return code;
  if (preview.records() == 0) return output.json ? PrintJson(preview, output) : kExitOk;
  if (const auto refused = Refused(preview, output)) return *refused;

  v1::RepriceUsageResponse all;
  if (const Status status = Reprice(server, *request, &all, output); !status.ok()) {
    output.err << "bursar: broken off; until then " << RecordsText(all.records())
               << " changed; running it again does the others\n";
    return Fail(status, server, output);
  }
  if (output.json) return PrintJson(all, output);
  output.out << "\n";
  Print(*request, all, output);
  return kExitOk;
}

}  // namespace bursar::cli
