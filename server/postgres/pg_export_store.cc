#include "postgres/pg_export_store.h"

#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "postgres/export_page_writer.h"
#include "postgres/pg_export_rollups.h"
#include "postgres/placeholders.h"
#include "postgres/record_columns.h"
#include "postgres/seen_by.h"
#include "status_macros.h"
#include "usage/limits.h"

namespace bursar::postgres {
namespace {

using history::ExportKind;
using history::ExportPage;
using history::ExportQuery;

constexpr int kFetchRows = 500;
constexpr char kFetch[] = "FETCH 500 FROM export_page";
// Of each row, before the columns that were asked for.
enum Lead { kMatches, kChargeTime, kId, kCost, kLeads };

// Where a page ended, and what its export sees: ExportPage::next.
struct Place {
  absl::Time as_of;
  std::string view;
  absl::Time charge_time;
  std::string id;  // a uuid
};

std::string PlaceText(const Place& place) {
  return absl::StrCat(absl::ToUnixMicros(place.as_of), "|", absl::ToUnixMicros(place.charge_time),
                      "|", place.id, "|", place.view);
}

absl::StatusOr<std::optional<Place>> ReadPlace(absl::string_view text) {
  if (text.empty()) return std::nullopt;
  const std::vector<absl::string_view> parts = absl::StrSplit(text, '|');
  Place place;
  if (parts.size() != 4 || !ReadMicros(parts[0], place.as_of) ||
      !ReadMicros(parts[1], place.charge_time)) {
    return history::NoCursor();
  }
  place.id = std::string(parts[2]);
  place.view = std::string(parts[3]);
  return place;
}

std::string ColumnSql(const history::ExportColumn& column, Placeholders& values) {
  if (column.name == "cost_usd") return "cost_nanousd";
  if (column.name == "time_to_first_token_us") return "first_token_us";
  if (column.name == "record_id") return "id";
  if (column.name == "adjusts") return "adjusts";  // a uuid, unlike every other text
  return column.kind == ExportKind::kText ? RecordDimension(column.name, values) : column.name;
}

// Rows that do not match are not looked at one by one, but one in 256 is given all the same
// (its id is a hash): they show how far the scan is, so that it can be broken off anywhere.
std::string CursorSql(absl::string_view tenant, const ExportQuery& query,
                      const std::optional<Place>& after, Placeholders& values) {
  std::string matches = after ? SeenBy(values.Time(after->as_of), values.Text(after->view)) : "";
  for (const auto& filter : query.filters) {
    absl::StrAppend(&matches, matches.empty() ? "" : " AND ", RecordFilter(filter, values));
  }
  const bool all = matches.empty();
  std::string columns;
  for (const auto& column : query.columns) {
    absl::StrAppend(&columns, ", ", ColumnSql(column, values));
  }
  std::string end = "now()";
  if (query.end != absl::InfiniteFuture()) {
    end = values.Time(query.end);
  } else if (after) {
    end = values.Time(after->as_of);
  }
  std::string where = absl::StrCat(
      "tenant_id = ", values.Text(tenant),
      " AND charge_time >= ", values.Time(after ? after->charge_time : query.start),
      " AND charge_time < ", end,
      // A record may count a little later than it came.
      " AND receive_time >= ", values.Time(query.start - usage::kFutureMax - absl::Minutes(1)));
  if (after) {
    absl::StrAppend(&where, " AND (charge_time, id) > (", values.Time(after->charge_time), ", ",
                    values.Text(after->id), "::uuid)");
  }
  if (!all) absl::StrAppend(&where, " AND ((", matches, ") OR uuid_hash(id) & 255 = 0)");
  return absl::StrCat("DECLARE export_page NO SCROLL CURSOR FOR SELECT ",
                      all ? "true" : absl::StrCat("(", matches, ")"),
                      ", charge_time, id, cost_nanousd", columns, " FROM usage_record WHERE ",
                      where, " ORDER BY charge_time, id");
}

std::vector<Statement> Opening(const std::string& cursor_sql, Params params) {
  std::vector<Statement> statements;
  statements.push_back({"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", {}});
  // In order out of the index, also where a young table's plan would read and sort all of it; texts
  // of times in UTC, also where the session is not our own (pgbouncer).
  statements.push_back(
      {"SELECT set_config('timezone', 'UTC', true), set_config('enable_seqscan', 'off', true), "
       "set_config('enable_bitmapscan', 'off', true), set_config('enable_sort', 'off', true), "
       "set_config('jit', 'off', true)",
       {}});
  statements.push_back({"SELECT now(), pg_current_snapshot()", {}});
  statements.push_back({cursor_sql.c_str(), std::move(params), /*once=*/true});
  statements.push_back({kFetch, {}, /*once=*/true});
  return statements;
}

// As many as there is room for; `place` becomes that of the last one.
int AddRows(const Rows& rows, ExportPageWriter& writer, Place& place) {
  int row = 0;
  for (; row < rows.size() && !writer.full(); ++row) {
    if (!rows.Bool(row, kMatches)) continue;
    for (int column = 0; column < writer.columns(); ++column) {
      writer.AddCell(rows.Text(row, kLeads + column));
    }
    writer.EndRow(rows.Int(row, kCost));
  }
  if (row == 0) return 0;
  place.charge_time = rows.Time(row - 1, kChargeTime);
  place.id = std::string(rows.Text(row - 1, kId));
  return row;
}

absl::StatusOr<ExportPage> ExportRecords(Session& session, absl::string_view tenant,
                                         const ExportQuery& query) {
  ASSIGN_OR_RETURN(const std::optional<Place> after, ReadPlace(query.after));
  Placeholders values;
  const std::string cursor_sql = CursorSql(tenant, query, after, values);
  const absl::Time give_up = absl::Now() + kExportPageTime;
  auto results = session.Pipeline(Opening(cursor_sql, values.Take()));
  if (SqlState(results.status()) == "22P02") return history::NoCursor();  // no snapshot, no uuid
  if (!results.ok()) return results.status();
  Place place = after.value_or(
      Place{.as_of = (*results)[2].Time(0, 0), .view = std::string((*results)[2].Text(0, 1))});
  ExportPageWriter writer(query, !after);
  bool more = true;
  while (more) {
    const Rows& rows = results->back();
    const int taken = AddRows(rows, writer, place);
    more = rows.size() == kFetchRows || taken < rows.size();
    if (!more || writer.full() || absl::Now() > give_up) break;
    std::vector<Statement> next;
    next.push_back({kFetch, {}, /*once=*/true});
    results = session.Pipeline(std::move(next));
    if (!results.ok()) return results.status();
  }
  RETURN_IF_ERROR(session.Execute("COMMIT").status());
  ExportPage page = writer.Take();
  if (more) page.next = PlaceText(place);
  return page;
}

}  // namespace

absl::StatusOr<ExportPage> PgExportStore::Export(absl::string_view tenant,
                                                 const ExportQuery& query) {
  ASSIGN_OR_RETURN(auto session, pool_.Take());
  if (query.table == history::ExportTable::kRollups) {
    return ExportRollups(*session, tenant, query);
  }
  return ExportRecords(*session, tenant, query);
}

}  // namespace bursar::postgres
