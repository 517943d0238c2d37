// usage and runs: what is typed and what is asked; the tables are in testdata/history.txt.
#include "cli/period.h"
#include "cli/program_fixture.h"
#include "cli/runs_command.h"
#include "cli/usage_command.h"

namespace bursar::cli {
namespace {

using HistoryTest = ProgramTest;

// The request that a command makes of words at 2026-11-22T14:00:00Z, or its error.
template <typename C>
std::string RequestOf(Words words) {
  CLI::App app;
  C command(app);
  app.parse(Words(words.rbegin(), words.rend()));
  const auto made = command.Request(*ParseTime("2026-11-22T14:00:00Z", absl::UTCTimeZone()));
  return made.ok() ? made->ShortDebugString() : made.status().message();
}

TEST(UsageCommand, AsksForTheLastDayUnlessToldOtherwise) {
  const auto request = RequestOf<UsageCommand>;
  EXPECT_EQ(request({"usage"}), "start_time { seconds: 1795269600 }");
  EXPECT_EQ(request({"usage", "--period", "7d"}), "start_time { seconds: 1794751200 }");
  EXPECT_EQ(request({"usage", "--trace", "0af7"}), "trace_id: \"0af7\"") << "of any time";
  EXPECT_EQ(request({"usage", "--trace", "0af7", "--from", "2026-11-01", "--to", "2026-11-02",
                     "--filter", "user=a,b", "--filter", "model!=x"}),
            "start_time { seconds: 1793491200 } end_time { seconds: 1793577600 } "
            "filters { dimension: \"user\" values: \"a\" values: \"b\" } "
            "filters { dimension: \"model\" values: \"x\" exclude: true } trace_id: \"0af7\"");
  EXPECT_EQ(request({"usage", "--from", "2026-11-02", "--to", "2026-11-02"}),
            "the range ends (2026-11-02 00:00 UTC) before it starts (2026-11-02 00:00 UTC)");
}

TEST(RunsCommand, AsksForTopRunsOfTheLastWeekUnlessToldOtherwise) {
  const auto request = RequestOf<RunsCommand>;
  EXPECT_EQ(request({"runs"}), "start_time { seconds: 1794751200 } top_only: true");
  EXPECT_EQ(request({"runs", "--all-runs", "--from", "2026-11-01", "--filter", "agent=w"}),
            "start_time { seconds: 1793491200 } "
            "filters { dimension: \"agent\" values: \"w\" }");
}

TEST_F(HistoryTest, UsageReadsPageAfterPageUpToItsLimitOrAll) {
  std::vector<int> sizes;
  int pages = 3;
  server_.usage = [&](const v1::ListUsageRequest& request, v1::ListUsageResponse* response) {
    sizes.push_back(request.page_size());
    for (int i = 0; i < std::min(request.page_size(), 400); ++i) response->add_records();
    if (--pages > 0) response->set_next_page_token("next");
    return grpc::Status::OK;
  };
  EXPECT_EQ(Run({"usage", "--limit", "700", "--json"}), 0) << err_.str();
  EXPECT_EQ(sizes, (std::vector<int>{500, 300}));
  EXPECT_NE(out_.str().find("\"nextPageToken\": \"next\""), std::string::npos);
  sizes.clear();
  pages = 3;
  EXPECT_EQ(Run({"usage", "--all"}), 0) << err_.str();
  EXPECT_EQ(sizes, (std::vector<int>{500, 500, 500}));
  EXPECT_EQ(out_.str().find("more rows"), std::string::npos);
  pages = 3;
  EXPECT_EQ(Run({"usage", "--limit", "1"}), 0);
  EXPECT_NE(out_.str().find("there are more rows; --all shows them\n"), std::string::npos);
  EXPECT_EQ(Run({"usage", "--limit", "1", "--all"}), 2) << "one of them would be right";
}

}  // namespace
}  // namespace bursar::cli
