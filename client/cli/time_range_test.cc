#include "cli/time_range.h"

#include <gtest/gtest.h>

#include "cli/period.h"

namespace bursar::cli {
namespace {

absl::Time At(const char* text) { return *ParseTime(text, absl::UTCTimeZone()); }

}  // namespace
}  // namespace bursar::cli
