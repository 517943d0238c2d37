#pragma once

#include <bursar/status.h>

#include <string>
#include <vector>

#include "bursar/v1/types.pb.h"

// Budgets kept in a file, for `bursar budgets apply`.
namespace bursar::cli {

// A budget as a file wants it.
struct WantedBudget {
  v1::Budget budget;  // its name is "budgets/ID"; etag, create_time and update_time are left out
  // What operators change by the hour stays as it is, unless the file names it.
  bool names_state = false;
  bool names_overrides = false;
};

// Reads {"budgets": [{"id": "user-day", ...}]}: each entry is protobuf's JSON of Budget, and its
// id. So what `bursar budgets list --json` prints can be read back: a "name" is as good as an "id",
// and "etag", "createTime" and "updateTime" are passed over. Errors: INVALID_ARGUMENT for text that
// is no such JSON, an unknown field (it is named), an id that is missing, malformed or there twice,
// a budget without limit or window.
StatusOr<std::vector<WantedBudget>> ReadBudgets(const std::string& text);

}  // namespace bursar::cli
