#pragma once

#include <future>

#include "cli/server.h"

namespace bursar::cli {

// The pages of one export, one after the other: while one is written, the next one is asked for. A
// call that fails in passing is repeated for half a minute. For one thread.
class ExportPages {
 public:
  // Begins to ask. `server` must outlive it.
  ExportPages(Server* server, v1::ExportUsageRequest first);
  ~ExportPages();
  ExportPages(const ExportPages&) = delete;
  ExportPages& operator=(const ExportPages&) = delete;

  // The next page; no more calls after one without a next_cursor, or after an error.
  StatusOr<v1::ExportUsageResponse> Next();

 private:
  void Ask();

  Server* const server_;
  v1::ExportUsageRequest request_;
  std::future<StatusOr<v1::ExportUsageResponse>> asked_;
};

}  // namespace bursar::cli
