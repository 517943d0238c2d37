#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "access/key_ring.h"
#include "history/cost_query.h"
#include "history/export.h"
#include "history/usage_view.h"
#include "ledger/budget_store.h"
#include "ledger/lane.h"
#include "ledger/ledger_view.h"
#include "metrics/metrics.h"
#include "pricing/price_books.h"

namespace bursar::rpc {

struct RpcServerOptions {
  std::string listen = "127.0.0.1:50051";  // host:port; port 0 picks a free one
  const access::KeyRing* keys = nullptr;   // absent: nobody is asked for a key
  int query_threads = 2;
  int queries_waiting_max = 256;
};

// The gRPC port: both services, health and reflection, from construction until Drain().
//
// Errors: FAILED_PRECONDITION with the address when it cannot be bound. Everything passed must
// outlive it.
class RpcServer {
 public:
  static absl::StatusOr<std::unique_ptr<RpcServer>> Start(
      RpcServerOptions options, ledger::Lanes& lanes, history::CostStore& costs,
      history::ExportStore& exports, history::UsageView& usage, ledger::BudgetStore& budgets,
      ledger::LedgerView& view, pricing::PriceBooks& prices, metrics::Metrics& metrics);
  ~RpcServer();

  const std::string& address() const { return address_; }  // as bound
  void SetServing(bool serving);                           // what the health service says

  // NOT_SERVING, no new calls, and those under way may end until the deadline.
  void Drain(absl::Time deadline);

 private:
  struct Services;
  RpcServer();
  std::unique_ptr<Services> services_;
  std::string address_;
};

}  // namespace bursar::rpc
