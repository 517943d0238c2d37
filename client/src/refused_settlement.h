#pragma once

#include <bursar/requests.h>

#include <optional>

namespace bursar::internal {

// What to send instead of a settlement that is refused for what is in it. Its hold must end by a
// record all the same: left to its ttl it would charge nothing, though the call was made.
//
// The same usage_id with less in it: first without what only describes the call, so that its usage
// counts; then without the usage as well, which charges what was held (Outcome::kUnknown); then
// with its ids alone. Nothing: it is no settlement, or has nothing left to leave out.
std::optional<RecordRequest> WithLess(const RecordRequest& refused);

}  // namespace bursar::internal
