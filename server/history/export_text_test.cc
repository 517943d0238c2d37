#include "history/export_text.h"

#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "history/export.h"

namespace bursar::history {
namespace {

std::string Line(ExportFormat format, ExportKind kind, absl::string_view value) {
  const std::vector<ExportColumn> columns = {{"x", kind}};
  ExportText text(format, columns);
  text.Add(value);
  text.EndRow();
  return text.Take();
}

std::string Csv(absl::string_view value, ExportKind kind = ExportKind::kText) {
  const std::string line = Line(ExportFormat::kCsv, kind, value);
  EXPECT_EQ(line.substr(line.size() - 2), "\r\n");
  return line.substr(0, line.size() - 2);
}

TEST(ExportText, GuardsTextThatASpreadsheetWouldTakeForAFormula) {
  EXPECT_EQ(Csv("=1+1"), "'=1+1");
  EXPECT_EQ(Csv("+1"), "'+1");
  EXPECT_EQ(Csv("-1"), "'-1");
  EXPECT_EQ(Csv("@SUM(A1)"), "'@SUM(A1)");
  EXPECT_EQ(Csv("\t=1"), "'\t=1");
  EXPECT_EQ(Csv("\r=1"), "\"'\r=1\"");
  EXPECT_EQ(Csv("=HYPERLINK(\"http://x\",\"y\")"), "\"'=HYPERLINK(\"\"http://x\"\",\"\"y\"\")\"");
  EXPECT_EQ(Csv("a=b"), "a=b");
  EXPECT_EQ(Csv("'=1"), "'=1");
}

TEST(ExportText, LeavesNumbersAndTimesAsTheyAre) {
  EXPECT_EQ(Csv("-12", ExportKind::kInteger), "-12");
  EXPECT_EQ(Csv("-1", ExportKind::kUsd), "-0.000000001");
  EXPECT_EQ(Csv("2026-11-22T12:00:00.000000Z", ExportKind::kTime), "2026-11-22T12:00:00.000000Z");
  EXPECT_EQ(Csv("true", ExportKind::kBool), "true");
}

TEST(ExportText, QuotesAsRfc4180Says) {
  EXPECT_EQ(Csv("plain"), "plain");
  EXPECT_EQ(Csv("a,b"), "\"a,b\"");
  EXPECT_EQ(Csv("say \"hi\""), "\"say \"\"hi\"\"\"");
  EXPECT_EQ(Csv("two\nlines"), "\"two\nlines\"");
  EXPECT_EQ(Csv("Żółć 例 🙂"), "Żółć 例 🙂");
  EXPECT_EQ(Csv("{\"env\": \"prod\"}", ExportKind::kJson), "\"{\"\"env\"\": \"\"prod\"\"}\"");
}

TEST(ExportText, WritesMoneyExactly) {
  const std::pair<const char*, const char*> cases[] = {
      {"0", "0"},
      {"1", "0.000000001"},
      {"3500000", "0.0035"},
      {"1000000000", "1"},
      {"12500000000", "12.5"},
      {"100000000", "0.1"},
      {"-1000000001", "-1.000000001"},
      {"-12000000000", "-12"},
      {"9223372036854775807", "9223372036.854775807"},
      {"-9223372036854775808", "-9223372036.854775808"},
  };
  for (const auto& [nanousd, usd] : cases) {
    EXPECT_EQ(Csv(nanousd, ExportKind::kUsd), usd);
    EXPECT_EQ(Line(ExportFormat::kJsonl, ExportKind::kUsd, nanousd),
              absl::StrCat("{\"x\":", usd, "}\n"));
  }
}

TEST(ExportText, WritesJsonThatAnyReaderTakes) {
  EXPECT_EQ(Line(ExportFormat::kJsonl, ExportKind::kText, "a\"b\\c\n\t\x1f=1 🙂"),
            "{\"x\":\"a\\\"b\\\\c\\u000a\\u0009\\u001f=1 🙂\"}\n");
  EXPECT_EQ(Line(ExportFormat::kJsonl, ExportKind::kInteger, "-9007199254740993"),
            "{\"x\":-9007199254740993}\n");
  EXPECT_EQ(Line(ExportFormat::kJsonl, ExportKind::kJson, "{\"env\": \"prod\"}"),
            "{\"x\":{\"env\": \"prod\"}}\n");
}

TEST(ExportText, LeavesOutWhatARecordDoesNotHave) {
  const std::vector<ExportColumn> columns = {
      {"a", ExportKind::kText}, {"b", ExportKind::kInteger}, {"c", ExportKind::kText}};
  for (const auto format : {ExportFormat::kCsv, ExportFormat::kJsonl}) {
    ExportText text(format, columns);
    text.Names();
    text.AddNothing();
    text.Add("1");
    text.AddNothing();
    text.EndRow();
    for (int i = 0; i < 3; ++i) text.AddNothing();
    text.EndRow();
    EXPECT_EQ(text.text(),
              format == ExportFormat::kCsv ? "a,b,c\r\n,1,\r\n,,\r\n" : "{\"b\":1}\n{}\n");
  }
}

TEST(ExportText, HasNoEmptyLines) {
  const std::vector<ExportColumn> columns = {{"a", ExportKind::kText}};
  ExportText text(ExportFormat::kCsv, columns);
  text.AddNothing();
  text.EndRow();
  EXPECT_EQ(text.text(), "\"\"\r\n");
}

TEST(PrepareExport, NamesTheColumnsThereAre) {
  ExportQuery query{.start = absl::UnixEpoch(), .end = absl::InfiniteFuture()};
  const absl::Status status = PrepareExport(query, {"usr"});
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  const std::string text(status.message());
  EXPECT_NE(text.find("columns: is \"usr\"; allowed are charge_time, usage_id"), std::string::npos)
      << text;
  EXPECT_NE(text.find("user, agent"), std::string::npos) << text;
  EXPECT_NE(text.find("and label:<name>"), std::string::npos) << text;
}

TEST(PrepareExport, RefusesWhatIsNoQuestion) {
  const absl::Time day = absl::UnixEpoch() + absl::Hours(24);
  const auto message = [&](absl::Time start, absl::Time end, int page_size,
                           std::vector<std::string> names) {
    ExportQuery query{.start = start, .end = end, .page_size = page_size};
    return std::string(PrepareExport(query, names).message());
  };
  EXPECT_EQ(message(day, absl::InfiniteFuture(), 0, {"user", "label:env", "cost_usd"}), "");
  EXPECT_NE(message(absl::InfinitePast(), day, 0, {}).find("start_time: is missing"),
            std::string::npos);
  EXPECT_NE(message(day, day, 0, {}).find("end_time: must be after"), std::string::npos);
  EXPECT_NE(message(day, day + absl::Hours(24 * 366 * 100), 0, {}).find("20 years"),
            std::string::npos);
  EXPECT_NE(message(day, absl::InfiniteFuture(), 10'001, {}).find("page_size: is 10001"),
            std::string::npos);
  EXPECT_NE(message(day, absl::InfiniteFuture(), 0, {"user", "user"}).find("names user twice"),
            std::string::npos);
}

}  // namespace
}  // namespace bursar::history
