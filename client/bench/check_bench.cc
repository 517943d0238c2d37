// What Client::Check adds to the bare stub, over a gRPC server in this process that answers at
// once. Not a test: prints medians. The two are asked in turn, so that both see the same machine.
#include <bursar/client.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <functional>
#include <string>
#include <vector>

#include "src/convert_requests.h"
#include "src/transport.h"
#include "testing/fake_server.h"

namespace bursar {
namespace {

constexpr int kWarmUp = 500;
constexpr int kCalls = 5000;

CheckRequest Sample() {
  return {.request_id = "0b6f2a1e-33f0-4a61-9f0f-0d5b3c9d1a77",
          .subject = {.project = "support",
                      .team = "search",
                      .user = "ada",
                      .agent = "planner",
                      .run = "run-2026-11-22-000042",
                      .labels = {{"environment", "production"}}},
          .model = {.provider = "anthropic", .name = "claude-sonnet-4-5-20250929"},
          .tokens = TokenUsage{.uncached_input_tokens = 4808},
          .max_output_tokens = 1000};
}

void FillBudget(const char* name, v1::BudgetStatus* status) {
  status->set_budget(name);
  status->set_limit(9'000'000'000);
  status->set_spent(1'234'567);
  status->set_remaining(8'998'765'433);
}

double MicrosecondsOf(const std::function<void()>& call) {
  const auto start = std::chrono::steady_clock::now();
  call();
  return std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start)
      .count();
}

double Median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + static_cast<long>(values.size() / 2),
                   values.end());
  return values[values.size() / 2];
}

void Measure() {
  testing::FakeServer server;
  server.check = [](const v1::CheckBudgetRequest& request, v1::CheckBudgetResponse* response) {
    response->set_decision(v1::DECISION_ALLOW);
    response->mutable_reservation()->set_id(request.request_id());
    for (const char* name : {"budgets/run-cap", "budgets/user-day", "budgets/fleet-month"}) {
      FillBudget(name, response->add_budgets());
    }
    return grpc::Status::OK;
  };
  ClientOptions options;
  options.endpoint = server.endpoint();
  const Client client = *Client::Connect(options);
  const auto transport = internal::OpenTransport(options);  // a channel of its own
  const auto stub = v1::TelemetryService::NewStub(transport->channel);
  const CheckRequest sample = Sample();
  v1::CheckBudgetRequest message;
  if (!internal::ToProto(sample, &message).ok()) return;

  const auto by_stub = [&] {
    grpc::ClientContext call;
    call.set_deadline(std::chrono::system_clock::now() + options.check_timeout);
    v1::CheckBudgetResponse answer;
    if (!stub->CheckBudget(&call, message, &answer).ok()) std::puts("the stub failed");
  };
  const auto by_client = [&] {
    if (!client.Check(sample).ok()) std::puts("the client failed");
  };
  for (int i = 0; i < kWarmUp; ++i) {
    by_stub();
    by_client();
  }
  std::vector<double> stub_us;
  std::vector<double> client_us;
  for (int i = 0; i < kCalls; ++i) {
    stub_us.push_back(MicrosecondsOf(by_stub));
    client_us.push_back(MicrosecondsOf(by_client));
  }
  const double of_stub = Median(stub_us);
  const double of_client = Median(client_us);
  std::printf("check: stub p50 %.1f us, client p50 %.1f us, the client adds %.1f us\n", of_stub,
              of_client, of_client - of_stub);
}

}  // namespace
}  // namespace bursar

int main() { bursar::Measure(); }
