#include "cli/budget_edit.h"

namespace bursar::cli {
namespace {

constexpr int kAttempts = 5;

}  // namespace

Status RepeatWhileAborted(const std::function<Status()>& attempt) {
  Status status;
  for (int i = 0; i < kAttempts; ++i) {
    status = attempt();
    if (status.code() != StatusCode::kAborted) break;
  }
  return status;
}

StatusOr<v1::UpdateBudgetResponse> EditBudget(Server& server, const std::string& name,
                                              const std::vector<std::string>& paths,
                                              const std::function<Status(v1::Budget*)>& change) {
  v1::UpdateBudgetResponse response;
  const Status status = RepeatWhileAborted([&]() -> Status {
    v1::GetBudgetRequest get;
    get.set_name(name);
    v1::GetBudgetResponse got;
    if (Status read = server.Call(&AdminStub::GetBudget, get, &got); !read.ok()) return read;
    v1::UpdateBudgetRequest update;
    update.mutable_budget()->Swap(got.mutable_budget());  // its etag included
    if (Status changed = change(update.mutable_budget()); !changed.ok()) return changed;
    update.mutable_update_mask()->mutable_paths()->Assign(paths.begin(), paths.end());
    response.Clear();
    return server.Call(&AdminStub::UpdateBudget, update, &response);
  });
  if (!status.ok()) return status;
  return response;
}

}  // namespace bursar::cli
