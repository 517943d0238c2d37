#pragma once

#include "absl/strings/string_view.h"

// The columns that the table `rollup` and the view `counted_usage` share, in the table's order.
namespace bursar::postgres {

struct RollupDimension {
  absl::string_view dimension;
  absl::string_view column;
  absl::string_view type;
};
inline constexpr RollupDimension kRollupDimensions[] = {
    {"project", "project", "text"},
    {"team", "team", "text"},
    {"user", "user_name", "text"},
    {"agent", "agent", "text"},
    {"workflow", "workflow", "text"},
    {"tool", "tool", "text"},
    {"step", "step", "text"},
    {"run", "run", "text"},
    {"parent_run", "parent_run", "text"},
    {"root_run", "root_run", "text"},
    {"provider", "provider", "text"},
    {"model", "model", "text"},
    {"service_tier", "service_tier", "text"},
    {"region", "region", "text"},
    {"account", "account", "text"},
    {"event_type", "event_type", "text"},
    {"outcome", "outcome", "smallint"},
    {"cost_basis", "cost_basis", "smallint"},
    {"error_type", "error_type", "text"},
    {"error_category", "error_category", "smallint"},
    {"error_severity", "error_severity", "smallint"},
    {"guardrail", "guardrail", "text"},
};

// Summed as they are; `latency_max_us` and `latencies` follow them in both.
inline constexpr absl::string_view kRollupSums[] = {
    "records",
    "calls",
    "succeeded_calls",
    "failed_calls",
    "retried_calls",
    "recovered_calls",
    "guardrail_hits",
    "unpriced_calls",
    "cost_nanousd",
    "estimated_nanousd",
    "cache_savings_nanousd",
    "uncached_input_tokens",
    "cache_read_tokens",
    "cache_write_5m_tokens",
    "cache_write_1h_tokens",
    "visible_output_tokens",
    "reasoning_tokens",
    "input_audio_tokens",
    "output_audio_tokens",
    "input_image_tokens",
    "output_image_tokens",
};

}  // namespace bursar::postgres
