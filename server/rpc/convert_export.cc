#include "rpc/convert.h"
#include "rpc/page_token.h"
#include "status_macros.h"
#include "usage/field_error.h"

namespace bursar::rpc {
namespace {

using Request = v1::ExportUsageRequest;

void Add(const google::protobuf::Timestamp& time, ledger::IdHash& hash) {
  hash.Add(time.seconds()).Add(int64_t{time.nanos()});
}

// What a cursor belongs to: all that decides the rows and how they are written.
ledger::Id QuestionOf(const Request& request, absl::string_view tenant) {
  ledger::IdHash hash("export_usage");
  hash.Add(tenant);
  Add(request.start_time(), hash);
  hash.Add(int64_t{request.has_end_time()});
  Add(request.end_time(), hash);
  hash.Add(static_cast<int64_t>(request.table())).Add(static_cast<int64_t>(request.format()));
  hash.Add(int64_t{request.columns_size()});
  for (const std::string& column : request.columns()) hash.Add(column);
  if (const auto filters = FromProto(request.filters()); filters.ok()) AddFilters(*filters, hash);
  return hash.Finish();
}

absl::Status ReadKinds(const Request& request, history::ExportQuery& query) {
  if (!Request::Table_IsValid(request.table())) {
    return usage::FieldError("table", "is none that is known: RECORDS or ROLLUPS");
  }
  if (!Request::Format_IsValid(request.format())) {
    return usage::FieldError("format", "is none that is known: CSV or JSONL");
  }
  if (request.table() == Request::TABLE_ROLLUPS) query.table = history::ExportTable::kRollups;
  if (request.format() == Request::FORMAT_JSONL) query.format = history::ExportFormat::kJsonl;
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<history::ExportQuery> ToExportQuery(const Request& request,
                                                   absl::string_view tenant) {
  history::ExportQuery query{.start = absl::InfinitePast(),
                             .end = absl::InfiniteFuture(),
                             .page_size = request.page_size()};
  RETURN_IF_ERROR(ReadKinds(request, query));
  if (request.has_start_time()) {
    ASSIGN_OR_RETURN(query.start, FromProto("start_time", request.start_time()));
  }
  if (request.has_end_time()) {
    ASSIGN_OR_RETURN(query.end, FromProto("end_time", request.end_time()));
  }
  ASSIGN_OR_RETURN(query.filters, FromProto(request.filters()));
  RETURN_IF_ERROR(
      history::PrepareExport(query, {request.columns().begin(), request.columns().end()}));
  auto place = PlaceOf(request.cursor(), QuestionOf(request, tenant));
  if (!place.ok()) return history::NoCursor();
  query.after = *std::move(place);
  return query;
}

void ToProto(const Request& request, absl::string_view tenant, history::ExportPage page,
             v1::ExportUsageResponse& response) {
  response.set_data(std::move(page.data));
  response.set_rows(page.rows);
  response.set_cost_nanousd(page.cost_nanousd);
  if (!page.next.empty()) {
    response.set_next_cursor(PageToken(QuestionOf(request, tenant), page.next));
  }
}

}  // namespace bursar::rpc
