// Prices on two replicas: imported, pinned by what was checked, listed as of a time, and given to
// records that had none.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "integration/fleet.h"

namespace bursar::testing {
namespace {

using ::testing::HasSubstr;

constexpr int64_t kMillion = 1'000'000;

v1::CheckBudgetRequest CheckOfModel(const std::string& id, const std::string& model) {
  v1::CheckBudgetRequest request;
  request.set_request_id(id);
  request.mutable_subject()->set_project("p");
  request.mutable_model()->set_provider("acme");
  request.mutable_model()->set_name(model);
  request.mutable_tokens()->set_uncached_input_tokens(kMillion);
  request.set_max_output_tokens(0);
  return request;
}

v1::RecordUsageRequest UseOfModel(const std::string& id, const std::string& model,
                                  const std::string& reservation = "") {
  v1::RecordUsageRequest request;
  request.set_usage_id(id);
  request.set_reservation_id(reservation);
  request.mutable_subject()->set_project("p");
  request.mutable_model()->set_provider("acme");
  request.mutable_model()->set_name(model);
  request.mutable_tokens()->set_uncached_input_tokens(kMillion);
  return request;
}

class PricesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto status =
        fleet_.client(0).CreateBudget("all", OfProject(LifetimeBudget(1000 * kUsd), "p"));
    ASSERT_TRUE(status.ok()) << status.error_message();
  }

