#pragma once

#include <algorithm>
#include <cstdint>

#include "cli/server.h"

namespace bursar::cli {

inline constexpr int64_t kPageRows = 500;
inline constexpr int64_t kAllRows = INT64_MAX;
inline constexpr char kMoreRows[] = "there are more rows; --limit N shows up to 10000\n";

// Asks for page after page until `limit` rows are in `all`, or all there are. `rows` says how many
// an answer has. Where rows are left, the next_page_token of `all` is not empty.
template <typename Stub, typename Request, typename Response>
Status ReadPages(Server& server,
                 grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                 Request request, int64_t limit, int (Response::*rows)() const, Response* all) {
  do {
    request.set_page_size(static_cast<int>(std::min(kPageRows, limit - (all->*rows)())));
    Response page;
    if (Status status = server.Call(method, request, &page); !status.ok()) return status;
    request.set_page_token(page.next_page_token());
    all->MergeFrom(page);
    all->set_next_page_token(page.next_page_token());
  } while (!request.page_token().empty() && (all->*rows)() < limit);
  return {};
}

}  // namespace bursar::cli
