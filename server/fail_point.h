#pragma once

// Where tests make the server fail, and bugs that they plant to see whether they are found. A build
// without BURSAR_FAIL_POINTS (every one but those for tests) has nothing of it.
//
// The environment of the process says what happens:
//   BURSAR_FAIL_POINT=NAME=crash@N, NAME=error@N or NAME=delay:MS@N: at each N-th time that the
//     point is reached, the process is killed at once, UNAVAILABLE is returned, or it waits so
//     long.
//   BURSAR_PLANT=BUG: this bug is in.
//   BURSAR_FAULT_LOG=FILE: a line is appended for each time that a point fired, and for the bug
//   when
//     its place is reached first, so that a test can tell that it tried something.

#ifdef BURSAR_FAIL_POINTS

#include "absl/status/status.h"

namespace bursar {

// Thread-safe, as are all of these. Names are literals.
absl::Status ReachFailPoint(const char* name);
bool IsFailPointSet(const char* name);
bool IsPlanted(const char* bug);
// `text` with the first `from` in it replaced, if the bug is planted. Lives for ever.
const char* Spoiled(const char* bug, const char* text, const char* from, const char* to);

}  // namespace bursar

// BURSAR_FAIL_POINT("before_commit", cleanup): leaves the function with the point's error, after
// `cleanup`.
#define BURSAR_FAIL_POINT(name, cleanup)                                      \
  do {                                                                        \
    if (absl::Status failed = ::bursar::ReachFailPoint(name); !failed.ok()) { \
      cleanup;                                                                \
      return failed;                                                          \
    }                                                                         \
  } while (false)
#define BURSAR_FAIL_POINT_IS_SET(name) ::bursar::IsFailPointSet(name)
#define BURSAR_PLANTED(bug) ::bursar::IsPlanted(bug)
#define BURSAR_SPOILED(bug, text, from, to) ::bursar::Spoiled(bug, text, from, to)

#else

#define BURSAR_FAIL_POINT(name, cleanup) \
  do {                                   \
  } while (false)
#define BURSAR_FAIL_POINT_IS_SET(name) false
#define BURSAR_PLANTED(bug) false
#define BURSAR_SPOILED(bug, text, from, to) text

#endif
