// R31 for operators' calls and questions; bad_input_test.cc has the rest.
#include <gtest/gtest.h>

#include <functional>
#include <limits>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "integration/fleet.h"

namespace bursar::testing {
namespace {

using grpc::StatusCode;

constexpr int64_t kYear1 = -62135596800, kYear9999 = 253402300799;
constexpr int64_t kNow = 1790000000;  // in 2026: a start that every right question here may have

const std::string kNul("a\0b", 3);
const std::string kMebibyte(1 << 20, 'x');
// Cut at any even number of bytes, one of its characters is cut in half.
const std::string kOddUmlauts = "a" + [] {
  std::string text;
  for (int i = 0; i < 200; ++i) text += "\xc3\xa4";
  return text;
}();

constexpr char kBudgetsAsTheyAre[] =
    "SELECT count(*) || ' ' || max(update_time) || ' ' || count(delete_time) || ' ' || "
    "(SELECT sum(budget_epoch) FROM tenant) FROM budget";

template <typename Request>
struct Case {
  std::string what;
  std::string field;
  std::function<void(Request&)> spoil;
  StatusCode code = StatusCode::INVALID_ARGUMENT;
  std::string reason = "";  // ErrorInfo's, where it is not the code's name
};

class BadAdminInput : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    fleet_ = new Fleet(1);
    ASSERT_TRUE(client().CreateBudget("known", LifetimeBudget(kUsd, {"user"})).ok());
    for (const char* user : {"a", "b", "c"}) {
      auto record = RecordOf(user, 1);
      record.mutable_subject()->set_user(user);
      v1::RecordUsageResponse response;
      ASSERT_TRUE(client().Record(record, response).ok());
    }
  }
  static void TearDownTestSuite() { delete fleet_; }
  static RpcClient& client() { return fleet_->client(0); }

  void SetUp() override { before_ = fleet_->Sql(kBudgetsAsTheyAre); }
  void TearDown() override { EXPECT_EQ(fleet_->Sql(kBudgetsAsTheyAre), before_); }

  template <typename Request>
  static void ExpectRefused(const Case<Request>& one, const grpc::Status& status) {
    EXPECT_EQ(status.error_code(), one.code) << status.error_message();
    const ErrorDetails details = DetailsOf(status);
    EXPECT_TRUE(details.readable) << "the details of: " << status.error_message();
    EXPECT_EQ(details.domain, "bursar");
    EXPECT_TRUE(one.reason.empty() || details.reason == one.reason) << details.reason;
    EXPECT_FALSE(status.error_message().empty());
    EXPECT_LT(status.error_message().size(), 4096u);
    if (one.code == StatusCode::INVALID_ARGUMENT) {
      EXPECT_EQ(details.fields, std::vector<std::string>{one.field}) << status.error_message();
    }
    for (const char* inside : {"SELECT", "INSERT", "pqxx", "PQ", "libpq", "SQLSTATE", "::"}) {
      EXPECT_EQ(status.error_message().find(inside), std::string::npos) << status.error_message();
    }
  }

  template <typename Stub, typename Request, typename Response>
  static void Refuses(grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                      const Request& right, const std::vector<Case<Request>>& cases) {
    for (const auto& one : cases) {
      SCOPED_TRACE(Request::descriptor()->name() + ": " + one.what);
      Request request = right;
      one.spoil(request);
      Response response;
      ExpectRefused(one, client().Call(method, request, response));
    }
    EXPECT_EQ(fleet_->server(0).log().find("[libprotobuf"), std::string::npos);
  }

 private:
  static inline Fleet* fleet_ = nullptr;
  std::string before_;
};

template <typename Request>
v1::Filter& Selector(Request& request, const std::string& dimension, const std::string& value) {
  v1::Filter& filter = *request.mutable_budget()->add_selector();
  filter.set_dimension(dimension);
  filter.add_values(value);
  return filter;
}

template <typename Request>
v1::LimitOverride& Override(Request& request, const std::string& dimension,
                            const std::string& value) {
  v1::LimitOverride& entry = *request.mutable_budget()->add_overrides();
  (*entry.mutable_group())[dimension] = value;
  return entry;
}

v1::CreateBudgetRequest RightBudget() {
  v1::CreateBudgetRequest right;
  right.set_budget_id("new");
  *right.mutable_budget() = LifetimeBudget(kUsd, {"user"});
  return right;
}

