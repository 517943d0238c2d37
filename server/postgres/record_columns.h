#pragma once

#include <string>

#include "absl/strings/string_view.h"
#include "ledger/operation.h"
#include "postgres/placeholders.h"
#include "postgres/session.h"

namespace bursar::postgres {

// What a record (of alias r) cost and used; ReadAmounts reads it from the columns that begin at
// `column`.
#define BURSAR_AMOUNTS                                                                           \
  "r.cost_nanousd, r.uncached_input_tokens, r.cache_read_tokens, r.cache_write_5m_tokens, "      \
  "r.cache_write_1h_tokens, r.visible_output_tokens, r.reasoning_tokens, r.input_audio_tokens, " \
  "r.output_audio_tokens, r.input_image_tokens, r.output_image_tokens, r.other_tokens, "         \
  "r.billed_units"
void ReadAmounts(const Rows& rows, int row, int column, ledger::RecordAnswer& answer);

// Whose call a record (of alias r) was and how it went; ReadCall reads it from the columns that
// begin at `column`, and returns the next one.
#define BURSAR_CALL                                                                          \
  "r.project, r.team, r.user_name, r.agent, r.workflow, r.tool, r.run, r.parent_run, "       \
  "r.root_run, r.labels, r.provider, r.model, r.service_tier, r.region, r.requested_model, " \
  "r.account, r.event_type, r.step, r.outcome, r.error_type, r.error_category, "             \
  "r.error_severity, r.guardrails"
int ReadCall(const Rows& rows, int row, int column, usage::UsageRecord& used);

// Where a record has the value of a dimension that can be asked for, '' where it has none.
// `dimension`: one of the known names (history/cost_query.h).
std::string RecordDimension(absl::string_view dimension, Placeholders& values);

// That a record has (or, with `exclude`, has not) one of the filter's values.
std::string RecordFilter(const ledger::Filter& filter, Placeholders& values);

}  // namespace bursar::postgres
