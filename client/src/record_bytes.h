#pragma once

#include <bursar/requests.h>
#include <bursar/status.h>

#include <optional>
#include <string>
#include <string_view>

// A record as the journal keeps it: a serialized v1.RecordUsageRequest.
namespace bursar::internal {

// Errors: INVALID_ARGUMENT for metadata that is no JSON object, two kinds of usage at once, and
// text that is not UTF-8.
StatusOr<std::string> SerializeRecord(const RecordRequest& record);

// Nothing where the bytes are no record.
std::optional<RecordRequest> ParseRecord(std::string_view bytes);

// About how much memory the record takes, in bytes. Quick: it looks at no more than sizes.
size_t MemoryBytesOf(const RecordRequest& record);

// One line of JSON, without its end: when, which id, why, and the record.
std::string RefusalLine(const RecordRequest& record, const Status& why);

}  // namespace bursar::internal
