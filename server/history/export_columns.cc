#include "history/export_columns.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "status_macros.h"
#include "usage/field_error.h"
#include "usage/limits.h"
#include "usage/validate.h"

namespace bursar::history {
namespace {

constexpr absl::string_view kLabelPrefix = "label:";

const std::vector<ExportColumn>& RecordColumns() {
  using enum ExportKind;
  static const std::vector<ExportColumn> columns = {
      {"charge_time", kTime},
      {"usage_id", kText},
      {"reservation_id", kText},
      {"project", kText},
      {"team", kText},
      {"user", kText},
      {"agent", kText},
      {"workflow", kText},
      {"tool", kText},
      {"run", kText},
      {"parent_run", kText},
      {"root_run", kText},
      {"labels", kJson},
      {"provider", kText},
      {"model", kText},
      {"requested_model", kText},
      {"account", kText},
      {"service_tier", kText},
      {"region", kText},
      {"event_type", kText},
      {"step", kText},
      {"outcome", kText},
      {"attempt", kInteger},
      {"calls", kInteger},
      {"error_type", kText},
      {"error_category", kText},
      {"error_severity", kText},
      {"guardrail", kText},
      {"guardrails", kJson},
      {"cost_usd", kUsd},
      {"cost_nanousd", kInteger},
      {"cost_basis", kText},
      {"price_version", kText},
      {"priced_as", kText},
      {"uncached_input_tokens", kInteger},
      {"cache_read_tokens", kInteger},
      {"cache_write_5m_tokens", kInteger},
      {"cache_write_1h_tokens", kInteger},
      {"visible_output_tokens", kInteger},
      {"reasoning_tokens", kInteger},
      {"input_audio_tokens", kInteger},
      {"output_audio_tokens", kInteger},
      {"input_image_tokens", kInteger},
      {"output_image_tokens", kInteger},
      {"other_tokens", kJson},
      {"billed_units", kJson},
      {"latency_us", kInteger},
      {"time_to_first_token_us", kInteger},
      {"released_nanousd", kInteger},
      {"overrun_nanousd", kInteger},
      {"cache_savings_nanousd", kInteger},
      {"late", kBool},
      {"trace_id", kText},
      {"span_id", kText},
      {"parent_span_id", kText},
      {"provider_request_id", kText},
      {"occur_time", kTime},
      {"receive_time", kTime},
      {"record_id", kText},
      {"adjusts", kText},  // the record_id of the record that this one corrects
      {"adjust_reason", kText},
  };
  return columns;
}

const std::vector<ExportColumn>& RollupColumns() {
  using enum ExportKind;
  static const std::vector<ExportColumn> columns = {
      {"day", kTime},
      {"family", kText},
      {"project", kText},
      {"team", kText},
      {"user", kText},
      {"agent", kText},
      {"workflow", kText},
      {"tool", kText},
      {"step", kText},
      {"provider", kText},
      {"model", kText},
      {"service_tier", kText},
      {"region", kText},
      {"account", kText},
      {"event_type", kText},
      {"outcome", kText},
      {"cost_basis", kText},
      {"error_type", kText},
      {"error_category", kText},
      {"error_severity", kText},
      {"guardrail", kText},
      {"records", kInteger},
      {"calls", kInteger},
      {"succeeded_calls", kInteger},
      {"failed_calls", kInteger},
      {"retried_calls", kInteger},
      {"recovered_calls", kInteger},
      {"guardrail_hits", kInteger},
      {"unpriced_calls", kInteger},
      {"cost_usd", kUsd},
      {"cost_nanousd", kInteger},
      {"estimated_nanousd", kInteger},
      {"cache_savings_nanousd", kInteger},
      {"uncached_input_tokens", kInteger},
      {"cache_read_tokens", kInteger},
      {"cache_write_5m_tokens", kInteger},
      {"cache_write_1h_tokens", kInteger},
      {"visible_output_tokens", kInteger},
      {"reasoning_tokens", kInteger},
      {"input_audio_tokens", kInteger},
      {"output_audio_tokens", kInteger},
      {"input_image_tokens", kInteger},
      {"output_image_tokens", kInteger},
  };
  return columns;
}

}  // namespace

const std::vector<ExportColumn>& ExportColumns(ExportTable table) {
  return table == ExportTable::kRollups ? RollupColumns() : RecordColumns();
}

absl::StatusOr<ExportColumn> FindExportColumn(ExportTable table, absl::string_view name) {
  const bool labels = table == ExportTable::kRecords;
  for (const ExportColumn& column : ExportColumns(table)) {
    if (column.name == name) return column;
  }
  if (labels && absl::StartsWith(name, kLabelPrefix) && name.size() > kLabelPrefix.size()) {
    RETURN_IF_ERROR(usage::ValidateText("columns", name, 1, usage::kDimensionBytesMax));
    return ExportColumn{std::string(name), ExportKind::kText};
  }
  const std::string allowed =
      absl::StrJoin(ExportColumns(table), ", ",
                    [](std::string* out, const ExportColumn& column) { out->append(column.name); });
  return usage::FieldError("columns", absl::StrCat("is \"", name.substr(0, 64), "\"; allowed are ",
                                                   allowed, labels ? " and label:<name>" : ""));
}

}  // namespace bursar::history
