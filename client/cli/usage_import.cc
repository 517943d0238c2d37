#include "cli/usage_import.h"

#include <bursar/money.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <thread>

#include "src/retry.h"
#include "src/text.h"

namespace bursar::cli {
namespace {

using internal::FormatCount;
using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr size_t kBatchRecordsMax = 1000;  // of BatchRecordUsage
constexpr size_t kBatchBytesMax = 3 << 20;
constexpr milliseconds kIdle(1000);
constexpr std::chrono::seconds kAttempt(10);
constexpr milliseconds kPauseMin(100);
constexpr milliseconds kPauseMax(2000);

// It says nothing about whether it counted; the ids see to that.
bool IsPassing(StatusCode code) {
  return code == StatusCode::kUnavailable || code == StatusCode::kDeadlineExceeded ||
         code == StatusCode::kResourceExhausted || code == StatusCode::kAborted;
}

// "cost_nanousd: is -1; ..." of "records[7].cost_nanousd: is -1; ...": people count lines.
std::string WithoutIndex(const std::string& message) {
  constexpr std::string_view kPrefix = "records[";
  const size_t end = message.find(']');
  if (message.rfind(kPrefix, 0) != 0 || end == std::string::npos) return message;
  const size_t rest = message.find_first_not_of(".: ", end + 1);
  return rest == std::string::npos ? message : message.substr(rest);
}

std::string Lines(int64_t count) { return FormatCount(count) + (count == 1 ? " line" : " lines"); }

}  // namespace

UsageImport::UsageImport(Server* server, UsageImportOptions options, Output& output)
    : server_(server),
      options_(std::move(options)),
      output_(output),
      progress_(output.err, output.live_err) {}

int UsageImport::Run(LineReader& lines) {
  while (failure_.ok()) {
    const LineReader::Got got = lines.Next(kIdle);
    if (got == LineReader::Got::kFailed) {
      failure_ = Status(StatusCode::kFailedPrecondition,
                        "standard input cannot be read any further: " + lines.error());
      break;
    }
    if (got == LineReader::Got::kEnd) break;
    Take(got, lines);
    if (progress_.Due()) ShowProgress(lines);
  }
  if (failure_.ok() || failure_.code() == StatusCode::kFailedPrecondition) Send();
  progress_.Clear();
  return Finish();
}

void UsageImport::Take(LineReader::Got got, const LineReader& lines) {
  if (got == LineReader::Got::kNothing) return Send();
  if (got == LineReader::Got::kLine && internal::Trim(lines.line()).empty()) return;
  ++totals_.lines;
  if (got == LineReader::Got::kTooLong) {
    return Refuse(lines.number(), StatusCode::kInvalidArgument,
                  "is longer than 4 MiB; a shorter one would be right");
  }
  Add(lines.line(), lines.number());
}

void UsageImport::Add(std::string_view text, int64_t number) {
  auto line = ReadUsageLine(text, number, options_.name);
  if (!line.ok()) return Refuse(number, line.status().code(), line.status().message());
  if (batch_.size() == kBatchRecordsMax || batch_bytes_ + line->bytes > kBatchBytesMax) Send();
  batch_bytes_ += line->bytes;
  batch_.push_back(*std::move(line));
}

void UsageImport::Send() {
  Batch batch;
  batch.swap(batch_);
  batch_bytes_ = 0;
  if (batch.empty()) return;
  if (options_.dry_run) {
    totals_.recorded += static_cast<int64_t>(batch.size());
    return;
  }
  if (Status status = SendAll(std::move(batch)); !status.ok()) failure_ = status;
}

Status UsageImport::SendAll(Batch batch) {
  auto give_up = Clock::now() + options_.patience;
  auto pause = std::chrono::nanoseconds(kPauseMin);
  while (!batch.empty()) {
    const size_t before = batch.size();
    Status why_again;
    const Status failed = SendOnce(&batch, &why_again);
    if (failed.code() == StatusCode::kInvalidArgument && batch.size() > 1) {
      return SendHalves(std::move(batch));
    }
    if (failed.code() == StatusCode::kInvalidArgument) {
      Refuse(batch[0].number, failed.code(), failed.message());
      return {};
    }
    if (batch.empty()) break;
    if (batch.size() < before) {
      give_up = Clock::now() + options_.patience;
      pause = kPauseMin;
    }
    const Status& why = failed.ok() ? why_again : failed;
    if (!IsPassing(why.code()) || Clock::now() + pause >= give_up) {
      failed_number_ = batch[0].number;
      return why;
    }
    Wait(why, std::max(pause, why.retry_delay().value_or(pause)));
    pause = std::min<std::chrono::nanoseconds>(pause * 2, kPauseMax);
  }
  told_waiting_ = false;
  return {};
}

Status UsageImport::SendHalves(Batch batch) {
  const auto middle = batch.begin() + static_cast<std::ptrdiff_t>(batch.size() / 2);
  Batch second(std::make_move_iterator(middle), std::make_move_iterator(batch.end()));
  batch.erase(middle, batch.end());
  if (Status status = SendAll(std::move(batch)); !status.ok()) return status;
  return SendAll(std::move(second));
}

Status UsageImport::SendOnce(Batch* batch, Status* why_again) {
  v1::BatchRecordUsageRequest request;
  for (UsageLine& line : *batch) request.add_records()->Swap(&line.record);  // and back again below
  v1::BatchRecordUsageResponse response;
  const auto attempt = std::min<std::chrono::nanoseconds>(options_.patience, kAttempt);
  Status status =
      server_->CallWithin(attempt, &TelemetryStub::BatchRecordUsage, request, &response);
  for (size_t i = 0; i < batch->size(); ++i) {
    request.mutable_records(static_cast<int>(i))->Swap(&(*batch)[i].record);
  }
  if (!status.ok()) return status;
  if (response.results_size() != static_cast<int>(batch->size())) {
    return {StatusCode::kInternal, "the server gave " + std::to_string(response.results_size()) +
                                       " answers to " + std::to_string(batch->size()) + " records"};
  }
  Batch left;
  for (int i = 0; i < response.results_size(); ++i) {
    const v1::RecordUsageResult& result = response.results(i);
    UsageLine& line = (*batch)[static_cast<size_t>(i)];
    if (const auto code = static_cast<StatusCode>(result.code()); IsPassing(code)) {
      // Without a reason it would read as the network's.
      *why_again = Status(code, result.message(), {.reason = StatusCodeName(code)});
      left.push_back(std::move(line));
    } else {
      Judge(line, result);
    }
  }
  batch->swap(left);
  return {};
}

void UsageImport::Judge(const UsageLine& line, const v1::RecordUsageResult& result) {
  if (result.code() != 0) {
    return Refuse(line.number, static_cast<StatusCode>(result.code()),
                  WithoutIndex(result.message()));
  }
  if (result.response().replayed()) {
    ++totals_.replayed;
    if (!line.id_is_own && !line.record.has_occur_time()) ++totals_.doubtful;
    return;
  }
  ++totals_.recorded;
  totals_.cost_nanousd += result.response().cost_nanousd();
  if (result.response().cost_basis() == v1::COST_BASIS_UNPRICED) ++totals_.unpriced;
}

void UsageImport::Wait(const Status& why, std::chrono::nanoseconds pause) {
  if (!told_waiting_) {
    progress_.Clear();
    std::string text = Explain(why, server_->endpoint(), kAttempt);
    text.resize(text.find('\n'));
    output_.err << text << "; trying again for " << internal::FormatDuration(options_.patience)
                << std::endl;
  }
  told_waiting_ = true;
  std::this_thread::sleep_for(std::chrono::nanoseconds(
      static_cast<int64_t>(static_cast<double>(pause.count()) * internal::RandomJitter())));
}

void UsageImport::Refuse(int64_t number, StatusCode code, const std::string& message) {
  ++totals_.refused;
  progress_.Clear();
  if (output_.json) {
    const nlohmann::ordered_json line = {
        {"line", number}, {"code", StatusCodeName(code)}, {"message", message}};
    output_.out << line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) << std::endl;
  } else {
    output_.err << "bursar: line " << number << ": " << message << std::endl;
  }
}

