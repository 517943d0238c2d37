// What ExportUsage gives and `bursar export` writes: every record once, exactly, whatever happens
// meanwhile.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "integration/fleet.h"
#include "integration/started_program.h"

namespace bursar::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

using Row = std::map<std::string, std::string>;

// RFC 4180, as any reader would take it.
std::vector<std::vector<std::string>> ReadCsv(const std::string& text) {
  std::vector<std::vector<std::string>> lines;
  std::vector<std::string> cells(1);
  bool quoted = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted && c == '"' && i + 1 < text.size() && text[i + 1] == '"') {
      cells.back() += text[++i];
    } else if (c == '"') {
      quoted = !quoted;
    } else if (!quoted && c == ',') {
      cells.emplace_back();
    } else if (!quoted && c == '\r') {
      EXPECT_EQ(text[++i], '\n');
      lines.push_back(std::move(cells));
      cells.assign(1, "");
    } else {
      cells.back() += c;
    }
  }
  EXPECT_FALSE(quoted);
  EXPECT_EQ(cells, std::vector<std::string>{""}) << "the last line has no end";
  return lines;
}

std::vector<Row> RowsOf(const std::string& csv) {
  const auto lines = ReadCsv(csv);
  std::vector<Row> rows;
  for (size_t i = 1; i < lines.size(); ++i) {
    EXPECT_EQ(lines[i].size(), lines[0].size()) << "line " << i;
    Row row;
    for (size_t j = 0; j < lines[i].size(); ++j) row[lines[0][j]] = lines[i][j];
    rows.push_back(std::move(row));
  }
  return rows;
}

v1::ExportUsageRequest OfADay() {
  v1::ExportUsageRequest request;
  request.mutable_start_time()->set_seconds(absl::ToUnixSeconds(absl::Now()) - 86400);
  return request;
}

// All pages of an export as one text.
struct Exported {
  std::string data;
  int64_t rows = 0, cost = 0;
  int pages = 0;
};

