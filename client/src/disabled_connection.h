#pragma once

#include <bursar/connection.h>

#include <memory>

namespace bursar::internal {

// Allows everything, holds and keeps nothing, asks nobody: what BURSAR_DISABLED=1 gives.
std::shared_ptr<Connection> MakeDisabledConnection();

}  // namespace bursar::internal
