#pragma once

#include <span>
#include <string>

#include "absl/strings/str_cat.h"
#include "postgres/array.h"
#include "postgres/session.h"

namespace bursar::postgres {

// One column of rows that are written many at a time: COPY is refused under row-level security, so
// they travel as one array parameter for each column and unnest() makes rows of them.
template <typename Row>
struct Column {
  const char* name;
  const char* element_type;  // of the array parameter
  const char* cast;  // "::uuid[]" where an element is an array or JSON in text form; else ""
  void (*add)(const Row& row, Array& array);
};

// "name, name, ..."
template <typename Row>
std::string ColumnNames(std::span<const Column<Row>> columns) {
  std::string names;
  for (const auto& column : columns) {
    absl::StrAppend(&names, names.empty() ? "" : ", ", column.name);
  }
  return names;
}

// "SELECT $1, c0, c1::uuid[] ... FROM unnest($2::uuid[], $3::text[]) AS rows(c0, c1)": $1 is the
// tenant.
template <typename Row>
std::string SelectUnnested(std::span<const Column<Row>> columns) {
  std::string select = "SELECT $1", arrays, names;
  for (size_t i = 0; i < columns.size(); ++i) {
    absl::StrAppend(&select, ", c", i, columns[i].cast);
    absl::StrAppend(&arrays, i == 0 ? "" : ", ", "$", i + 2, "::", columns[i].element_type, "[]");
    absl::StrAppend(&names, i == 0 ? "" : ", ", "c", i);
  }
  return absl::StrCat(select, " FROM unnest(", arrays, ") AS rows(", names, ")");
}

// The parameters of SelectUnnested: the tenant, then a column's values each.
template <typename Row>
Params UnnestParams(absl::string_view tenant, std::span<const Column<Row>> columns,
                    std::span<const Row* const> rows) {
  Params params;
  params.Text(tenant);
  for (const auto& column : columns) {
    Array array;
    for (const Row* row : rows) column.add(*row, array);
    params.Text(array.Literal());
  }
  return params;
}

}  // namespace bursar::postgres
