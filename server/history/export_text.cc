#include "history/export_text.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace bursar::history {
namespace {

constexpr absl::string_view kFormulaStarts = "=+-@\t\r\n";
constexpr absl::string_view kLineEnd = "\r\n";
constexpr size_t kUsdDecimals = 9;

bool NeedsQuotes(char c) { return c == '"' || c == ',' || c == '\r' || c == '\n'; }

void AppendCsvText(absl::string_view value, std::string& out) {
  const bool formula = kFormulaStarts.find(value[0]) != absl::string_view::npos;
  if (std::none_of(value.begin(), value.end(), NeedsQuotes)) {
    if (formula) out += '\'';
    absl::StrAppend(&out, value);
    return;
  }
  out += '"';
  if (formula) out += '\'';
  for (const char c : value) {
    if (c == '"') out += '"';
    out += c;
  }
  out += '"';
}

void AppendJsonText(absl::string_view value, std::string& out) {
  static constexpr char kHex[] = "0123456789abcdef";
  out += '"';
  for (const char c : value) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      absl::StrAppend(&out, "\\u00", absl::string_view(&kHex[(c >> 4) & 15], 1),
                      absl::string_view(&kHex[c & 15], 1));
    } else {
      out += c;
    }
  }
  out += '"';
}

// "3500000" nano-USD -> "0.0035".
void AppendUsd(absl::string_view nanousd, std::string& out) {
  if (nanousd[0] == '-') {
    out += '-';
    nanousd.remove_prefix(1);
  }
  const size_t whole = nanousd.size() > kUsdDecimals ? nanousd.size() - kUsdDecimals : 0;
  absl::StrAppend(&out, whole == 0 ? "0" : nanousd.substr(0, whole));
  const absl::string_view decimals = nanousd.substr(whole);
  const size_t last = decimals.find_last_not_of('0');
  if (last == absl::string_view::npos) return;
  out += '.';
  out.append(kUsdDecimals - decimals.size(), '0');
  absl::StrAppend(&out, decimals.substr(0, last + 1));
}

}  // namespace

ExportText::ExportText(ExportFormat format, const std::vector<ExportColumn>& columns)
    : format_(format), columns_(columns) {
  for (const ExportColumn& column : columns) {
    std::string key;
    AppendJsonText(column.name, key);
    keys_.push_back(key + ":");
  }
}

void ExportText::Names() {
  if (format_ != ExportFormat::kCsv) return;
  for (const ExportColumn& column : columns_) {
    AddCsv(column.name, ExportKind::kText);
    ++column_;
  }
  EndRow();
}

void ExportText::Add(absl::string_view value) {
  const ExportKind kind = columns_[column_].kind;
  if (format_ == ExportFormat::kCsv) {
    AddCsv(value, kind);
  } else {
    AddJson(value, kind);
  }
  ++column_;
}

void ExportText::AddNothing() {
  if (format_ == ExportFormat::kCsv) {
    if (column_ > 0) text_ += ',';
    if (columns_.size() == 1) text_ += "\"\"";  // readers skip a line that is empty
  }
  ++column_;
}

void ExportText::EndRow() {
  if (format_ == ExportFormat::kCsv) {
    absl::StrAppend(&text_, kLineEnd);
  } else {
    absl::StrAppend(&text_, row_empty_ ? "{}\n" : "}\n");
  }
  column_ = 0;
  row_empty_ = true;
}

void ExportText::AddCsv(absl::string_view value, ExportKind kind) {
  if (column_ > 0) text_ += ',';
  if (kind == ExportKind::kText || kind == ExportKind::kJson) {
    AppendCsvText(value, text_);
  } else if (kind == ExportKind::kUsd) {
    AppendUsd(value, text_);
  } else {
    absl::StrAppend(&text_, value);
  }
}

void ExportText::AddJson(absl::string_view value, ExportKind kind) {
  text_ += row_empty_ ? '{' : ',';
  row_empty_ = false;
  text_ += keys_[column_];
  if (kind == ExportKind::kText) {
    AppendJsonText(value, text_);
  } else if (kind == ExportKind::kTime) {
    absl::StrAppend(&text_, "\"", value, "\"");
  } else if (kind == ExportKind::kUsd) {
    AppendUsd(value, text_);
  } else {
    absl::StrAppend(&text_, value);
  }
}

}  // namespace bursar::history
