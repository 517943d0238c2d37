#include "cli/export_pages.h"

#include <algorithm>
#include <thread>

namespace bursar::cli {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kPatience(30);
constexpr milliseconds kPauseMin(100);
constexpr milliseconds kPauseMax(2000);

bool IsPassing(StatusCode code) {
  return code == StatusCode::kUnavailable || code == StatusCode::kDeadlineExceeded ||
         code == StatusCode::kResourceExhausted || code == StatusCode::kAborted;
}

StatusOr<v1::ExportUsageResponse> AskFor(Server* server, const v1::ExportUsageRequest& request) {
  const auto give_up = Clock::now() + kPatience;
  // A server that was never there is told of at once.
  const bool patient = !request.cursor().empty();
  for (auto pause = kPauseMin;; pause = std::min(pause * 2, kPauseMax)) {
    v1::ExportUsageResponse page;
    const Status status = server->Call(&TelemetryStub::ExportUsage, request, &page);
    if (status.ok()) return page;
    if (!patient || !IsPassing(status.code()) || Clock::now() + pause > give_up) return status;
    std::this_thread::sleep_for(pause);
  }
}

}  // namespace

ExportPages::ExportPages(Server* server, v1::ExportUsageRequest first)
    : server_(server), request_(std::move(first)) {
  Ask();
}

ExportPages::~ExportPages() {
  if (asked_.valid()) server_->Cancel();
}

void ExportPages::Ask() { asked_ = std::async(std::launch::async, AskFor, server_, request_); }

StatusOr<v1::ExportUsageResponse> ExportPages::Next() {
  auto page = asked_.get();
  if (page.ok() && !page->next_cursor().empty()) {
    request_.set_cursor(page->next_cursor());
    Ask();
  }
  return page;
}

}  // namespace bursar::cli
