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

int ReadCall(const Rows& rows, int row, int column, usage::UsageRecord& used) {
  auto text = [&] { return std::string(rows.Text(row, column++)); };
  auto number = [&] { return static_cast<int>(rows.Int(row, column++)); };
  usage::Subject& subject = used.subject;
  for (std::string* field :
       {&subject.project, &subject.team, &subject.user, &subject.agent, &subject.workflow,
        &subject.tool, &subject.run, &subject.parent_run, &subject.root_run}) {
    *field = text();
  }
  subject.labels = DecodeTexts(rows.Text(row, column++));
  usage::Model& model = used.model;
  for (std::string* field : {&model.provider, &model.name, &model.service_tier, &model.region,
                             &model.requested_name, &model.account}) {
    *field = text();
  }
  used.event_type = text();
  used.step = text();
  used.outcome = static_cast<usage::Outcome>(number());
  used.error.type = text();
  used.error.category = number();
  used.error.severity = number();
  used.guardrail_hits = DecodeGuardrailHits(rows.Text(row, column++));
  return column;
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
