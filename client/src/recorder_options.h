#pragma once

#include <bursar/options.h>
#include <bursar/status.h>

namespace bursar::internal {

// Whether a Recorder can start with these. Errors: INVALID_ARGUMENT for one that cannot be.
Status CheckRecorderOptions(const RecorderOptions& options);

}  // namespace bursar::internal
