#pragma once

#include <bursar/telemetry.h>

#include "src/settings.h"

namespace bursar::internal {

// MakeTelemetry with an environment of its own; `problem` is OK where there is none.
Telemetry MakeTelemetry(const TelemetryOptions& options, const SettingsSource& source,
                        Status* problem);

}  // namespace bursar::internal
