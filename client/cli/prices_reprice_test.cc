// bursar prices reprice: the difference first, then the question, then the deed.
#include "cli/prices_reprice_command.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <iostream>

#include "cli/period.h"
#include "cli/program_fixture.h"
#include "testing/standard_input.h"

namespace bursar::cli {
namespace {

using testing::StandardInput;

// A terminal on which somebody types.
class Terminal {
 public:
  explicit Terminal(const std::string& typed) : master_(posix_openpt(O_RDWR | O_NOCTTY)) {
    grantpt(master_);
    unlockpt(master_);
    input_.emplace(open(ptsname(master_), O_RDWR | O_NOCTTY));
    EXPECT_EQ(write(master_, typed.data(), typed.size()), static_cast<ssize_t>(typed.size()));
  }
  ~Terminal() {
    input_.reset();
    close(master_);
  }

 private:
  int master_;
  std::optional<StandardInput> input_;
};

constexpr char kEndOfInput[] = "\x04";
constexpr char kDone[] =
    "from            2026-11-01 00:00 UTC to 2026-11-22 00:00 UTC\n"
    "looked at       1,005 records\n"
    "changed         1,002 records: $12.345 more in all\n"
    "still unpriced  3 records\n"
    "price version   7\n";
constexpr char kPreview[] =
    "from            2026-11-01 00:00 UTC to 2026-11-22 00:00 UTC\n"
    "looked at       1,005 records\n"
    "would change    1,002 records: $12.345 more in all\n"
    "still unpriced  3 records\n"
    "price version   7\n";

class RepriceTest : public ProgramTest {
 protected:
  // Two pages.
  void SetUp() override {
    ProgramTest::SetUp();
    server_.reprice = [this](const v1::RepriceUsageRequest& request,
                             v1::RepriceUsageResponse* response) {
      asked_.push_back(request);
      const bool first = request.page_token().empty();
      response->set_examined(first ? 1000 : 5);
      response->set_records(first ? 1000 : 2);
      response->set_still_unpriced(first ? 0 : 3);
      response->set_delta_nanousd(first ? 12'345'000'001 : -1);
      response->set_price_version("7");
      if (first) response->set_next_page_token("p2");
      return grpc::Status::OK;
    };
  }

  // "dry" and "do" of each page that was asked for.
  std::string Asked() const {
    std::string text;
    for (const auto& request : asked_) {
      text += (request.validate_only() ? "dry" : "do") + request.page_token() + " ";
    }
    return text;
  }

  const Words words_ = {"prices", "reprice", "--from", "2026-11-01", "--to", "2026-11-22"};
  Words With(const Words& more) const {
    Words all = words_;
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }

  std::vector<v1::RepriceUsageRequest> asked_;
};

TEST_F(RepriceTest, ADryRunPrintsTheDifferenceOverAllPages) {
  EXPECT_EQ(Run(With({"--dry-run"})), 0) << err_.str();
  EXPECT_EQ(Asked(), "dry dryp2 ");
  EXPECT_EQ(asked_[0].ShortDebugString(),
            "start_time { seconds: 1793491200 } end_time { seconds: 1795305600 } "
            "validate_only: true");
  EXPECT_EQ(out_.str(), std::string(kPreview) + "dry run: nothing was changed\n");
  EXPECT_EQ(Run(With({"--dry-run", "--json"})), 0);
  EXPECT_EQ(out_.str(),
            "{\n \"records\": \"1002\",\n \"deltaNanousd\": \"12345000000\",\n \"examined\": "
            "\"1005\",\n \"stillUnpriced\": \"3\",\n \"priceVersion\": \"7\",\n "
            "\"nextPageToken\": \"\"\n}\n");
}

TEST_F(RepriceTest, YesPrintsTheDifferenceAndDoesIt) {
  EXPECT_EQ(Run(With({"--yes"})), 0);
  EXPECT_EQ(Asked(), "dry dryp2 do dop2 ");
  EXPECT_EQ(out_.str(), std::string(kPreview) + "\n" + kDone);
  EXPECT_EQ(Run(With({"--yes", "--json"})), 0);
  EXPECT_EQ(out_.str()[0], '{') << "one document, and nothing before it";
}

TEST_F(RepriceTest, WithoutATerminalAndYesItDoesNothing) {
  const StandardInput nothing(open("/dev/null", O_RDONLY));
  EXPECT_EQ(Run(words_), 2);
  EXPECT_EQ(Asked(), "dry dryp2 ");
  EXPECT_EQ(out_.str(), kPreview);
  EXPECT_EQ(err_.str(),
            "bursar: nothing was changed: there is no terminal to ask on; --yes would do it\n");
}

TEST_F(RepriceTest, AsksOnATerminal) {
  const std::string question = "Change 1,002 records ($12.345 more in all)? [y/N] ";
  for (const std::string yes : {"y\n", "Y\n", " yes \n"}) {
    asked_.clear();
    const Terminal terminal(yes);
    EXPECT_EQ(Run(words_), 0) << yes;
    EXPECT_EQ(Asked(), "dry dryp2 do dop2 ");
    EXPECT_EQ(err_.str(), question);
  }
  for (const std::string no : {"\n", "n\n", "yesterday\n", kEndOfInput}) {
    asked_.clear();
    const Terminal terminal(no);
    EXPECT_EQ(Run(words_), 1) << no;
    EXPECT_EQ(Asked(), "dry dryp2 ") << no;
    EXPECT_EQ(err_.str(), question + "bursar: nothing was changed\n");
  }
}

TEST_F(RepriceTest, WhereNothingWouldChangeItAsksNothing) {
  server_.reprice = [this](const v1::RepriceUsageRequest& request,
                           v1::RepriceUsageResponse* response) {
    asked_.push_back(request);
    response->set_examined(1);
    response->set_still_unpriced(1);
    return grpc::Status::OK;
  };
  EXPECT_EQ(Run(words_), 0);
  EXPECT_EQ(Asked(), "dry ");
  EXPECT_EQ(out_.str(),
            "from            2026-11-01 00:00 UTC to 2026-11-22 00:00 UTC\n"
            "looked at       1 record\n"
            "would change    0 records\n"
            "still unpriced  1 record\n");
  EXPECT_EQ(Run(With({"--json"})), 0);
  EXPECT_NE(out_.str().find("\"records\": \"0\""), std::string::npos);
}

TEST_F(RepriceTest, SaysHowFarItCameWhereItBreaksOff) {
  const auto pages = server_.reprice;
  server_.reprice = [&](const v1::RepriceUsageRequest& request,
                        v1::RepriceUsageResponse* response) {
    if (!request.validate_only() && !request.page_token().empty()) {
      return grpc::Status(grpc::StatusCode::RESOURCE_EXHAUSTED, "too many operations wait");
    }
    return pages(request, response);
  };
  EXPECT_EQ(Run(With({"--yes"})), 1);
  EXPECT_EQ(err_.str(),
            "bursar: broken off; until then 1,000 records changed; running it again does the "
            "others\nbursar: too many operations wait\n");
}

TEST_F(RepriceTest, FillsTheRequest) {
  EXPECT_EQ(Run(With({"--basis", "Priced, estimated", "--user", "carol", "--label", "env=prod",
                      "--model", "openai/gpt-x", "--service-tier", "batch", "--filter",
                      "region=eu,us", "--filter", "step!=plan", "--dry-run"})),
            0)
      << err_.str();
  asked_[0].clear_start_time();
  asked_[0].clear_end_time();
  EXPECT_EQ(asked_[0].ShortDebugString(),
            "filters { dimension: \"cost_basis\" values: \"PRICED\" values: \"ESTIMATED\" } "
            "filters { dimension: \"region\" values: \"eu\" values: \"us\" } "
            "filters { dimension: \"step\" values: \"plan\" exclude: true } "
            "filters { dimension: \"user\" values: \"carol\" } "
            "filters { dimension: \"label:env\" values: \"prod\" } "
            "filters { dimension: \"provider\" values: \"openai\" } "
            "filters { dimension: \"model\" values: \"gpt-x\" } "
            "filters { dimension: \"service_tier\" values: \"batch\" } validate_only: true");
}

TEST_F(RepriceTest, EndsNowUnlessToldOtherwise) {
  const absl::Time now = *ParseTime("2026-11-22T14:00:00Z", absl::UTCTimeZone());
  CLI::App app;
  RepriceCommand command(app);
  app.parse("reprice --from 2026-11-01");
  EXPECT_EQ(command.Request(now)->end_time().seconds(), 1795356000);
}

TEST_F(RepriceTest, RefusesWrongWordsInOneSentence) {
  const std::pair<Words, std::string> kCases[] = {
      {{"--yes"}, "since when? --from 2026-11-01 would be right, and --to where it ends"},
      {{"--from", "2026-11-02", "--to", "2026-11-01"},
       "the range ends (2026-11-01 00:00 UTC) before it starts (2026-11-02 00:00 UTC)"},
      {{"--from", "2026-11-02", "--basis", "declared"},
       "--basis: \"declared\" is unknown; one of unpriced, priced, estimated would be right"},
  };
  for (const auto& [words, message] : kCases) {
    Words all = words;
    all.insert(all.begin(), {"prices", "reprice"});
    EXPECT_EQ(Run(all), 2) << message;
    EXPECT_EQ(err_.str(), "bursar: " + message + "\n");
  }
  EXPECT_EQ(Run({"prices", "reprice", "--from", "2026-11-01", "--budget", "b"}), 2);
  EXPECT_TRUE(asked_.empty());
}

}  // namespace
}  // namespace bursar::cli
