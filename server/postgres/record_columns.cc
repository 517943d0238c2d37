#include "postgres/record_columns.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "postgres/array.h"
#include "postgres/json.h"

namespace bursar::postgres {
namespace {

struct DimensionColumn {
  absl::string_view dimension;
  absl::string_view expression;
};
// Every other dimension is the column of its own name.
constexpr DimensionColumn kColumns[] = {
    {"user", "user_name"},
    {"outcome", "(ARRAY['SUCCEEDED','FAILED','CANCELLED','NOT_EXECUTED','UNKNOWN'])[outcome]"},
    {"cost_basis", "(ARRAY['PRICED','ESTIMATED','DECLARED','UNPRICED','ADJUSTED'])[cost_basis]"},
    {"error_category",
     "(ARRAY['PROVIDER','TIMEOUT','RATE_LIMIT','GUARDRAIL','AGENT','UNEXPECTED','TOOL',"
     "'INTERNAL'])[error_category]"},
    {"error_severity", "(ARRAY['INFO','WARNING','ERROR','CRITICAL'])[error_severity]"},
    {"guardrail", "guardrails->0->>'name'"},
};

}  // namespace

void ReadAmounts(const Rows& rows, int row, int column, ledger::RecordAnswer& answer) {
  answer.cost_nanousd = rows.Int(row, column++);
  for (int64_t& tokens : answer.tokens.tokens) tokens = rows.Int(row, column++);
  answer.tokens.other_tokens = DecodeCounts(rows.Text(row, column++));
  answer.tokens.billed_units = DecodeCounts(rows.Text(row, column));
}

std::string RecordDimension(absl::string_view dimension, Placeholders& values) {
  std::string expression(dimension);
  if (absl::ConsumePrefix(&dimension, "label:")) {
    expression = absl::StrCat("labels->>", values.Text(dimension));
  }
  for (const auto& column : kColumns) {
    if (column.dimension == expression) expression = std::string(column.expression);
  }
  return absl::StrCat("coalesce(", expression, ", '')");
}

std::string RecordFilter(const ledger::Filter& filter, Placeholders& values) {
  Array allowed(Element::kText);
  for (const auto& value : filter.values) allowed.Text(value);
  const std::string expression = RecordDimension(filter.dimension, values);
  return absl::StrCat(filter.exclude ? "NOT " : "", expression, " = ANY (", values.Add(allowed),
                      "::text[])");
}

}  // namespace bursar::postgres