TEST_F(BadAdminInput, CreateBudget) {
  using R = v1::CreateBudgetRequest;
  Refuses<Admin>(
      &Admin::CreateBudget, RightBudget(),
      std::vector<Case<R>>{
          {"no id", "budget_id", [](R& r) { r.clear_budget_id(); }},
          {"upper case", "budget_id", [](R& r) { r.set_budget_id("New"); }},
          {"a path", "budget_id", [](R& r) { r.set_budget_id("budgets/new"); }},
          {"64 bytes", "budget_id", [](R& r) { r.set_budget_id(std::string(64, 'b')); }},
          {"1 MiB of id", "budget_id", [](R& r) { r.set_budget_id(kMebibyte); }},
          {"NUL", "budget_id", [](R& r) { r.set_budget_id(kNul); }},
          {"an id cut in a character", "budget_id", [](R& r) { r.set_budget_id(kOddUmlauts); }},
          {"taken", "", [](R& r) { r.set_budget_id("known"); }, StatusCode::ALREADY_EXISTS,
           "BUDGET_EXISTS"},
          {"no budget", "budget.limit_nanousd", [](R& r) { r.clear_budget(); }},
          {"negative", "budget.limit_nanousd",
           [](R& r) { r.mutable_budget()->set_limit_nanousd(-1); }},
          {"negative tokens", "budget.limit_tokens",
           [](R& r) { r.mutable_budget()->set_limit_tokens(-1); }},
          {"no window", "budget.window.kind", [](R& r) { r.mutable_budget()->clear_window(); }},
          {"unknown window", "budget.window.kind",
           [](R& r) {
             r.mutable_budget()->mutable_window()->set_kind(static_cast<v1::Window::Kind>(7));
           }},
          {"no time zone", "budget.window.time_zone",
           [](R& r) { r.mutable_budget()->mutable_window()->set_time_zone("Mars/Olympus"); }},
          {"NUL after a time zone", "budget.window.time_zone",
           [](R& r) {
             r.mutable_budget()->mutable_window()->set_time_zone(std::string("UTC\0x", 5));
           }},
          {"a file as time zone", "budget.window.time_zone",
           [](R& r) { r.mutable_budget()->mutable_window()->set_time_zone("/etc/localtime"); }},
          {"1 MiB of time zone", "budget.window.time_zone",
           [](R& r) { r.mutable_budget()->mutable_window()->set_time_zone(kMebibyte); }},
          {"unknown mode", "budget.mode",
           [](R& r) { r.mutable_budget()->set_mode(static_cast<v1::EnforcementMode>(4)); }},
          {"unknown state", "budget.state",
           [](R& r) { r.mutable_budget()->set_state(static_cast<v1::Budget::State>(-1)); }},
      });
}

TEST_F(BadAdminInput, CreateBudgetWithBadDimensionsOrOverrides) {
  using R = v1::CreateBudgetRequest;
  Refuses<Admin>(
      &Admin::CreateBudget, RightBudget(),
      std::vector<Case<R>>{
          {"unknown dimension", "budget.group_by",
           [](R& r) { r.mutable_budget()->add_group_by("usr"); }},
          {"a dimension twice", "budget.group_by",
           [](R& r) { r.mutable_budget()->add_group_by("user"); }},
          {"1 MiB of label", "budget.group_by",
           [](R& r) { r.mutable_budget()->set_group_by(0, "label:" + kMebibyte); }},
          {"NUL in a label", "budget.group_by",
           [](R& r) { r.mutable_budget()->set_group_by(0, "label:" + kNul); }},
          {"unknown selector", "budget.selector[0].dimension",
           [](R& r) { Selector(r, "usr", "u"); }},
          {"1 MiB of selector", "budget.selector[0].dimension",
           [](R& r) { Selector(r, "label:" + kMebibyte, "u"); }},
          {"NUL in a selector", "budget.selector[0].values",
           [](R& r) { Selector(r, "team", kNul); }},
          {"a selector without values", "budget.selector[0].values",
           [](R& r) { Selector(r, "team", "").clear_values(); }},
          {"percent 0", "budget.threshold_percents",
           [](R& r) { r.mutable_budget()->add_threshold_percents(0); }},
          {"an override of another group", "budget.overrides[0].group",
           [](R& r) { Override(r, "team", "t"); }},
          {"an override of 1 MiB", "budget.overrides[0].group",
           [](R& r) { Override(r, kMebibyte, ""); }},
          {"a negative override", "budget.overrides[0].limit",
           [](R& r) { Override(r, "user", "u").set_limit(-1); }},
          {"an override's bad time", "budget.overrides[1].start_time",
           [](R& r) {
             Override(r, "user", "u");
             Override(r, "user", "v").mutable_start_time()->set_nanos(-1);
           }},
          {"an override that ends before it begins", "budget.overrides[0].expire_time",
           [](R& r) {
             auto& entry = Override(r, "user", "u");
             entry.mutable_start_time()->set_seconds(100);
             entry.mutable_expire_time()->set_seconds(99);
           }},
          {"year 10000", "budget.expire_time",
           [](R& r) { r.mutable_budget()->mutable_expire_time()->set_seconds(kYear9999 + 1); }},
          {"long name", "budget.display_name",
           [](R& r) { r.mutable_budget()->set_display_name(std::string(257, 'n')); }},
          {"NUL in the name", "budget.display_name",
           [](R& r) { r.mutable_budget()->set_display_name(kNul); }},
      });
}

