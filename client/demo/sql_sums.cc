#include "demo/sql_sums.h"

#include <libpq-fe.h>

#include <charconv>
#include <memory>

#include "src/text.h"

namespace bursar::demo {
namespace {

using Connection = std::unique_ptr<PGconn, decltype(&PQfinish)>;
using Result = std::unique_ptr<PGresult, decltype(&PQclear)>;

constexpr char kRecords[] =
    "SELECT coalesce(sum(cost_nanousd), 0)::bigint, count(*) FROM usage_record";
constexpr char kBudgets[] =
    "SELECT b.budget_id, coalesce(sum(c.spent), 0)::bigint, coalesce(sum(c.reserved), 0)::bigint"
    "  FROM budget b LEFT JOIN counter c ON c.budget_uid = b.uid"
    " WHERE b.delete_time IS NULL AND b.unit = 1 GROUP BY b.budget_id ORDER BY b.budget_id";

int64_t Number(const Result& result, int row, int column) {
  int64_t number = 0;
  const char* text = PQgetvalue(result.get(), row, column);
  std::from_chars(text, text + PQgetlength(result.get(), row, column), number);
  return number;
}

StatusOr<Result> Query(const Connection& connection, const char* sql) {
  Result result(PQexec(connection.get(), sql), PQclear);
  if (PQresultStatus(result.get()) == PGRES_TUPLES_OK) return result;
  return Status(StatusCode::kInternal,
                "the database refused a query: " +
                    std::string(internal::Trim(PQerrorMessage(connection.get()))));
}

}  // namespace

StatusOr<SqlSums> ReadSqlSums(const std::string& database_url) {
  const Connection connection(PQconnectdb(database_url.c_str()), PQfinish);
  if (PQstatus(connection.get()) != CONNECTION_OK) {
    return Status(StatusCode::kUnavailable,
                  "cannot reach the database: " +
                      std::string(internal::Trim(PQerrorMessage(connection.get()))));
  }
  const auto records = Query(connection, kRecords);
  if (!records.ok()) return records.status();
  const auto budgets = Query(connection, kBudgets);
  if (!budgets.ok()) return budgets.status();

  SqlSums sums{.cost_nanousd = Number(*records, 0, 0), .records = Number(*records, 0, 1)};
  for (int row = 0; row < PQntuples(budgets->get()); ++row) {
    sums.budgets.push_back(
        {PQgetvalue(budgets->get(), row, 0), Number(*budgets, row, 1), Number(*budgets, row, 2)});
  }
  return sums;
}

}  // namespace bursar::demo