  grpc::Status Import(size_t replica, v1::ImportPricesRequest request,
                      v1::ImportPricesResponse* response = nullptr) {
    v1::ImportPricesResponse ignored;
    if (request.format().empty()) request.set_format("bursar");
    return fleet_.client(replica).Call(&Admin::ImportPrices, request,
                                       response != nullptr ? *response : ignored);
  }
  static v1::ImportPricesRequest Rows(const std::string& rows) {
    v1::ImportPricesRequest request;
    request.set_document(absl::StrCat(R"({"prices": [)", rows, "]}"));
    return request;
  }
  // USD for each million tokens in.
  void SetPrice(size_t replica, const std::string& model, const std::string& usd) {
    const auto status =
        Import(replica, Rows(absl::StrCat(R"({"provider": "acme", "model": ")", model,
                                          R"(", "input": ")", usd, R"("})")));
    ASSERT_TRUE(status.ok()) << status.error_message();
  }
  // Until the other replicas know too: at most a second.
  void WaitForPrice(size_t replica, const std::string& model, int64_t nanousd) {
    const absl::Time end = absl::Now() + absl::Seconds(10);
    while (Dry(replica, model).estimated_nanousd() != nanousd) {
      ASSERT_LT(absl::Now(), end) << "replica " << replica << " never learned the price";
      absl::SleepFor(absl::Milliseconds(20));
    }
  }
  v1::CheckBudgetResponse Check(size_t replica, const v1::CheckBudgetRequest& request) {
    v1::CheckBudgetResponse response;
    const auto status = fleet_.client(replica).Check(request, response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response;
  }
  v1::CheckBudgetResponse Dry(size_t replica, const std::string& model) {
    v1::CheckBudgetRequest request = CheckOfModel("", model);
    request.set_dry_run(true);
    return Check(replica, request);
  }
  v1::RecordUsageResponse Record(size_t replica, const v1::RecordUsageRequest& request) {
    v1::RecordUsageResponse response;
    const auto status = fleet_.client(replica).Record(request, response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response;
  }
  v1::ListPricesResponse List(const std::string& model, std::optional<absl::Time> as_of = {}) {
    v1::ListPricesRequest request;
    request.set_model(model);
    if (as_of) {
      request.mutable_as_of()->set_seconds(absl::ToUnixSeconds(*as_of));
      request.mutable_as_of()->set_nanos(
          static_cast<int>(absl::ToUnixNanos(*as_of) % 1'000'000'000));
    }
    v1::ListPricesResponse response;
    const auto status = fleet_.client(0).Call(&Admin::ListPrices, request, response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response;
  }
  v1::RepriceUsageResponse Reprice(bool validate_only, const std::string& basis = "",
                                   int page_size = 0) {
    v1::RepriceUsageRequest request;
    request.mutable_start_time()->set_seconds(absl::ToUnixSeconds(absl::Now()) - 3600);
    request.mutable_end_time()->set_seconds(absl::ToUnixSeconds(absl::Now()) + 3600);
    request.set_validate_only(validate_only);
    request.set_page_size(page_size);
    if (!basis.empty()) {
      auto* filter = request.add_filters();
      filter->set_dimension("cost_basis");
      filter->add_values(basis);
    }
    v1::RepriceUsageResponse sum, page;
    do {
      const auto status = fleet_.client(1).Call(&Admin::RepriceUsage, request, page);
      EXPECT_TRUE(status.ok()) << status.error_message();
      sum.set_records(sum.records() + page.records());
      sum.set_examined(sum.examined() + page.examined());
      sum.set_delta_nanousd(sum.delta_nanousd() + page.delta_nanousd());
      sum.set_still_unpriced(sum.still_unpriced() + page.still_unpriced());
      request.set_page_token(page.next_page_token());
    } while (!page.next_page_token().empty());
    return sum;
  }
  v1::CostRow Total() {
    v1::QueryCostsRequest request;
    request.mutable_start_time()->set_seconds(absl::ToUnixSeconds(absl::Now()) - 3600);
    v1::QueryCostsResponse response;
    EXPECT_TRUE(fleet_.client(0).Query(request, response).ok());
    return response.total();
  }
  int64_t Spent() { return fleet_.Number("SELECT coalesce(sum(spent), 0) FROM counter"); }

  Fleet fleet_{2};
};

TEST_F(PricesTest, AnUnknownModelIsNeverFree) {
  const auto denied = Check(0, CheckOfModel("c", "brand-new"));
  EXPECT_EQ(denied.decision(), v1::DECISION_DENY);
  EXPECT_EQ(denied.reason(), "PRICE_UNKNOWN");
  EXPECT_THAT(denied.message(), HasSubstr("brand-new"));
  auto with_cost = CheckOfModel("c", "brand-new");
  with_cost.set_cost_nanousd(5);
  EXPECT_EQ(Check(0, with_cost).decision(), v1::DECISION_ALLOW);
  EXPECT_EQ(Record(1, UseOfModel("u", "brand-new")).cost_basis(), v1::COST_BASIS_UNPRICED);
  EXPECT_EQ(Total().unpriced_calls(), 1);
  SetPrice(0, "brand-new", "3");
  EXPECT_EQ(Dry(0, "brand-new").estimated_nanousd(), 3 * kUsd) << "at once where it was imported";
  WaitForPrice(1, "brand-new", 3 * kUsd);
}

TEST_F(PricesTest, ASettlementPaysWhatItsCheckSawOnEveryReplica) {
  SetPrice(0, "m", "1");
  WaitForPrice(1, "m", kUsd);
  const auto held = Check(0, CheckOfModel("held", "m"));
  ASSERT_EQ(held.decision(), v1::DECISION_ALLOW);
  SetPrice(0, "m", "2");
  WaitForPrice(1, "m", 2 * kUsd);
  const auto settled = Record(1, UseOfModel("u", "m", "held"));  // it never made the check
  EXPECT_EQ(settled.cost_nanousd(), kUsd);
  EXPECT_EQ(settled.price_version(), held.reservation().price_version());
  EXPECT_EQ(settled.overrun_nanousd(), 0);
  const auto now = Record(1, UseOfModel("v", "m"));
  EXPECT_EQ(now.cost_nanousd(), 2 * kUsd);
  EXPECT_NE(now.price_version(), settled.price_version());
  fleet_.Add();  // started when the first version was history already
  ASSERT_EQ(Check(2, CheckOfModel("held2", "m")).estimated_nanousd(), 2 * kUsd);
  EXPECT_EQ(Record(2, UseOfModel("again", "m", "held")).cost_nanousd(), kUsd);
  EXPECT_EQ(Record(2, UseOfModel("u", "m", "held")).replayed(), true);
  fleet_.ExpectConserved();
}

TEST_F(PricesTest, LateUsageWithoutAReservationPaysThePricesOfItsTime) {
  SetPrice(0, "m", "1");
  absl::SleepFor(absl::Milliseconds(50));
  const absl::Time then = absl::Now();
  absl::SleepFor(absl::Milliseconds(50));
  SetPrice(0, "m", "2");
  auto late = UseOfModel("late", "m");
  late.mutable_occur_time()->set_seconds(absl::ToUnixSeconds(then));
  late.mutable_occur_time()->set_nanos(static_cast<int>(absl::ToUnixNanos(then) % 1'000'000'000));
  EXPECT_EQ(Record(0, late).cost_nanousd(), kUsd);
  EXPECT_EQ(List("m", then).prices(0).input(), kUsd);
  EXPECT_EQ(List("m", absl::Now()).prices(0).input(), 2 * kUsd);
}

TEST_F(PricesTest, ARepriceGivesUnpricedRecordsTheirCostInBudgetsAndHistory) {
  for (int i = 0; i < 25; ++i) Record(i, UseOfModel(absl::StrCat("u", i), "brand-new"));
  Record(0, UseOfModel("other", "unheard-of"));
  auto by_hand = UseOfModel("by hand", "brand-new");
  Record(0, by_hand);
  v1::AdjustUsageRequest adjust;
  adjust.set_usage_id("by hand");
  adjust.set_adjustment_id("bill");
  adjust.set_cost_nanousd(7);
  v1::AdjustUsageResponse adjusted;
  ASSERT_TRUE(fleet_.client(0).Call(&Admin::AdjustUsage, adjust, adjusted).ok());
  EXPECT_EQ(Total().unpriced_calls(), 26) << "what was corrected by hand has its price";
  SetPrice(0, "brand-new", "2");
  WaitForPrice(1, "brand-new", 2 * kUsd);

  const auto trial = Reprice(/*validate_only=*/true);
  EXPECT_EQ(trial.records(), 25);
  EXPECT_EQ(trial.still_unpriced(), 1);
  EXPECT_EQ(trial.delta_nanousd(), 50 * kUsd);
  EXPECT_EQ(Spent(), 7) << "a trial changes nothing";

  const auto done = Reprice(/*validate_only=*/false, "", /*page_size=*/10);
  EXPECT_EQ(done.records(), 25);
  EXPECT_EQ(done.delta_nanousd(), 50 * kUsd);
  EXPECT_EQ(Spent(), 50 * kUsd + 7);
  EXPECT_EQ(Total().cost_nanousd(), 50 * kUsd + 7);
  EXPECT_EQ(Total().unpriced_calls(), 1);
  EXPECT_EQ(Total().calls(), 27);
  EXPECT_EQ(Reprice(false).records(), 0) << "once is enough";
  fleet_.ExpectConserved();
}

TEST_F(PricesTest, ARepriceOfPricedRecordsIsAskedForByName) {
  SetPrice(0, "m", "4");
  WaitForPrice(1, "m", 4 * kUsd);
  Record(0, UseOfModel("u", "m"));
  auto declared = UseOfModel("declared", "m");
  declared.set_cost_nanousd(9);
  Record(0, declared);
  SetPrice(0, "m", "3");  // it was a mistake
  WaitForPrice(1, "m", 3 * kUsd);
  EXPECT_EQ(Reprice(false).examined(), 0);
  EXPECT_EQ(Reprice(false, "PRICED").delta_nanousd(), -kUsd);
  EXPECT_EQ(Spent(), 3 * kUsd + 9);
  SetPrice(0, "m", "2");
  WaitForPrice(1, "m", 2 * kUsd);
  EXPECT_EQ(Reprice(false, "PRICED").delta_nanousd(), -kUsd) << "from what it stands at";
  EXPECT_EQ(Reprice(false, "DECLARED").examined(), 0) << "what a caller says is not ours to change";
  EXPECT_EQ(Spent(), 2 * kUsd + 9);
  fleet_.ExpectConserved();
}

TEST_F(PricesTest, ABadDocumentChangesNothing) {
  SetPrice(0, "m", "1");
  const auto before = List("m");
  const std::string good = R"({"provider": "acme", "model": "n", "input": "1"})";
  const auto refuse = [&](v1::ImportPricesRequest request, const std::string& part) {
    const auto status = Import(0, request);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << part;
    EXPECT_THAT(status.error_message(), HasSubstr(part));
  };
  refuse(Rows(good + R"(, {"provider": "acme", "model": "o", "input": 3})"), "prices[1].input");
  refuse(Rows(good + R"(, {"provider": "acme", "model": "o", "input": "-3"})"), "prices[1].input");
  refuse(Rows(good + R"(, {"provider": "acme", "model": "o", "imput": "3"})"), "imput");
  refuse(Rows(good + ", " + good), "prices[1]");
  refuse(Rows(good + ","), "document");
  auto unknown = Rows(good);
  unknown.set_format("csv");
  refuse(unknown, "csv");
  refuse(v1::ImportPricesRequest(), "document");
  auto jump = Import(0, Rows(R"({"provider": "acme", "model": "m", "input": "11"})"));
  EXPECT_EQ(jump.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(DetailsOf(jump).reason, "PRICE_JUMP");
  EXPECT_EQ(List("m").price_version(), before.price_version());
  EXPECT_EQ(List("n").prices_size(), 0);
}

TEST_F(PricesTest, PagesOfAListAreOfOneVersion) {
  std::string rows;
  for (int i = 0; i < 30; ++i) {
    absl::StrAppend(&rows, i == 0 ? "" : ",", R"({"provider": "acme", "model": "m)", i,
                    R"(", "input": "1"})");
  }
  ASSERT_TRUE(Import(0, Rows(rows)).ok());
  v1::ListPricesRequest request;
  request.set_provider("acme");
  request.set_page_size(8);
  std::set<std::string> models;
  v1::ListPricesResponse page;
  do {
    const auto status = fleet_.client(0).Call(&Admin::ListPrices, request, page);
    ASSERT_TRUE(status.ok()) << status.error_message();
    for (const auto& price : page.prices()) EXPECT_TRUE(models.insert(price.model()).second);
    if (models.size() == 8) SetPrice(0, "a-new-one", "1");  // before all others
    request.set_page_token(page.next_page_token());
  } while (!page.next_page_token().empty());
  EXPECT_EQ(models.size(), 30);
}

TEST_F(PricesTest, AProvidersOwnUsageObjectIsReadAndPriced) {
  v1::RecordUsageRequest request;
  request.set_usage_id("u");
  request.mutable_model()->set_provider("openai");
  request.mutable_model()->set_name("gpt-4o-mini");
  request.mutable_provider_usage()->set_api_flavor("chat");
  request.mutable_provider_usage()->set_json(
      R"({"model": "gpt-4o-mini-2024-07-18", "usage": {"prompt_tokens": 2000,
          "completion_tokens": 300, "prompt_tokens_details": {"cached_tokens": 1500},
          "completion_tokens_details": {"reasoning_tokens": 100}}})");
  const auto answer = Record(0, request);
  EXPECT_EQ(answer.tokens().uncached_input_tokens(), 500);
  EXPECT_EQ(answer.tokens().cache_read_tokens(), 1500);
  EXPECT_EQ(answer.tokens().visible_output_tokens(), 200);
  EXPECT_EQ(answer.tokens().reasoning_tokens(), 100);
  // $0.15, $0.075 cached and $0.60 for each million.
  EXPECT_EQ(answer.cost_nanousd(), 500 * 150 + 1500 * 75 + 300 * 600);
  EXPECT_EQ(fleet_.Sql("SELECT model || ' ' || requested_model FROM usage_record"),
            "gpt-4o-mini-2024-07-18 gpt-4o-mini");
  EXPECT_TRUE(Record(1, request).replayed());
  v1::RecordUsageResponse ignored;
  request.mutable_provider_usage()->set_json(R"({"usage": {"completion_tokens": 300}})");
  EXPECT_EQ(fleet_.client(0).Record(request, ignored).error_code(),
            grpc::StatusCode::INVALID_ARGUMENT);
  request.set_usage_id("v");
  const auto missing = fleet_.client(0).Record(request, ignored);
  EXPECT_THAT(missing.error_message(), HasSubstr("prompt_tokens"));
}

}  // namespace
}  // namespace bursar::testing