void UsageImport::ShowProgress(const LineReader& lines) {
  std::string text = Lines(totals_.lines) + ", " + FormatCount(totals_.replayed) +
                     " there already, " + FormatCount(totals_.refused) + " refused";
  if (const auto all = lines.bytes_in_all(); all && *all > 0) {
    text =
        ProgressBar(static_cast<double>(lines.bytes()) / static_cast<double>(*all)) + "  " + text;
  }
  progress_.Show(text);
}

int UsageImport::Finish() {
  if (output_.json) {
    PrintJsonTotals();
  } else {
    PrintTotals();
  }
  if (totals_.doubtful > 0) {
    output_.err << "bursar: " << Lines(totals_.doubtful)
                << " without usage_id and occur_time said what the same line of an earlier import "
                   "said, and did not count again; if they are of another file, give it a name of "
                   "its own with --import-name\n";
  }
  if (failure_.ok()) return totals_.refused == 0 ? kExitOk : kExitFailed;
  if (failed_number_ > 0) {
    output_.err << Explain(failure_, server_->endpoint(), options_.patience)
                << "bursar: broken off at line " << failed_number_
                << "; what was recorded stays, and the same import again does the rest\n";
  } else {
    output_.err << "bursar: " << failure_.message() << "\n";
  }
  return kExitFailed;
}

void UsageImport::PrintTotals() const {
  output_.out << Lines(totals_.lines) << ": ";
  if (options_.dry_run) {
    output_.out << FormatCount(totals_.recorded) << " can be read, " << FormatCount(totals_.refused)
                << " cannot; dry run: nothing was sent\n";
    return;
  }
  output_.out << FormatCount(totals_.recorded) << " recorded, " << FormatCount(totals_.replayed)
              << " there already, " << FormatCount(totals_.refused) << " refused; "
              << FormatUsd(totals_.cost_nanousd) << " charged";
  if (totals_.unpriced > 0) output_.out << ", " << Lines(totals_.unpriced) << " without a price";
  output_.out << "\n";
}

void UsageImport::PrintJsonTotals() const {
  const nlohmann::ordered_json document = {
      {"lines", totals_.lines},       {"recorded", options_.dry_run ? 0 : totals_.recorded},
      {"replayed", totals_.replayed}, {"refused", totals_.refused},
      {"unpriced", totals_.unpriced}, {"costNanousd", std::to_string(totals_.cost_nanousd)},
      {"dryRun", options_.dry_run},   {"complete", failure_.ok()}};
  output_.out << document.dump() << "\n";
}

}  // namespace bursar::cli
