#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/time/time.h"

// Every bound on what a request may hold, in one place. Beyond one of them: INVALID_ARGUMENT that
// names it.
namespace bursar::usage {

inline constexpr size_t kIdBytesMax = 128;  // request_id, usage_id, reservation_id
// What the ledger calls its own records: callers' ids may not begin so.
inline constexpr char kExpiryIdPrefix[] = "expiry:";  // + reservation: charged when it expired
inline constexpr char kCorrectionIdPrefix[] = "correction:";  // + reservation: that, taken back
inline constexpr char kReleaseIdPrefix[] =
    "release:";  // + reservation: what its release left charged
inline constexpr char kAdjustmentIdPrefix[] = "adjustment:";  // + adjustment_id
inline constexpr char kRepriceIdPrefix[] = "reprice:";        // adjustment ids that a reprice makes
inline constexpr size_t kDimensionBytesMax = 256;             // each value of Subject and Model
inline constexpr size_t kLabelsMax = 16;
inline constexpr size_t kTraceIdBytesMax = 64;
inline constexpr size_t kPriceDocumentBytesMax = 16 << 20;
inline constexpr size_t kReasonBytesMax = 1024;  // why an adjustment is made
inline constexpr size_t kErrorMessageBytesMax = 4096;
inline constexpr size_t kMetadataBytesMax = 8192;
inline constexpr size_t kContentBytesMax = 1 << 20;
inline constexpr size_t kProviderUsageBytesMax = 64 << 10;
inline constexpr size_t kGuardrailHitsMax = 32;
inline constexpr size_t kOtherClassesMax = 32;  // entries of other_tokens and of billed_units
inline constexpr int64_t kTokensMax = 1'000'000'000'000;           // 10^12 of one class
inline constexpr int64_t kCostNanoUsdMax = 1'000'000'000'000'000;  // 10^15: one million USD
inline constexpr int kSettleRecordsMax = 32;                       // CheckBudget.settle
inline constexpr int kBatchRecordsMax = 1000;                      // BatchRecordUsage
inline constexpr absl::Duration kTtlMin = absl::Seconds(1);
inline constexpr absl::Duration kTtlMax = absl::Hours(24);
inline constexpr absl::Duration kTtlDefault = absl::Minutes(5);
inline constexpr absl::Duration kFutureMax = absl::Minutes(10);  // how far occur_time may be ahead
inline constexpr absl::Duration kLatencyMax = absl::Hours(24 * 7);
inline constexpr int32_t kAttemptMax = 1'000'000;

}  // namespace bursar::usage
