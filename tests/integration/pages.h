#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "support/rpc_client.h"

namespace bursar::testing {

inline v1::Filter FilterOf(const std::string& dimension, const std::vector<std::string>& values,
                           bool exclude = false) {
  v1::Filter filter;
  filter.set_dimension(dimension);
  for (const auto& value : values) filter.add_values(value);
  filter.set_exclude(exclude);
  return filter;
}

// Reads all pages of a list; `between` is done after each.
template <typename Request, typename Response>
void ReadAllPages(
    RpcClient& client,
    grpc::Status (Telemetry::*method)(grpc::ClientContext*, const Request&, Response*),
    Request request, int page_size, const std::function<void(const Response&)>& read,
    const std::function<void()>& between = [] {}) {
  constexpr int kPagesMax = 5000;
  request.set_page_size(page_size);
  int pages = 0;
  do {
    Response response;
    const grpc::Status status = client.Call(method, request, response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    if (!status.ok()) return;
    read(response);
    request.set_page_token(response.next_page_token());
    between();
  } while (!request.page_token().empty() && ++pages < kPagesMax);
  EXPECT_LT(pages, kPagesMax);
}

}  // namespace bursar::testing
