#pragma once

#include <bursar/status.h>

namespace bursar::internal {

// Whether the answer to a record speaks of what is in it: it was not counted under this payload,
// and no repeat can change that. Any other error may be the call's, the server's or the key's; then
// the record may have counted or may count later, so it is sent again under its id.
inline bool IsRefusalOfContent(StatusCode code) {
  return code == StatusCode::kInvalidArgument || code == StatusCode::kAlreadyExists ||
         code == StatusCode::kOutOfRange;
}

}  // namespace bursar::internal
