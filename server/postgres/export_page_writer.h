#pragma once

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "history/export.h"

namespace bursar::postgres {

inline constexpr absl::Duration kExportPageTime =
    absl::Seconds(1);  // how long a page looks for rows

// A page of an export that grows with the values that PostgreSQL gave, as text. For one thread.
class ExportPageWriter {
 public:
  ExportPageWriter(const history::ExportQuery& query, bool first)
      : query_(query), text_(query.format, query.columns) {
    if (first) text_.Names();
  }

  // With its longest row it stays below the 4 MiB that gRPC's clients take.
  bool full() const { return page_.rows >= query_.page_size || text_.text().size() >= kPageBytes; }
  int64_t rows_left() const { return query_.page_size - page_.rows; }
  int columns() const { return static_cast<int>(query_.columns.size()); }

  void AddCell(absl::string_view value);  // empty: there is none
  void EndRow(int64_t cost_nanousd);
  history::ExportPage Take();

 private:
  static constexpr size_t kPageBytes = 3'500 << 10;

  const history::ExportQuery& query_;
  history::ExportText text_;
  size_t column_ = 0;
  std::string time_;
  history::ExportPage page_;
};

// Microseconds as a place says them; false for what is no time.
bool ReadMicros(absl::string_view text, absl::Time& time);

}  // namespace bursar::postgres
