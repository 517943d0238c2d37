#include "cli/export_command.h"

#include <bursar/money.h>

#include "absl/time/clock.h"
#include "cli/export_bundle.h"
#include "cli/flags.h"
#include "cli/parse.h"
#include "cli/period.h"
#include "src/text.h"

namespace bursar::cli {
namespace {

using Request = v1::ExportUsageRequest;

constexpr char kDefaultPeriod[] = "30d";

Choices<Compression> Compressions() {
  return {{"zstd", Compression::kZstd}, {"gzip", Compression::kGzip}, {"none", Compression::kNone}};
}

Status Wrong(const std::string& message) { return {StatusCode::kInvalidArgument, message}; }

}  // namespace

ExportCommand::ExportCommand(CLI::App& parent) {
  app_ = parent.add_subcommand("export", "Write records to a file: CSV, JSON lines or a bundle");
  AddChoiceFlag(
      *app_, "--format", "csv (default), jsonl, or bundle: a folder with its sums",
      Choices<Form>{{"csv", Form::kCsv}, {"jsonl", Form::kJsonl}, {"bundle", Form::kBundle}},
      [this](Form form) { form_ = form; });
  app_->add_option("--period", period_, "today, month, or a length like 7d; default: 30d")
      ->type_name("PERIOD");
  app_->add_option("--from", from_, "start, like 2026-11-01 or 2026-11-01T09:30")
      ->type_name("TIME");
  app_->add_option("--to", to_, "end, not included; default: now")->type_name("TIME");
  Request* request = &request_;
  AddTextFlag(*app_, "--columns", "NAMES",
              "like charge_time,user,cost_usd or label:env; default: all",
              [request](const std::string& text) {
                for (std::string& name : SplitCommas(text)) request->add_columns(std::move(name));
              });
  AddRepeatedFlag(*app_, "--filter", "DIM=VALUES", "like user=carol or model!=x; may be repeated",
                  ParseFilter, [request](v1::Filter f) { *request->add_filters() = std::move(f); });
  AddChoiceFlag(*app_, "--compress", "zstd, gzip or none; default: what FILE's name says",
                Compressions(), [this](Compression compression) { compression_ = compression; });
  app_->add_option("-o,--output", path_, "default: standard output")->type_name("FILE");
  app_->add_flag("--resume", resume_,
                 "fail where nothing was broken off; the same flags go on anyway");
  AddParsedFlag(*app_, "--page-size", "N", "rows that one call reads, up to 10000 (default)",
                ParseRows, [request](int32_t rows) { request->set_page_size(rows); });
  app_->add_option("--verify", verify_, "read a bundle and say whether it is what was written")
      ->type_name("FOLDER");
}

Status ExportCommand::FillRange(absl::Time now, Request* request) const {
  if (!period_.empty() && !from_.empty()) {
    return Wrong("--period and --from exclude each other; one of them would be right");
  }
  const auto zone = absl::UTCTimeZone();
  const auto start = from_.empty()
                         ? PeriodStart(period_.empty() ? kDefaultPeriod : period_, now, zone)
                         : ParseTime(from_, zone);
  if (!start.ok()) return start.status();
  const auto end = to_.empty() ? StatusOr<absl::Time>(now) : ParseTime(to_, zone);
  if (!end.ok()) return end.status();
  if (*end <= *start) return RangeEndsBeforeItStarts(*start, *end, zone);
  SetTime(*start, request->mutable_start_time());
  SetTime(*end, request->mutable_end_time());
  return {};
}

StatusOr<ExportPlan> ExportCommand::Plan(absl::Time now) const {
  if (path_ == "-" && form_ == Form::kBundle) {
    return Wrong("a bundle is a folder: --output FOLDER would be right");
  }
  if (path_ == "-" && resume_) {
    return Wrong("standard output cannot be gone on with: --output FILE would be right");
  }
  ExportPlan plan{.path = path_,
                  .bundle = form_ == Form::kBundle,
                  .compression = compression_.value_or(CompressionOf(path_)),
                  .request = request_,
                  .resume = resume_};
  plan.request.set_table(Request::TABLE_RECORDS);
  plan.request.set_format(form_ == Form::kJsonl ? Request::FORMAT_JSONL : Request::FORMAT_CSV);
  Request lasting = plan.request;
  lasting.clear_page_size();
  plan.asked = period_ + "|" + from_ + "|" + to_ + "|" + std::to_string(static_cast<int>(form_)) +
               "|" + std::string(SuffixOf(plan.compression)) + "|" + lasting.ShortDebugString();
  if (Status status = FillRange(now, &plan.request); !status.ok()) return status;
  return plan;
}

int ExportCommand::Run(Server& server, Output& output) {
  const auto plan = Plan(absl::Now());
  if (!plan.ok()) return FailUsage(plan.status(), output);
  return ExportRun(&server, *plan, output).Run();
}

std::optional<int> ExportCommand::RunAlone(Output& output) {
  if (verify_.empty()) return std::nullopt;
  const auto verified = VerifyBundle(verify_);
  if (!verified.ok()) {
    FailUsage(verified.status(), output);
    return kExitFailed;
  }
  for (const std::string& fault : verified->faults) output.err << "bursar: " << fault << "\n";
  if (!verified->faults.empty()) return kExitFailed;
  for (const ExportedFile& file : verified->files) {
    output.out << file.name << ": " << internal::FormatCount(file.rows) << " rows, "
               << FormatUsd(file.cost_nanousd) << ", as the manifest says\n";
  }
  return kExitOk;
}

}  // namespace bursar::cli
