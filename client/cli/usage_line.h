#pragma once

#include <bursar/status.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "bursar/v1/telemetry_service.pb.h"

namespace bursar::cli {

// One line of a usage log: what it records, and which line it is.
struct UsageLine {
  int64_t number = 0;
  v1::RecordUsageRequest record;
  size_t bytes = 0;        // of the record, as it is sent
  bool id_is_own = false;  // the line has a usage_id
};

// Reads the JSON form of a RecordUsageRequest (protobuf's: lowerCamel or snake names). A record
// without usage_id gets one from the line's text, its number and the import's name: the same line
// of the same import has the same id, and two lines that say the same have two.
// Errors: INVALID_ARGUMENT; says what is wrong with the line.
StatusOr<UsageLine> ReadUsageLine(std::string_view text, int64_t number,
                                  const std::string& import_name);

}  // namespace bursar::cli