TEST_F(BadAdminInput, UpdateBudget) {
  using R = v1::UpdateBudgetRequest;
  R right;
  right.mutable_budget()->set_name("budgets/known");
  right.mutable_budget()->set_limit_nanousd(5);
  right.mutable_update_mask()->add_paths("limit_nanousd");
  Refuses<Admin>(
      &Admin::UpdateBudget, right,
      std::vector<Case<R>>{
          {"no name", "budget.name", [](R& r) { r.mutable_budget()->clear_name(); }},
          {"an id for a name", "budget.name", [](R& r) { r.mutable_budget()->set_name("known"); }},
          {"1 MiB of name", "budget.name",
           [](R& r) { r.mutable_budget()->set_name("budgets/" + kMebibyte); }},
          {"unknown", "", [](R& r) { r.mutable_budget()->set_name("budgets/nobody"); },
           StatusCode::NOT_FOUND, "BUDGET_NOT_FOUND"},
          {"an old etag", "", [](R& r) { r.mutable_budget()->set_etag("old"); },
           StatusCode::ABORTED, "ETAG_MISMATCH"},
          {"no mask", "update_mask", [](R& r) { r.clear_update_mask(); }},
          {"an unknown path", "update_mask",
           [](R& r) { r.mutable_update_mask()->add_paths("limits"); }},
          {"a fixed field", "update_mask",
           [](R& r) { r.mutable_update_mask()->add_paths("group_by"); }},
          {"a path cut in a character", "update_mask",
           [](R& r) { r.mutable_update_mask()->add_paths(kOddUmlauts); }},
          {"another unit", "budget.limit_calls",
           [](R& r) {
             r.mutable_budget()->set_limit_calls(5);
             r.mutable_update_mask()->set_paths(0, "limit_calls");
           }},
          {"a negative limit", "budget.limit_nanousd",
           [](R& r) { r.mutable_budget()->set_limit_nanousd(-1); }},
          {"unknown state", "budget.state",
           [](R& r) {
             r.mutable_budget()->set_state(static_cast<v1::Budget::State>(9));
             r.mutable_update_mask()->add_paths("state");
           }},
      });
}

TEST_F(BadAdminInput, GetListAndDeleteBudget) {
  using G = v1::GetBudgetRequest;
  Refuses<Admin>(&Admin::GetBudget, G(),
                 std::vector<Case<G>>{
                     {"no name", "name", [](G&) {}},
                     {"NUL", "name", [](G& r) { r.set_name("budgets/" + kNul); }},
                     {"1 MiB", "name", [](G& r) { r.set_name(kMebibyte); }},
                     {"unknown", "", [](G& r) { r.set_name("budgets/nobody"); },
                      StatusCode::NOT_FOUND, "BUDGET_NOT_FOUND"},
                 });
  using L = v1::ListBudgetsRequest;
  Refuses<Admin>(&Admin::ListBudgets, L(),
                 std::vector<Case<L>>{
                     {"page size -1", "page_size", [](L& r) { r.set_page_size(-1); }},
                     {"page size 1001", "page_size", [](L& r) { r.set_page_size(1001); }},
                     {"NUL in the token", "page_token", [](L& r) { r.set_page_token(kNul); }},
                     {"no token of ours", "page_token", [](L& r) { r.set_page_token("?"); }},
                 });
  using D = v1::DeleteBudgetRequest;
  D known;
  known.set_name("budgets/known");
  Refuses<Admin>(&Admin::DeleteBudget, known,
                 std::vector<Case<D>>{
                     {"no name", "name", [](D& r) { r.clear_name(); }},
                     {"an old etag", "", [](D& r) { r.set_etag("old"); }, StatusCode::ABORTED,
                      "ETAG_MISMATCH"},
                     {"NUL in the etag", "", [](D& r) { r.set_etag(kNul); }, StatusCode::ABORTED,
                      "ETAG_MISMATCH"},
                     {"unknown", "", [](D& r) { r.set_name("budgets/nobody"); },
                      StatusCode::NOT_FOUND, "BUDGET_NOT_FOUND"},
                 });
}