Exported Export(
    RpcClient& client, v1::ExportUsageRequest request,
    const std::function<void()>& between = [] {}) {
  Exported all;
  do {
    v1::ExportUsageResponse page;
    const grpc::Status status = client.Call(&Telemetry::ExportUsage, request, page);
    EXPECT_TRUE(status.ok()) << status.error_message();
    if (!status.ok()) return all;
    EXPECT_LE(page.rows(), request.page_size() > 0 ? request.page_size() : 10'000);
    all.data += page.data();
    all.rows += page.rows();
    all.cost += page.cost_nanousd();
    ++all.pages;
    request.set_cursor(page.next_cursor());
    between();
  } while (!request.cursor().empty());
  return all;
}

void Record(RpcClient& client, const v1::RecordUsageRequest& record) {
  v1::RecordUsageResponse response;
  const grpc::Status status = client.Record(record, response);
  EXPECT_TRUE(status.ok()) << status.error_message();
}

// Records as SQL writes them, `count` of them, one each millisecond until now; what is in the table
// is what the export must say.
void Fill(const TestDatabase& database, int count) {
  const std::string sql = absl::StrCat(R"(
    INSERT INTO usage_record (receive_time, id, tenant_id, usage_id, charge_time, user_name, model,
      provider, event_type, outcome, calls, attempt, cost_nanousd, cost_basis, price_version,
      unpriced,
      uncached_input_tokens, cache_read_tokens, cache_write_5m_tokens, cache_write_1h_tokens,
      visible_output_tokens, reasoning_tokens, input_audio_tokens, output_audio_tokens,
      input_image_tokens, output_image_tokens, charged_counters, charged_amounts, released_nanousd,
      overrun_nanousd, late)
    SELECT at, md5(i::text)::uuid, 'default', 'u' || i, at, 'user-' || i % 1000, 'm', 'p',
      'model_call', 1, 1, 1, i, 1, '1', 0, i, 0, 0, 0, 0, 0, 0, 0, 0, 0, '{}', '{}', 0, 0, false
    FROM (SELECT i, now() - i * interval '1 millisecond' AS at
          FROM generate_series(1, )",
                                       count, ") AS i) AS made");
  const auto done = database.Connect()->Execute(sql.c_str());
  ASSERT_TRUE(done.ok()) << done.status();
}

TEST(Export, IsWhatSqlSumsHoweverItIsPaged) {
  Fleet fleet(2);
  v1::BatchRecordUsageRequest batch;
  for (int i = 0; i < 300; ++i) {
    auto record = RecordOf(absl::StrCat("u", i), i * 1'234'567 % 999'999'937);
    record.mutable_subject()->set_user(absl::StrCat("user-", i % 7));
    record.set_outcome(i % 5 == 0 ? v1::OUTCOME_FAILED : v1::OUTCOME_SUCCEEDED);
    *batch.add_records() = record;
  }
  v1::BatchRecordUsageResponse recorded;
  ASSERT_TRUE(fleet.client(0).Call(&Telemetry::BatchRecordUsage, batch, recorded).ok());
  auto request = OfADay();
  const Exported whole = Export(fleet.client(0), request);
  EXPECT_EQ(whole.rows, 300);
  EXPECT_EQ(whole.cost, fleet.Number("SELECT sum(cost_nanousd) FROM usage_record"));
  for (int page_size : {1, 7, 100, 300}) {
    request.set_page_size(page_size);
    const Exported paged = Export(fleet.client(page_size), request);
    EXPECT_EQ(paged.data, whole.data) << "pages of " << page_size;
    EXPECT_EQ(paged.cost, whole.cost);
    EXPECT_GE(paged.pages, 300 / page_size);
  }
  const auto rows = RowsOf(whole.data);
  ASSERT_EQ(rows.size(), 300u);
  std::set<std::string> ids;
  int64_t cost = 0;
  std::string before;
  for (const Row& row : rows) {
    ids.insert(row.at("usage_id"));
    cost += std::stoll(row.at("cost_nanousd"));
    EXPECT_GE(row.at("charge_time"), before);
    before = row.at("charge_time");
    if (ids.size() % 10 != 0) continue;
    const std::string exact = fleet.Sql(
        absl::StrCat("SELECT trim_scale(cost_nanousd::numeric / 1000000000)::text || user_name || "
                     "CASE outcome WHEN 2 THEN 'FAILED' ELSE 'SUCCEEDED' END || "
                     "to_char(charge_time, 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') "
                     "FROM usage_record WHERE usage_id = '",
                     row.at("usage_id"), "'"));
    EXPECT_EQ(row.at("cost_usd") + row.at("user") + row.at("outcome") + row.at("charge_time"),
              exact);
  }
  EXPECT_EQ(ids.size(), 300u);
  EXPECT_EQ(cost, whole.cost);
}

TEST(Export, KeepsTextAsItIsButForFormulas) {
  Fleet fleet(1);
  const std::vector<std::string> users = {
      "=1+1",       "+49 30",        "-x",   "@sum", "a,b",
      "say \"hi\"", "Żółć 🙂", "'tis", "a=b",  "{\"a\": 1}"};
  for (size_t i = 0; i < users.size(); ++i) {
    auto record = RecordOf(absl::StrCat("u", i), 1);
    record.mutable_subject()->set_user(users[i]);
    (*record.mutable_subject()->mutable_labels())["env"] = users[i];
    Record(fleet.client(0), record);
  }
  fleet.Sql("UPDATE usage_record SET step = E'two\\r\\nlines, \"both\"'");
  auto request = OfADay();
  for (const char* column : {"usage_id", "user", "label:env", "step", "labels"}) {
    request.add_columns(column);
  }
  const auto rows = RowsOf(Export(fleet.client(0), request).data);
  ASSERT_EQ(rows.size(), users.size());
  for (const Row& row : rows) {
    const std::string& user = users[std::stoi(row.at("usage_id").substr(1))];
    const bool formula = absl::string_view("=+-@").find(user[0]) != absl::string_view::npos;
    EXPECT_EQ(row.at("user"), (formula ? "'" : "") + user);
    EXPECT_EQ(row.at("label:env"), row.at("user"));
    EXPECT_EQ(row.at("step"), "two\r\nlines, \"both\"");
    EXPECT_EQ(nlohmann::json::parse(row.at("labels")), (nlohmann::json{{"env", user}}));
  }
  request.set_format(v1::ExportUsageRequest::FORMAT_JSONL);
  int lines = 0;
  for (const auto line : absl::StrSplit(Export(fleet.client(0), request).data, '\n')) {
    if (line.empty()) continue;
    const auto json = nlohmann::json::parse(line.begin(), line.end());
    const std::string& user = users[std::stoi(json["usage_id"].get<std::string>().substr(1))];
    EXPECT_EQ(json["user"], user);
    EXPECT_EQ(json["labels"], (nlohmann::json{{"env", user}}));
    EXPECT_EQ(json["step"], "two\r\nlines, \"both\"");
    ++lines;
  }
  EXPECT_EQ(lines, static_cast<int>(users.size()));
}

// In both forms every column, named or not, says what the table says.
TEST(Export, HasEveryColumnInBothForms) {
  Fleet fleet(1);
  auto record = RecordOf("u1", 3'500'000);
  record.mutable_latency()->set_nanos(850'000'000);
  record.mutable_error()->set_type("timeout");
  record.mutable_error()->set_category(v1::CallError::CATEGORY_TIMEOUT);
  record.set_outcome(v1::OUTCOME_FAILED);
  record.set_attempt(2);
  Record(fleet.client(0), record);
  const auto rows = RowsOf(Export(fleet.client(0), OfADay()).data);
  ASSERT_EQ(rows.size(), 1u);
  const Row& row = rows[0];
  EXPECT_EQ(row.at("cost_usd"), "0.0035");
  EXPECT_EQ(row.at("cost_basis"), "DECLARED");
  EXPECT_EQ(row.at("latency_us"), "850000");
  EXPECT_EQ(row.at("error_type"), "timeout");
  EXPECT_EQ(row.at("error_category"), "TIMEOUT");
  EXPECT_EQ(row.at("outcome"), "FAILED");
  EXPECT_EQ(row.at("attempt"), "2");
  EXPECT_EQ(row.at("late"), "false");
  EXPECT_EQ(row.at("adjusts"), "");
  EXPECT_EQ(row.at("record_id"), fleet.Sql("SELECT id FROM usage_record"));
  auto request = OfADay();
  request.set_format(v1::ExportUsageRequest::FORMAT_JSONL);
  const auto json = nlohmann::json::parse(Export(fleet.client(0), request).data);
  for (const auto& [name, value] : row) {
    if (value.empty()) {
      EXPECT_FALSE(json.contains(name)) << name;
    } else if (json.at(name).is_string()) {
      EXPECT_EQ(json.at(name), value) << name;
    } else {
      EXPECT_EQ(json.at(name), nlohmann::json::parse(value)) << name;
    }
  }
  EXPECT_TRUE(json["cost_nanousd"].is_number_integer());
}

TEST(Export, FiltersWithoutLosingItsPlace) {
  Fleet fleet(1);
  Fill(fleet.database(), 20'000);
  auto request = OfADay();
  auto* filter = request.add_filters();
  filter->set_dimension("user");
  filter->add_values("user-77");
  filter->add_values("user-78");
  for (int page_size : {3, 10'000}) {
    request.set_page_size(page_size);
    const Exported some = Export(fleet.client(0), request);
    EXPECT_EQ(some.rows, 40);
    EXPECT_EQ(some.cost, fleet.Number("SELECT sum(cost_nanousd) FROM usage_record "
                                      "WHERE user_name IN ('user-77', 'user-78')"));
    for (const Row& row : RowsOf(some.data)) {
      EXPECT_THAT(row.at("user"), ::testing::AnyOf("user-77", "user-78"));
    }
  }
  filter->set_exclude(true);
  EXPECT_EQ(Export(fleet.client(0), request).rows, 20'000 - 40);
}

TEST(Export, RollupsSumToTheRecordsInEveryFamily) {
  Fleet fleet(1);
  v1::BatchRecordUsageRequest batch;
  for (int i = 0; i < 200; ++i) {
    auto record = RecordOf(absl::StrCat("u", i), i * 1'234'567 % 999'937);
    record.mutable_subject()->set_user(absl::StrCat("user-", i % 7));
    record.mutable_subject()->set_agent(absl::StrCat("agent-", i % 3));
    record.mutable_occur_time()->set_seconds(absl::ToUnixSeconds(absl::Now()) - i % 4 * 86'400);
    *batch.add_records() = record;
  }
  v1::BatchRecordUsageResponse recorded;
  ASSERT_TRUE(fleet.client(0).Call(&Telemetry::BatchRecordUsage, batch, recorded).ok());
  auto request = OfADay();
  request.mutable_start_time()->set_seconds(OfADay().start_time().seconds() - 10 * 86'400);
  request.mutable_end_time()->set_seconds(OfADay().start_time().seconds() + 86'400 + 600);
  request.set_table(v1::ExportUsageRequest::TABLE_ROLLUPS);
  const Exported whole = Export(fleet.client(0), request);
  std::map<std::string, int64_t> cost, records, of_user_and_day;
  for (const Row& row : RowsOf(whole.data)) {
    cost[row.at("family")] += std::stoll(row.at("cost_nanousd"));
    records[row.at("family")] += std::stoll(row.at("records"));
    EXPECT_EQ(row.at("day").substr(10), "T00:00:00.000000Z");
    if (row.at("family") != "user") continue;
    EXPECT_EQ(row.at("agent"), "") << "that is of other families";
    of_user_and_day[row.at("day").substr(0, 10) + row.at("user")] +=
        std::stoll(row.at("cost_nanousd"));
  }
  EXPECT_EQ(cost.size(), 6u);
  for (const auto& [family, sum] : cost) {
    EXPECT_EQ(sum, fleet.Number("SELECT sum(cost_nanousd) FROM usage_record")) << family;
    EXPECT_EQ(records[family], 200) << family;
  }
  EXPECT_EQ(of_user_and_day.size(), 28u);
  for (const auto& [key, sum] : of_user_and_day) {
    EXPECT_EQ(sum, fleet.Number(absl::StrCat(
                       "SELECT sum(cost_nanousd) FROM usage_record WHERE user_name = '",
                       key.substr(10), "' AND charge_time::date = '", key.substr(0, 10), "'")));
  }
  EXPECT_EQ(whole.cost, 6 * cost["user"]);
  for (int page_size : {1, 7, 50}) {
    request.set_page_size(page_size);
    EXPECT_EQ(Export(fleet.client(0), request).data, whole.data) << "pages of " << page_size;
  }
  request.set_page_size(20);
  int arrived = 0;
  const Exported meanwhile = Export(fleet.client(0), request, [&] {
    Record(fleet.client(0), RecordOf(absl::StrCat("new", arrived++), 1'000'000));
  });
  EXPECT_EQ(meanwhile.data, whole.data) << "what came since its first page is in it";
  EXPECT_GT(arrived, 3);
  request.set_cursor("");
  request.add_filters()->set_dimension("user");
  request.mutable_filters(0)->add_values("user-1");
  v1::ExportUsageResponse page;
  const grpc::Status status = fleet.client(0).Call(&Telemetry::ExportUsage, request, page);
  EXPECT_THAT(DetailsOf(status).fields, ElementsAre("filters"));
}

TEST(Export, EndsAPageBeforeItIsTooBigForAnyClient) {
  Fleet fleet(1);
  Fill(fleet.database(), 25'000);
  auto request = OfADay();
  v1::ExportUsageResponse page;
  ASSERT_TRUE(fleet.client(0).Call(&Telemetry::ExportUsage, request, page).ok());
  EXPECT_LE(page.rows(), 10'000);
  request.set_format(v1::ExportUsageRequest::FORMAT_JSONL);
  ASSERT_TRUE(fleet.client(0).Call(&Telemetry::ExportUsage, request, page).ok());
  EXPECT_LT(page.data().size(), 4u << 20);
  EXPECT_LT(page.rows(), 10'000);
  EXPECT_EQ(Export(fleet.client(0), request).rows, 25'000);
}

// What is committed between two pages is not in the export, however old it says it is; what was
// there is in it once.
TEST(Export, IsWhatItsFirstPageSawWhileRecordsArrive) {
  Fleet fleet(2);
  Fill(fleet.database(), 500);
  auto waiting = fleet.database().Connect();
  ASSERT_TRUE(waiting->Execute("BEGIN").ok());
  ASSERT_TRUE(waiting
                  ->Execute("UPDATE usage_record SET usage_id = 'changed' "
                            "WHERE usage_id IN ('u1', 'u250', 'u499')")
                  .ok());  // uncommitted versions of rows, older than the export
  auto request = OfADay();
  request.set_page_size(50);
  int arrived = 0;
  const Exported all = Export(fleet.client(0), request, [&] {
    auto record = RecordOf(absl::StrCat("new", arrived++), 1'000'000);
    record.mutable_occur_time()->set_seconds(absl::ToUnixSeconds(absl::Now()) - 3600);
    Record(fleet.client(1), record);
    record.set_usage_id(absl::StrCat("new", arrived++));
    record.clear_occur_time();
    Record(fleet.client(1), record);
  });
  EXPECT_GE(arrived, 20);
  EXPECT_EQ(all.rows, 500);
  EXPECT_EQ(all.cost, 500 * 501 / 2);
  std::set<std::string> ids;
  for (const Row& row : RowsOf(all.data)) ids.insert(row.at("usage_id"));
  EXPECT_EQ(ids.size(), 500u);
  EXPECT_EQ(ids.count("new0") + ids.count("new1") + ids.count("changed"), 0u);
  ASSERT_TRUE(waiting->Execute("ROLLBACK").ok());
  EXPECT_EQ(Export(fleet.client(0), request).rows, 500 + arrived);
}

TEST(Export, RefusesWhatIsNoRequestAndCursorsOfAnother) {
  Fleet fleet(1);
  Fill(fleet.database(), 10);
  const auto refused = [&](const v1::ExportUsageRequest& request) {
    v1::ExportUsageResponse page;
    const grpc::Status status = fleet.client(0).Call(&Telemetry::ExportUsage, request, page);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << status.error_message();
    return DetailsOf(status).fields;
  };
  auto request = OfADay();
  request.set_page_size(3);
  v1::ExportUsageResponse page;
  ASSERT_TRUE(fleet.client(0).Call(&Telemetry::ExportUsage, request, page).ok());
  ASSERT_FALSE(page.next_cursor().empty());
  request.set_cursor(page.next_cursor());
  const std::vector<std::function<void(v1::ExportUsageRequest&)>> changes = {
      [](auto& r) { r.mutable_start_time()->set_nanos(1); },
      [](auto& r) { r.mutable_end_time()->set_seconds(absl::ToUnixSeconds(absl::Now()) + 600); },
      [](auto& r) { r.set_format(v1::ExportUsageRequest::FORMAT_JSONL); },
      [](auto& r) { r.add_columns("user"); },
      [](auto& r) { r.set_cursor("abc"); },
      [](auto& r) { r.set_cursor(r.cursor().substr(0, r.cursor().size() / 2)); },
      [](auto& r) {
        auto* filter = r.add_filters();
        filter->set_dimension("user");
        filter->add_values("x");
      },
  };
  for (size_t i = 0; i < changes.size(); ++i) {
    auto other = request;
    changes[i](other);
    EXPECT_THAT(refused(other), ElementsAre("cursor")) << "change " << i;
  }
  request.set_page_size(5);  // this may change
  EXPECT_TRUE(fleet.client(0).Call(&Telemetry::ExportUsage, request, page).ok());
  EXPECT_THAT(refused(v1::ExportUsageRequest()), ElementsAre("start_time"));
  auto bad = OfADay();
  bad.add_columns("usr");
  EXPECT_THAT(refused(bad), ElementsAre("columns"));
  bad = OfADay();
  bad.set_page_size(10'001);
  EXPECT_THAT(refused(bad), ElementsAre("page_size"));
  bad = OfADay();
  bad.add_filters()->set_dimension("usr");
  EXPECT_THAT(refused(bad), ElementsAre("filters[0].dimension"));
}

class ExportCommand : public ::testing::Test {
 protected:
  std::vector<std::string> Words(std::vector<std::string> words) {
    words.insert(words.begin(), {ProgramPath("bursar"), "export"});
    words.insert(words.end(), {"--endpoint", fleet_.server(0).address()});
    return words;
  }
  std::string Path(const std::string& name) const { return folder_.path() + "/" + name; }
  static std::string Read(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  // Text of a file that gzip or nothing made.
  static std::string Gunzip(const std::string& path) {
    return RunProgram({"/bin/zcat", path}).output;
  }

  // Runs it, kills it when its state has a cursor, and runs it again.
  void BreakOff(const std::vector<std::string>& words, const std::string& path) {
    StartedProgram program(words);
    const absl::Time deadline = absl::Now() + absl::Seconds(60);
    const auto has_cursor = [&] {
      const std::string state = Read(path + ".part.state");
      return state.find("\"cursor\"") != std::string::npos &&
             state.find("\"cursor\":\"\"") == std::string::npos;
    };
    while (!has_cursor() && absl::Now() < deadline) absl::SleepFor(absl::Milliseconds(5));
    program.Signal(SIGKILL);
    ASSERT_EQ(program.Wait().exit_code, 128 + SIGKILL) << program.output();
    ASSERT_TRUE(has_cursor());
    ASSERT_FALSE(std::filesystem::is_regular_file(path));
  }

  Fleet fleet_{1};
  TemporaryFolder folder_;
};

TEST_F(ExportCommand, GoesOnAfterItWasKilledWithNoRowLostOrDoubled) {
  Fill(fleet_.database(), 60'000);
  const std::string to =
      absl::FormatTime("%Y-%m-%d%ET%H:%M:%E*SZ", absl::Now(), absl::UTCTimeZone());
  const std::string whole = Path("whole.csv");
  const std::vector<std::string> columns = {"--to", to, "--columns",
                                            "charge_time,usage_id,cost_usd"};
  auto words = columns;
  words.insert(words.end(), {"-o", whole});
  ASSERT_EQ(RunProgram(Words(words)).exit_code, 0);
  ASSERT_EQ(RowsOf(Read(whole)).size(), 60'000u);
  for (const std::string name : {"usage.csv", "usage.csv.gz"}) {
    words = columns;
    words.insert(words.end(), {"-o", Path(name), "--page-size", "20"});
    BreakOff(Words(words), Path(name));
    std::ofstream(Path(name + ".part"), std::ios::app) << "half a page";  // as a crash leaves it
    auto others = words;
    others[3] = "usage_id";
    const Finished refused = RunProgram(Words(others));
    EXPECT_EQ(refused.exit_code, 1);
    EXPECT_THAT(refused.output, HasSubstr("with other flags"));
    words.back() = "10000";
    words.push_back("--resume");
    const Finished finished = RunProgram(Words(words));
    EXPECT_EQ(finished.exit_code, 0) << finished.output;
    EXPECT_THAT(finished.output, HasSubstr("60,000 records"));
    EXPECT_TRUE((name == "usage.csv" ? Read(Path(name)) : Gunzip(Path(name))) == Read(whole));
    EXPECT_FALSE(std::filesystem::exists(Path(name + ".part")));
    EXPECT_FALSE(std::filesystem::exists(Path(name + ".part.state")));
    EXPECT_EQ(RunProgram(Words(words)).exit_code, 1) << "nothing is left to resume";
  }
}

TEST_F(ExportCommand, ABundleShowsOneFlippedByte) {
  Fill(fleet_.database(), 3'000);
  for (const char* compress : {"none", "zstd", "gzip"}) {
    const std::string bundle = Path(compress);
    const Finished made = RunProgram(
        Words({"--format", "bundle", "--compress", compress, "-o", bundle, "--page-size", "700"}));
    ASSERT_EQ(made.exit_code, 0) << made.output;
    const auto verify = [&] {
      return RunProgram({ProgramPath("bursar"), "export", "--verify", bundle});
    };
    const Finished right = verify();
    EXPECT_EQ(right.exit_code, 0) << right.output;
    EXPECT_THAT(right.output, HasSubstr("3,000 rows, $0.0045015, as the manifest says"));
    EXPECT_THAT(right.output, HasSubstr("rollups.csv"));
    const auto manifest = nlohmann::json::parse(Read(bundle + "/manifest.json"));
    EXPECT_EQ(manifest["files"][0]["cost_nanousd"], "4501500");
    EXPECT_EQ(manifest["files"][0]["rows"], 3'000);
    for (const auto& entry : std::filesystem::directory_iterator(bundle)) {
      const std::string path = entry.path().string(), bytes = Read(path);
      for (const size_t at : {size_t{0}, bytes.size() / 2, bytes.size() - 1}) {
        std::string flipped = bytes;
        flipped[at] = static_cast<char>(flipped[at] ^ 1);
        std::ofstream(path, std::ios::binary) << flipped;
        const Finished wrong = verify();
        EXPECT_EQ(wrong.exit_code, 1) << path << " at " << at << ": " << wrong.output;
      }
      std::ofstream(path, std::ios::binary) << bytes;
    }
    EXPECT_EQ(verify().exit_code, 0);
    EXPECT_EQ(RunProgram(Words({"--format", "bundle", "-o", bundle})).exit_code, 1)
        << "it is not written over";
  }
}

TEST_F(ExportCommand, WritesToAPipeAndSaysNothingElse) {
  Fill(fleet_.database(), 10);
  const Finished piped = RunProgram(Words({"--columns", "usage_id"}));
  EXPECT_EQ(piped.exit_code, 0);
  EXPECT_EQ(piped.output,
            "usage_id\r\nu10\r\nu9\r\nu8\r\nu7\r\nu6\r\nu5\r\nu4\r\nu3\r\nu2\r\nu1\r\n");
  const Finished none = RunProgram(Words({"--format", "jsonl", "--to", "2020-01-02", "--from",
                                          "2020-01-01", "-o", Path("none.jsonl.gz")}));
  EXPECT_EQ(none.exit_code, 0);
  EXPECT_EQ(Gunzip(Path("none.jsonl.gz")), "");
  EXPECT_GT(std::filesystem::file_size(Path("none.jsonl.gz")), 0u);
  EXPECT_THAT(RunProgram(Words({"--columns", "usr"})).output, HasSubstr("allowed are charge_time"));
  EXPECT_EQ(RunProgram(Words({"--columns", "usr"})).exit_code, 2);
}

}  // namespace
}  // namespace bursar::testing
