#include "postgres/export_page_writer.h"

#include "absl/strings/numbers.h"
#include "postgres/timestamp.h"

namespace bursar::postgres {
namespace {

constexpr int64_t kMicrosMax = 253'402'300'799'000'000;  // the year 9999

}  // namespace

void ExportPageWriter::AddCell(absl::string_view value) {
  const history::ExportKind kind = query_.columns[column_++].kind;
  if (value.empty()) return text_.AddNothing();
  if (kind == history::ExportKind::kBool) return text_.Add(value == "t" ? "true" : "false");
  if (kind != history::ExportKind::kTime) return text_.Add(value);
  ToRfc3339({value.data(), value.size()}, time_);
  text_.Add(time_);
}

void ExportPageWriter::EndRow(int64_t cost_nanousd) {
  text_.EndRow();
  column_ = 0;
  ++page_.rows;
  page_.cost_nanousd += cost_nanousd;
}

history::ExportPage ExportPageWriter::Take() {
  page_.data = text_.Take();
  return std::move(page_);
}

bool ReadMicros(absl::string_view text, absl::Time& time) {
  int64_t micros = 0;
  if (!absl::SimpleAtoi(text, &micros) || micros < 0 || micros > kMicrosMax) return false;
  time = absl::FromUnixMicros(micros);
  return true;
}

}  // namespace bursar::postgres
