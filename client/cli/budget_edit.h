#pragma once

#include <functional>
#include <string>
#include <vector>

#include "cli/server.h"

// Changes of a budget that others may be changing at the same time.
namespace bursar::cli {

// Runs `attempt` again while it answers ABORTED (somebody else changed the same budget meanwhile),
// five times in all; answers what the last one did.
Status RepeatWhileAborted(const std::function<Status()>& attempt);

// Reads the budget `name`, lets `change` alter it and writes the fields `paths` back, unless it is
// another version by then: so nobody's change is lost. Then all of it again, five times in all.
// Errors: what `change` answers, and those of GetBudget and UpdateBudget.
StatusOr<v1::UpdateBudgetResponse> EditBudget(Server& server, const std::string& name,
                                              const std::vector<std::string>& paths,
                                              const std::function<Status(v1::Budget*)>& change);

}  // namespace bursar::cli