template <typename Request>
v1::Filter& AddFilter(Request& request, const std::string& dimension, const std::string& value) {
  v1::Filter& filter = *request.add_filters();
  filter.set_dimension(dimension);
  filter.add_values(value);
  return filter;
}

TEST_F(BadAdminInput, QueryCosts) {
  using R = v1::QueryCostsRequest;
  R right;
  right.mutable_start_time()->set_seconds(kNow);
  Refuses<Telemetry>(
      &Telemetry::QueryCosts, right,
      std::vector<Case<R>>{
          {"no start", "start_time", [](R& r) { r.clear_start_time(); }},
          {"before year 1", "start_time",
           [](R& r) { r.mutable_start_time()->set_seconds(kYear1 - 1); }},
          {"year 1 to 9999", "end_time",
           [](R& r) {
             r.mutable_start_time()->set_seconds(kYear1);
             r.mutable_end_time()->set_seconds(kYear9999);
           }},
          {"an empty range", "end_time", [](R& r) { r.mutable_end_time()->set_seconds(kNow); }},
          {"end before start", "end_time", [](R& r) { r.mutable_end_time()->set_seconds(1); }},
          {"10^9 nanos", "end_time", [](R& r) { r.mutable_end_time()->set_nanos(1'000'000'000); }},
          {"no time zone", "time_zone", [](R& r) { r.set_time_zone("Mars/Olympus"); }},
          {"a file", "time_zone", [](R& r) { r.set_time_zone("/etc/localtime"); }},
          {"the server's zone", "time_zone", [](R& r) { r.set_time_zone("localtime"); }},
          {"an offset", "time_zone", [](R& r) { r.set_time_zone("Fixed/UTC+05:30:00"); }},
          {"a way out", "time_zone", [](R& r) { r.set_time_zone("../zoneinfo/UTC"); }},
          {"NUL after a zone", "time_zone", [](R& r) { r.set_time_zone(std::string("UTC\0", 4)); }},
          {"a zone cut in a character", "time_zone", [](R& r) { r.set_time_zone(kOddUmlauts); }},
          {"unknown bucket", "bucket", [](R& r) { r.set_bucket(static_cast<R::Bucket>(5)); }},
          {"unknown dimension", "group_by", [](R& r) { r.add_group_by("usr"); }},
          {"SQL as dimension", "group_by", [](R& r) { r.add_group_by("1; DROP TABLE budget"); }},
          {"a dimension twice", "group_by",
           [](R& r) { r.add_group_by("user"), r.add_group_by("user"); }},
          {"six dimensions", "group_by",
           [](R& r) {
             for (const char* d : {"user", "team", "agent", "run", "model", "step"}) {
               r.add_group_by(d);
             }
           }},
          {"NUL in a label", "group_by", [](R& r) { r.add_group_by("label:" + kNul); }},
          {"1 MiB of label", "group_by", [](R& r) { r.add_group_by("label:" + kMebibyte); }},
          {"unknown filter", "filters[0].dimension", [](R& r) { AddFilter(r, "usr", "u"); }},
          {"NUL in a filter", "filters[0].values", [](R& r) { AddFilter(r, "user", kNul); }},
          {"no values", "filters[0].values", [](R& r) { AddFilter(r, "user", "").clear_values(); }},
          {"21 filters", "filters",
           [](R& r) {
             for (int i = 0; i < 21; ++i) AddFilter(r, "user", "u");
           }},
          {"unknown order", "order_by", [](R& r) { r.set_order_by("price"); }},
          {"SQL as order", "order_by", [](R& r) { r.set_order_by("cost; DROP TABLE budget"); }},
          {"bucket without buckets", "order_by", [](R& r) { r.set_order_by("bucket"); }},
          {"an order cut in a character", "order_by", [](R& r) { r.set_order_by(kOddUmlauts); }},
          {"page size -1", "page_size", [](R& r) { r.set_page_size(-1); }},
          {"page size 10001", "page_size", [](R& r) { r.set_page_size(10001); }},
          {"no token", "page_token", [](R& r) { r.set_page_token("?"); }},
          {"NUL as token", "page_token", [](R& r) { r.set_page_token(kNul); }},
      });
}

TEST_F(BadAdminInput, APageTokenBelongsToItsQueryAlone) {
  using R = v1::QueryCostsRequest;
  R right;
  right.mutable_start_time()->set_seconds(kNow);
  right.add_group_by("user");
  right.set_page_size(1);
  v1::QueryCostsResponse response;
  ASSERT_TRUE(client().Query(right, response).ok());
  ASSERT_FALSE(response.next_page_token().empty());
  right.set_page_token(response.next_page_token());
  ASSERT_TRUE(client().Query(right, response).ok());
  auto forge = [](R& r, const std::string& as_of, const std::string& offset,
                  const std::string& view = "") {
    std::string text;
    ASSERT_TRUE(absl::WebSafeBase64Unescape(r.page_token(), &text));
    const size_t first = text.find('|'), second = text.find('|', first + 1);
    const size_t third = text.find('|', second + 1);
    r.set_page_token(absl::WebSafeBase64Escape(
        absl::StrCat(text.substr(0, first + 1), as_of, "|", offset,
                     text.substr(third, text.rfind('|') + 1 - third), view)));
  };
  Refuses<Telemetry>(
      &Telemetry::QueryCosts, right,
      std::vector<Case<R>>{
          {"another start", "page_token",
           [](R& r) { r.mutable_start_time()->set_seconds(kNow + 1); }},
          {"another end", "page_token",
           [](R& r) { r.mutable_end_time()->set_seconds(kNow + 100'000'000); }},
          {"another group", "page_token", [](R& r) { r.set_group_by(0, "team"); }},
          {"another order", "page_token", [](R& r) { r.set_order_by("calls"); }},
          {"another filter", "page_token", [](R& r) { AddFilter(r, "user", "a"); }},
          {"another zone", "page_token", [](R& r) { r.set_time_zone("Asia/Kolkata"); }},
          {"a forged offset", "page_token", [&](R& r) { forge(r, "1", "-1"); }},
          {"a forged view", "page_token", [&](R& r) { forge(r, "1", "1", "9:1:"); }},
          {"no view", "page_token", [&](R& r) { forge(r, "1", "1"); }},
          {"a forged time", "page_token",
           [&](R& r) { forge(r, absl::StrCat(std::numeric_limits<int64_t>::min()), "0"); }},
      });
}

TEST_F(BadAdminInput, AMethodOfALaterTurnSaysSo) {
  for (const auto* service : {v1::CheckBudgetRequest::descriptor()->file()->service(0),
                              v1::CreateBudgetRequest::descriptor()->file()->service(0)}) {
    for (int i = 0; i < service->method_count(); ++i) {
      const std::string& method = service->method(i)->name();
      std::string answer;
      const grpc::Status status =
          client().CallRaw(absl::StrCat("/", service->full_name(), "/", method), "", answer);
      if (status.error_code() != StatusCode::UNIMPLEMENTED) continue;
      EXPECT_NE(status.error_message().find(method), std::string::npos) << method;
      EXPECT_EQ(DetailsOf(status).reason, "UNIMPLEMENTED");
    }
  }
}

TEST_F(BadAdminInput, AProvidersUsageThatCannotBeRead) {
  v1::RecordUsageRequest record;
  record.set_usage_id("bad");
  record.mutable_provider_usage()->set_json(R"({"usage": {}})");
  v1::RecordUsageResponse response;
  const auto refused = [&](const std::string& field) {
    const grpc::Status status = client().Record(record, response);
    EXPECT_EQ(status.error_code(), StatusCode::INVALID_ARGUMENT) << status.error_message();
    EXPECT_EQ(DetailsOf(status).fields, std::vector<std::string>{field}) << status.error_message();
  };
  refused("model.provider");  // nobody knows whose it is
  record.mutable_model()->set_provider("a provider of one's own");
  refused("model.provider");
  record.mutable_model()->set_provider("openai");
  record.mutable_provider_usage()->set_api_flavor("telegraph");
  refused("provider_usage.api_flavor");
  record.mutable_provider_usage()->set_api_flavor("chat");
  refused("provider_usage.usage.prompt_tokens");
  record.mutable_provider_usage()->set_json("{");
  refused("provider_usage.json");
}

}  // namespace
}  // namespace bursar::testing
