#pragma once

#include <span>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "postgres/array.h"
#include "postgres/session.h"

namespace bursar::postgres {

// Rows that are written many at a time: COPY is refused under row-level security, so they travel as
// one array parameter for each column, and unnest() makes rows of them.
template <typename Row>
struct Column {
  const char* name;
  Element element;
  const char*
      cast;  // "::jsonb" where the column is of another type than the parameter's elements; else ""
  void (*add)(const Row& row, Array& array);
};

// A column that is an array itself. unnest() would flatten arrays of arrays, so the items of all
// rows travel in one flat array, and each row takes its slice.
template <typename Row>
struct ListColumn {
  const char* name;
  Element element;
  void (*add)(const Row& row, Array& array);  // every item of the row
};

template <typename Row>
struct Columns {
  std::span<const Column<Row>> plain;
  std::span<const ListColumn<Row>> lists = {};  // all of a row's lists have the same length:
  size_t (*list_size)(const Row& row) = nullptr;
};

inline const char* TypeName(Element element) {
  switch (element) {
    case Element::kBool:
      return "boolean";
    case Element::kBigint:
      return "bigint";
    case Element::kSmallint:
      return "smallint";
    case Element::kInteger:
      return "integer";
    case Element::kText:
      return "text";
    case Element::kTimestamptz:
      return "timestamptz";
    case Element::kUuid:
      return "uuid";
  }
  return "";
}

// "id, request_id, hold_counters"
template <typename Row>
std::string ColumnNames(const Columns<Row>& columns) {
  std::string names;
  for (const auto& column : columns.plain) {
    absl::StrAppend(&names, names.empty() ? "" : ", ", column.name);
  }
  for (const auto& list : columns.lists) absl::StrAppend(&names, ", ", list.name);
  return names;
}

// "SELECT $1 AS tenant_id, id, labels::jsonb, ($9::uuid[])[first_item:last_item] AS hold_counters
// FROM unnest($2::uuid[], ...) AS rows(id, ...)": the tenant is $1, the columns follow, then the
// lists.
template <typename Row>
std::string SelectUnnested(const Columns<Row>& columns) {
  std::string select = "SELECT $1 AS tenant_id", arrays, names;
  int next = 2;
  auto add_array = [&](const char* name, Element element) {
    absl::StrAppend(&arrays, next == 2 ? "" : ", ", "$", next, "::", TypeName(element), "[]");
    absl::StrAppend(&names, next == 2 ? "" : ", ", name);
    ++next;
  };
  for (const auto& column : columns.plain) {
    absl::StrAppend(&select, ", ", column.name, column.cast);
    add_array(column.name, column.element);
  }
  if (!columns.lists.empty()) {
    add_array("first_item", Element::kInteger);
    add_array("last_item", Element::kInteger);
  }
  for (const auto& list : columns.lists) {
    absl::StrAppend(&select, ", ($", next++, "::", TypeName(list.element),
                    "[])[first_item:last_item] AS ", list.name);
  }
  return absl::StrCat(select, " FROM unnest(", arrays, ") AS rows(", names, ")");
}

// The parameters of SelectUnnested.
template <typename Row>
Params UnnestParams(absl::string_view tenant, const Columns<Row>& columns,
                    std::span<const Row* const> rows) {
  Params params;
  params.Text(tenant);
  for (const auto& column : columns.plain) {
    Array array(column.element);
    for (const Row* row : rows) column.add(*row, array);
    params.Add(array);
  }
  if (columns.lists.empty()) return params;
  Array first_items(Element::kInteger), last_items(Element::kInteger);
  int64_t items = 0;
  for (const Row* row : rows) {
    first_items.Int(items + 1);
    items += static_cast<int64_t>(columns.list_size(*row));
    last_items.Int(items);
  }
  params.Add(first_items).Add(last_items);
  for (const auto& list : columns.lists) {
    Array flat(list.element);
    for (const Row* row : rows) list.add(*row, flat);
    params.Add(flat);
  }
  return params;
}

// The same for one row alone, which needs no arrays but those that are its own: "SELECT $1 AS
// tenant_id, $2::uuid AS id, $9::text::jsonb AS labels, $10::uuid[] AS hold_counters". To unnest
// one row of many columns takes PostgreSQL longer than to write it.
template <typename Row>
std::string SelectOne(const Columns<Row>& columns) {
  std::string select = "SELECT $1 AS tenant_id";
  int next = 2;
  for (const auto& column : columns.plain) {
    absl::StrAppend(&select, ", $", next++, "::", TypeName(column.element), column.cast, " AS ",
                    column.name);
  }
  for (const auto& list : columns.lists) {
    absl::StrAppend(&select, ", $", next++, "::", TypeName(list.element), "[] AS ", list.name);
  }
  return select;
}

// The parameters of SelectOne.
template <typename Row>
Params OneRowParams(absl::string_view tenant, const Columns<Row>& columns, const Row& row) {
  Params params;
  params.Text(tenant);
  for (const auto& column : columns.plain) {
    Array array(column.element);
    column.add(row, array);
    params.AddOnly(array);
  }
  for (const auto& list : columns.lists) {
    Array items(list.element);
    list.add(row, items);
    params.Add(items);
  }
  return params;
}

}  // namespace bursar::postgres
