#pragma once

#include <string>

namespace bursar::postgres {

// SQL: whether a usage record (its receive_time and xmin) is one that an earlier transaction saw.
// Its time cannot say so: a record is committed some time after its receive_time, and in no order.
// PostgreSQL's snapshot can, once the row's 32-bit xmin has its upper half back, which is
// unambiguous for recent rows; older ones were there anyway. `as_of` and `snapshot` are
// expressions: that transaction's now() and the text of its pg_current_snapshot(). `written_by`:
// where the record's xmin is.
std::string SeenBy(const std::string& as_of, const std::string& snapshot,
                   const std::string& written_by = "xmin");

}  // namespace bursar::postgres
