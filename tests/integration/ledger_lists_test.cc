// ListBudgetStatuses, ListReservations and ListCostEvents on the real server.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <limits>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "access/api_key.h"
#include "integration/fleet.h"

namespace bursar::testing {
namespace {

using grpc::StatusCode;

v1::Filter FilterOf(const std::string& dimension, const std::vector<std::string>& values,
                    bool exclude = false) {
  v1::Filter filter;
  filter.set_dimension(dimension);
  for (const auto& value : values) filter.add_values(value);
  filter.set_exclude(exclude);
  return filter;
}

// Reads all pages of a list; `between` is done after each.
template <typename Request, typename Response>
void ReadAll(
    RpcClient& client,
    grpc::Status (Admin::*method)(grpc::ClientContext*, const Request&, Response*), Request request,
    int page_size, const std::function<void(const Response&)>& read,
    const std::function<void()>& between = [] {}) {
  request.set_page_size(page_size);
  int pages = 0;
  do {
    Response response;
    const grpc::Status status = client.Call(method, request, response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    if (!status.ok()) return;
    read(response);
    request.set_page_token(response.next_page_token());
    between();
  } while (!request.page_token().empty() && ++pages < 1000);
  EXPECT_LT(pages, 1000);
}

std::vector<v1::BudgetStatus> Statuses(
    RpcClient& client, const v1::ListBudgetStatusesRequest& request, int page_size = 100,
    const std::function<void()>& between = [] {}) {
  std::vector<v1::BudgetStatus> all;
  ReadAll<v1::ListBudgetStatusesRequest, v1::ListBudgetStatusesResponse>(
      client, &Admin::ListBudgetStatuses, request, page_size,
      [&](const v1::ListBudgetStatusesResponse& response) {
        EXPECT_LE(response.statuses_size(), page_size);
        all.insert(all.end(), response.statuses().begin(), response.statuses().end());
      },
      between);
  return all;
}

std::vector<v1::Reservation> Reservations(
    RpcClient& client, const v1::ListReservationsRequest& request, int page_size = 100,
    const std::function<void()>& between = [] {}) {
  std::vector<v1::Reservation> all;
  ReadAll<v1::ListReservationsRequest, v1::ListReservationsResponse>(
      client, &Admin::ListReservations, request, page_size,
      [&](const v1::ListReservationsResponse& response) {
        EXPECT_LE(response.reservations_size(), page_size);
        all.insert(all.end(), response.reservations().begin(), response.reservations().end());
      },
      between);
  return all;
}

std::vector<std::string> Ids(RpcClient& client, const std::vector<v1::Filter>& filters,
                             v1::Reservation::State state = v1::Reservation::STATE_UNSPECIFIED,
                             int page_size = 100) {
  v1::ListReservationsRequest request;
  for (const auto& filter : filters) *request.add_filters() = filter;
  request.set_state(state);
  std::vector<std::string> ids;
  for (const auto& reservation : Reservations(client, request, page_size)) {
    ids.push_back(reservation.id());
  }
  return ids;
}

std::vector<std::string> Events(
    RpcClient& client, const v1::ListCostEventsRequest& request, int page_size = 100,
    const std::function<void()>& between = [] {}) {
  std::vector<std::string> ids;
  ReadAll<v1::ListCostEventsRequest, v1::ListCostEventsResponse>(
      client, &Admin::ListCostEvents, request, page_size,
      [&](const v1::ListCostEventsResponse& response) {
        EXPECT_LE(response.events_size(), page_size);
        for (const auto& event : response.events()) ids.push_back(event.message());
      },
      between);
  return ids;
}

void Hold(RpcClient& client, const std::string& id, const std::string& user, int64_t cost,
          const std::function<void(v1::CheckBudgetRequest&)>& with = nullptr) {
  auto check = CheckOf(id, cost);
  check.mutable_subject()->set_user(user);
  if (with) with(check);
  v1::CheckBudgetResponse response;
  ASSERT_TRUE(client.Check(check, response).ok());
  ASSERT_EQ(response.decision(), v1::DECISION_ALLOW) << response.message();
}

void Use(RpcClient& client, const std::string& id, const std::string& user, int64_t cost) {
  auto record = RecordOf(id, cost);
  record.mutable_subject()->set_user(user);
  v1::RecordUsageResponse response;
  ASSERT_TRUE(client.Record(record, response).ok());
}

void RunScript(const Fleet& fleet, const std::string& sql) {
  const absl::Status status = fleet.database().Connect()->ExecuteScript(sql);
  ASSERT_TRUE(status.ok()) << status << " for " << sql;
}

// ---- ListBudgetStatuses

v1::ListBudgetStatusesRequest StatusesOf(const std::string& budget, double min_used = 0) {
  v1::ListBudgetStatusesRequest request;
  request.set_name("budgets/" + budget);
  request.set_min_used_fraction(min_used);
  return request;
}

std::vector<std::string> Users(const std::vector<v1::BudgetStatus>& statuses) {
  std::vector<std::string> users;
  for (const auto& status : statuses) users.push_back(status.group().at("user"));
  return users;
}

// A budget by user and day: u00 has used 0 %, u01 3 %, ...; u05 has another limit.
class StatusList : public ::testing::Test {
 protected:
  static constexpr int kUsers = 30;

  void SetUp() override {
    v1::Budget daily = LifetimeBudget(100, {"user"});
    daily.mutable_window()->set_kind(v1::Window::KIND_DAY);
    daily.set_display_name("A day of a user");
    auto* entry = daily.add_overrides();
    (*entry->mutable_group())["user"] = "u05";
    entry->set_limit(10);
    ASSERT_TRUE(client().CreateBudget("user-day", daily).ok());
    ASSERT_TRUE(client().CreateBudget("other", LifetimeBudget(kUsd, {"user"})).ok());
    for (int i = 0; i < kUsers; ++i) {
      const std::string user = absl::StrCat("u", i / 10, i % 10);
      Use(client(), user, user, 2 * i);
      if (i > 0) Hold(client(), "hold " + user, user, i == 5 ? 0 : i);
    }
  }
  RpcClient& client() { return fleet_.client(0); }

  Fleet fleet_{1};
};

TEST_F(StatusList, HasTheFullestFirstWithTheFiguresOfTheGate) {
  const auto statuses = Statuses(client(), StatusesOf("user-day"));
  ASSERT_EQ(statuses.size(), size_t{kUsers});
  EXPECT_EQ(statuses[0].group().at("user"), "u05") << "10 of 10 by its override";
  EXPECT_EQ(statuses[1].group().at("user"), "u29");
  EXPECT_EQ(statuses.back().group().at("user"), "u00");
  for (size_t i = 0; i < statuses.size(); ++i) {
    if (i > 0) {
      EXPECT_GE(statuses[i - 1].used_fraction(), statuses[i].used_fraction());
    }
    v1::GetBudgetStatusRequest request;
    request.mutable_subject()->set_user(statuses[i].group().at("user"));
    v1::GetBudgetStatusResponse gate;
    ASSERT_TRUE(client().Call(&Telemetry::GetBudgetStatus, request, gate).ok());
    const auto same = std::find_if(gate.budgets().begin(), gate.budgets().end(),
                                   [](const auto& s) { return s.budget() == "budgets/user-day"; });
    ASSERT_NE(same, gate.budgets().end());
    EXPECT_EQ(statuses[i].ShortDebugString(), same->ShortDebugString());
  }
}

TEST_F(StatusList, PagesAreTheWholeList) {
  const auto whole = Users(Statuses(client(), StatusesOf("user-day")));
  for (const int page_size : {1, 7, 29, 30, 31}) {
    EXPECT_EQ(Users(Statuses(client(), StatusesOf("user-day"), page_size)), whole) << page_size;
  }
}

TEST_F(StatusList, CountersThatAreEquallyFullComeOnceEach) {
  ASSERT_TRUE(client().CreateBudget("same", LifetimeBudget(0, {"user"})).ok());
  for (int i = 0; i < 25; ++i) Use(client(), absl::StrCat("s", i), absl::StrCat("s", i), i);
  const auto users = Users(Statuses(client(), StatusesOf("same"), 4));
  EXPECT_EQ(users.size(), 25u) << "a limit of 0 is full";
  EXPECT_EQ(std::set<std::string>(users.begin(), users.end()).size(), 25u);
}

TEST_F(StatusList, LeavesOutWhatIsLessFullThanAskedFor) {
  EXPECT_EQ(Users(Statuses(client(), StatusesOf("user-day", 0.87))),
            (std::vector<std::string>{"u05", "u29"}));
  EXPECT_EQ(Statuses(client(), StatusesOf("user-day", 0.84), 2).size(), 3u);
  EXPECT_TRUE(Statuses(client(), StatusesOf("user-day", 1.01)).empty());
}

TEST_F(StatusList, HasTheWindowThatIsNowAlone) {
  RunScript(fleet_,
            "INSERT INTO counter (id, tenant_id, budget_uid, group_values, window_start, "
            "window_end, spent, reserved, version) SELECT gen_random_uuid(), tenant_id, "
            "budget_uid, '{\"user\":\"past\"}', window_start - days * interval '1 day', "
            "window_end - days * interval '1 day', 99, 0, 1 "
            "FROM counter, generate_series(-1, 3) AS days "
            "WHERE group_values = '{\"user\":\"u03\"}' AND window_start > '-infinity' "
            "AND days <> 0");
  EXPECT_EQ(Statuses(client(), StatusesOf("user-day")).size(), size_t{kUsers});
}

TEST_F(StatusList, StaysInOrderWhileFiguresMove) {
  int moved = 0;
  const auto statuses = Statuses(client(), StatusesOf("user-day"), 3, [&] {
    Use(client(), absl::StrCat("more ", moved), absl::StrCat("new", moved), 1);
    Use(client(), absl::StrCat("much ", moved), absl::StrCat("full", moved), 95);
    ++moved;
  });
  EXPECT_GT(moved, 5);
  std::set<std::string> users;
  for (size_t i = 0; i < statuses.size(); ++i) {
    EXPECT_TRUE(users.insert(statuses[i].group().at("user")).second) << "twice";
    if (i > 0) {
      EXPECT_GE(statuses[i - 1].used_fraction(), statuses[i].used_fraction());
    }
  }
  for (int i = 0; i < kUsers; ++i) {
    EXPECT_TRUE(users.contains(absl::StrCat("u", i / 10, i % 10))) << "what did not move is there";
  }
}

TEST_F(StatusList, AsksForABudgetThatIsThere) {
  v1::ListBudgetStatusesResponse response;
  auto status = client().Call(&Admin::ListBudgetStatuses, StatusesOf("none"), response);
  EXPECT_EQ(status.error_code(), StatusCode::NOT_FOUND);
  EXPECT_EQ(DetailsOf(status).reason, "BUDGET_NOT_FOUND");
  auto refused = [&](const v1::ListBudgetStatusesRequest& request) {
    const auto answer = client().Call(&Admin::ListBudgetStatuses, request, response);
    EXPECT_EQ(answer.error_code(), StatusCode::INVALID_ARGUMENT) << request.ShortDebugString();
    const auto fields = DetailsOf(answer).fields;
    return fields.empty() ? "" : fields[0];
  };
  v1::ListBudgetStatusesRequest request = StatusesOf("user-day");
  request.set_name("user-day");
  EXPECT_EQ(refused(request), "name");
  for (const double wrong :
       {-0.1, std::numeric_limits<double>::infinity(), std::numeric_limits<double>::quiet_NaN()}) {
    EXPECT_EQ(refused(StatusesOf("user-day", wrong)), "min_used_fraction");
  }
  for (const int wrong : {-1, 1001}) {
    request = StatusesOf("user-day");
    request.set_page_size(wrong);
    EXPECT_EQ(refused(request), "page_size");
  }
  request = StatusesOf("user-day");
  request.set_page_size(2);
  ASSERT_TRUE(client().Call(&Admin::ListBudgetStatuses, request, response).ok());
  const std::string token = response.next_page_token();
  request.set_name("budgets/other");
  request.set_page_token(token);
  EXPECT_EQ(refused(request), "page_token");
  request = StatusesOf("user-day");
  for (const std::string& wrong : {std::string("x"), token.substr(2), token.substr(0, 60)}) {
    request.set_page_token(wrong);
    EXPECT_EQ(refused(request), "page_token");
  }
}

// ---- ListReservations

// r0 to r11, made in this order, of three users; some have ended.
class ReservationList : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(client().CreateBudget("user", LifetimeBudget(kUsd, {"user"})).ok());
    ASSERT_TRUE(client().CreateBudget("p", OfProject(LifetimeBudget(kUsd), "p")).ok());
    for (int i = 0; i < 12; ++i) {
      Hold(client(), absl::StrCat("r", i), absl::StrCat("u", i % 3), 10 + i, [&](auto& check) {
        check.mutable_subject()->set_run(absl::StrCat("run", i));
        check.mutable_subject()->set_agent(i % 2 == 0 ? "even" : "");
        (*check.mutable_subject()->mutable_labels())["env"] = i < 6 ? "test" : "live";
        check.mutable_model()->set_provider("openai");
        check.mutable_model()->set_name(i % 4 == 0 ? "gpt-x" : "gpt-y");
        check.mutable_model()->set_region("eu");
        if (i >= 10) check.mutable_subject()->set_project("p");
        if (i == 9) check.set_event_type("tool_call");
      });
    }
    v1::RecordUsageResponse recorded;
    v1::ReleaseReservationResponse released;
    ASSERT_TRUE(client().Record(RecordOf("used 1", 3, "r1"), recorded).ok());
    ASSERT_TRUE(client().Release("r2", released).ok());
    ASSERT_TRUE(client().Record(RecordOf("used 10", 3, "r10"), recorded).ok());
  }
  RpcClient& client() { return fleet_.client(0); }

  using Texts = std::vector<std::string>;
  Fleet fleet_{1};
};

TEST_F(ReservationList, HasTheOldestFirst) {
  const Texts all = {"r0", "r1", "r2", "r3", "r4", "r5", "r6", "r7", "r8", "r9", "r10", "r11"};
  for (const int page_size : {1, 5, 12, 13}) {
    EXPECT_EQ(Ids(client(), {}, v1::Reservation::STATE_UNSPECIFIED, page_size), all);
  }
  EXPECT_EQ(Ids(client(), {}, v1::Reservation::STATE_SETTLED), (Texts{"r1", "r10"}));
  EXPECT_EQ(Ids(client(), {}, v1::Reservation::STATE_RELEASED), (Texts{"r2"}));
  EXPECT_EQ(Ids(client(), {}, v1::Reservation::STATE_EXPIRED), (Texts{}));
  EXPECT_EQ(Ids(client(), {}, v1::Reservation::STATE_ACTIVE, 4),
            (Texts{"r0", "r3", "r4", "r5", "r6", "r7", "r8", "r9", "r11"}));
}

TEST_F(ReservationList, SaysWhatTheCheckSaid) {
  v1::ListReservationsRequest request;
  *request.add_filters() = FilterOf("request_id", {"r8"});
  const auto found = Reservations(client(), request);
  ASSERT_EQ(found.size(), 1u);
  // An extension that changes nothing says the same.
  v1::ExtendReservationRequest extend;
  extend.set_reservation_id("r8");
  v1::ExtendReservationResponse extended;
  ASSERT_TRUE(client().Call(&Telemetry::ExtendReservation, extend, extended).ok());
  v1::Reservation listed = found[0], gate = extended.reservation();
  EXPECT_GT(listed.remaining_ttl().seconds(), 200);
  listed.clear_remaining_ttl();
  gate.clear_remaining_ttl();
  EXPECT_EQ(listed.ShortDebugString(), gate.ShortDebugString());
  EXPECT_EQ(listed.reserved_nanousd(), 18);
  EXPECT_EQ(listed.subject().labels().at("env"), "live");
}

TEST_F(ReservationList, KeepsWhatEveryFilterLetsThrough) {
  const auto ids = [&](const std::vector<v1::Filter>& filters) { return Ids(client(), filters); };
  EXPECT_EQ(ids({FilterOf("user", {"u1"})}), (Texts{"r1", "r4", "r7", "r10"}));
  EXPECT_EQ(ids({FilterOf("user", {"u1", "u2"}), FilterOf("agent", {"even"})}),
            (Texts{"r2", "r4", "r8", "r10"}));
  EXPECT_EQ(ids({FilterOf("agent", {"even"}, true), FilterOf("label:env", {"live"})}),
            (Texts{"r7", "r9", "r11"}));
  EXPECT_EQ(ids({FilterOf("agent", {""}), FilterOf("run", {"run3", "run4"})}), (Texts{"r3"}));
  EXPECT_EQ(ids({FilterOf("model", {"gpt-x"}), FilterOf("region", {"eu"})}),
            (Texts{"r0", "r4", "r8"}));
  EXPECT_EQ(ids({FilterOf("provider", {"openai"}, true)}), (Texts{}));
  EXPECT_EQ(ids({FilterOf("event_type", {"tool_call"})}), (Texts{"r9"}));
  EXPECT_EQ(ids({FilterOf("request_id", {"r3", "r1", "none"})}), (Texts{"r1", "r3"}));
  EXPECT_EQ(ids({FilterOf("request_id", {"r3", "r1"}, true)}).size(), 10u);
  EXPECT_EQ(ids({FilterOf("label:nope", {"x"})}), (Texts{}));
}

// r10 is pinned to the budget too, but it has ended and holds nothing.
TEST_F(ReservationList, FindsWhatHoldsInABudget) {
  EXPECT_EQ(Ids(client(), {FilterOf("budget", {"p"})}), (Texts{"r11"}));
  EXPECT_EQ(Ids(client(), {FilterOf("budget", {"budgets/p"})}), (Texts{"r11"}));
  EXPECT_EQ(Ids(client(), {FilterOf("budget", {"user"}), FilterOf("user", {"u2"})}),
            (Texts{"r5", "r8", "r11"}));
  EXPECT_EQ(Ids(client(), {FilterOf("budget", {"p"}, true)}, v1::Reservation::STATE_ACTIVE).size(),
            8u);
  EXPECT_EQ(Ids(client(), {FilterOf("budget", {"p"})}, v1::Reservation::STATE_SETTLED), (Texts{}));
  EXPECT_EQ(Ids(client(), {FilterOf("budget", {"none"})}), (Texts{}));
}

TEST_F(ReservationList, StaysTogetherWhileReservationsComeAndGo) {
  v1::ListReservationsRequest request;
  request.set_state(v1::Reservation::STATE_ACTIVE);
  int more = 0;
  std::vector<std::string> ids;
  for (const auto& reservation : Reservations(client(), request, 2, [&] {
         if (more >= 3) return;
         Hold(client(), absl::StrCat("later", more), "u9", 1);
         v1::ReleaseReservationResponse released;  // of one that was shown: no place in the list
         ASSERT_TRUE(client().Release(absl::StrCat("r", more == 0 ? 0 : more + 2), released).ok());
         ++more;
       })) {
    ids.push_back(reservation.id());
  }
  EXPECT_EQ(ids, (Texts{"r0", "r3", "r4", "r5", "r6", "r7", "r8", "r9", "r11", "later0", "later1",
                        "later2"}));
}

TEST_F(ReservationList, RefusesWhatIsNoQuestion) {
  v1::ListReservationsResponse response;
  auto refused = [&](const std::function<void(v1::ListReservationsRequest&)>& spoil) {
    v1::ListReservationsRequest request;
    spoil(request);
    const auto status = client().Call(&Admin::ListReservations, request, response);
    EXPECT_EQ(status.error_code(), StatusCode::INVALID_ARGUMENT) << request.ShortDebugString();
    const auto fields = DetailsOf(status).fields;
    return fields.empty() ? "" : fields[0];
  };
  auto filter = [](const std::string& dimension, const std::vector<std::string>& values) {
    return [=](auto& request) { *request.add_filters() = FilterOf(dimension, values); };
  };
  EXPECT_EQ(refused(filter("colour", {"red"})), "filters[0].dimension");
  EXPECT_EQ(refused(filter("kind", {"DENIED"})), "filters[0].dimension");
  EXPECT_EQ(refused(filter("label:", {"red"})), "filters[0].dimension");
  EXPECT_EQ(refused(filter("user", {})), "filters[0].values");
  EXPECT_EQ(refused(filter("user", {"a\nb"})), "filters[0].values");
  EXPECT_EQ(refused(filter("budget", {"No Budget"})), "filters[0].values");
  EXPECT_EQ(refused([](auto& request) {
              for (int i = 0; i < 21; ++i) *request.add_filters() = FilterOf("user", {"u"});
            }),
            "filters");
  EXPECT_EQ(refused([](auto& request) { request.set_page_size(-1); }), "page_size");
  EXPECT_EQ(refused([](auto& request) { request.set_page_size(1001); }), "page_size");
  EXPECT_EQ(
      refused([](auto& request) { request.set_state(static_cast<v1::Reservation::State>(7)); }),
      "state");
  v1::ListReservationsRequest right;
  right.set_page_size(1);
  ASSERT_TRUE(client().Call(&Admin::ListReservations, right, response).ok());
  const std::string token = response.next_page_token();
  EXPECT_EQ(refused([&](auto& request) {
              request.set_page_token(token);
              request.set_state(v1::Reservation::STATE_ACTIVE);
            }),
            "page_token");
  for (const std::string& wrong : {std::string("?"), token.substr(1), token.substr(0, 50)}) {
    EXPECT_EQ(refused([&](auto& request) { request.set_page_token(wrong); }), "page_token");
  }
}

// ---- ListCostEvents

constexpr int64_t kT0 = 1790000000;

// An event a minute from kT0 on: e0 to e9, each kind twice; those of odd numbers speak of a budget.
constexpr char kInsertEvents[] = R"(
    INSERT INTO cost_event (tenant_id, event_time, id, kind, counter_id, budget_id, display_name,
      group_values, unit, mode, limit_amount, spent, reserved, window_start, window_end, subject,
      model, request_id, usage_id, reason, message, amount, threshold_percent, count)
    SELECT tenant, to_timestamp(1790000000) + i * interval '1 minute', gen_random_uuid(), i % 5 + 1,
      CASE WHEN odd THEN gen_random_uuid() END, CASE WHEN odd THEN 'b' || i % 3 END,
      CASE WHEN odd THEN 'B' END, CASE WHEN odd THEN '{"user":"u"}' END, CASE WHEN odd THEN 2 END,
      CASE WHEN odd THEN 1 END, CASE WHEN odd THEN 100 END, CASE WHEN odd THEN 70 END,
      CASE WHEN odd THEN 20 END, CASE WHEN odd THEN '-infinity'::timestamptz END,
      CASE WHEN odd THEN 'infinity'::timestamptz END,
      format('{"user":"u%s","labels":{"env":"live"}}', i % 2), '{"provider":"x","name":"m"}',
      'r' || i, CASE WHEN i < 5 THEN 'used' || i ELSE '' END, 'BUDGET_HELD', prefix || i, i * 7,
      CASE WHEN i % 5 = 0 THEN 75 ELSE 0 END, i + 1
    FROM generate_series(0, 9) AS i, LATERAL (SELECT i % 2 = 1 AS odd) o,
      (VALUES ('default', 'e'), ('other', 'theirs')) AS of_tenant(tenant, prefix))";

class EventList : public ::testing::Test {
 protected:
  void SetUp() override { RunScript(fleet_, kInsertEvents); }
  RpcClient& client() { return fleet_.client(0); }

  std::vector<std::string> With(const std::vector<v1::Filter>& filters, int page_size = 100) {
    v1::ListCostEventsRequest request;
    for (const auto& filter : filters) *request.add_filters() = filter;
    return Events(client(), request, page_size);
  }

  using Texts = std::vector<std::string>;
  const Texts all_ = {"e0", "e1", "e2", "e3", "e4", "e5", "e6", "e7", "e8", "e9"};
  Fleet fleet_{1};
};

TEST_F(EventList, HasTheOldestFirstOfItsOwnTenant) {
  for (const int page_size : {1, 3, 10, 11}) EXPECT_EQ(With({}, page_size), all_);
}

TEST_F(EventList, SaysAllThatIsKept) {
  v1::ListCostEventsRequest request;
  *request.add_filters() = FilterOf("request_id", {"r1", "r8"});
  v1::ListCostEventsResponse response;
  ASSERT_TRUE(client().Call(&Admin::ListCostEvents, request, response).ok());
  ASSERT_EQ(response.events_size(), 2);
  EXPECT_EQ(response.events(0).ShortDebugString(),
            "event_time { seconds: 1790000060 } kind: \"DENIED\" "
            "subject { user: \"u1\" labels { key: \"env\" value: \"live\" } } "
            "status { budget: \"budgets/b1\" display_name: \"B\" group { key: \"user\" value: "
            "\"u\" } unit: UNIT_TOKENS mode: ENFORCEMENT_MODE_HARD limit: 100 spent: 70 "
            "reserved: 20 remaining: 10 used_fraction: 0.9 would_deny: true } "
            "reason: \"BUDGET_HELD\" count: 2 model { provider: \"x\" name: \"m\" } "
            "request_id: \"r1\" usage_id: \"used1\" message: \"e1\" amount: 7");
  EXPECT_FALSE(response.events(1).has_status());
  EXPECT_EQ(response.events(1).kind(), "EXPIRED");
}

TEST_F(EventList, KeepsWhatRangeAndFiltersLetThrough) {
  EXPECT_EQ(With({FilterOf("kind", {"THRESHOLD_CROSSED", "LATE"})}),
            (Texts{"e0", "e4", "e5", "e9"}));
  EXPECT_EQ(With({FilterOf("kind", {"DENIED"}, true), FilterOf("user", {"u1"})}, 1),
            (Texts{"e3", "e5", "e7", "e9"}));
  EXPECT_EQ(With({FilterOf("budget", {"budgets/b0"})}), (Texts{"e3", "e9"}));
  EXPECT_EQ(With({FilterOf("budget", {"b0", "b1", "b2"}, true)}),
            (Texts{"e0", "e2", "e4", "e6", "e8"}));
  EXPECT_EQ(With({FilterOf("label:env", {"live"}), FilterOf("model", {"m"})}).size(), 10u);
  v1::ListCostEventsRequest request;
  request.mutable_start_time()->set_seconds(kT0 + 120);
  EXPECT_EQ(Events(client(), request, 3), (Texts{all_.begin() + 2, all_.end()}));
  request.mutable_end_time()->set_seconds(kT0 + 240);
  EXPECT_EQ(Events(client(), request, 1), (Texts{"e2", "e3"})) << "the end is not in it";
}

TEST_F(EventList, StaysTogetherWhileEventsArrive) {
  int more = 0;
  const auto found = Events(client(), {}, 3, [&] {
    if (++more > 3) return;
    RunScript(fleet_, absl::StrCat("INSERT INTO cost_event (tenant_id, event_time, id, kind, "
                                   "subject, model, request_id, usage_id, reason, message, amount, "
                                   "threshold_percent, count) VALUES ('default', to_timestamp(",
                                   kT0 + 10'000 + more,
                                   "), gen_random_uuid(), 2, '{}', '{}', '', "
                                   "'', '', 'new",
                                   more, "', 0, 0, 1)"));
  });
  Texts expected = all_;
  for (const char* text : {"new1", "new2", "new3"}) expected.emplace_back(text);
  EXPECT_EQ(found, expected);
}

TEST_F(EventList, RefusesWhatIsNoQuestion) {
  v1::ListCostEventsResponse response;
  auto refused = [&](const std::function<void(v1::ListCostEventsRequest&)>& spoil) {
    v1::ListCostEventsRequest request;
    spoil(request);
    const auto status = client().Call(&Admin::ListCostEvents, request, response);
    EXPECT_EQ(status.error_code(), StatusCode::INVALID_ARGUMENT) << request.ShortDebugString();
    const auto fields = DetailsOf(status).fields;
    return fields.empty() ? "" : fields[0];
  };
  EXPECT_EQ(refused([](auto& r) { *r.add_filters() = FilterOf("kind", {"BORED"}); }),
            "filters[0].values");
  EXPECT_EQ(refused([](auto& r) { *r.add_filters() = FilterOf("event_type", {"x"}); }),
            "filters[0].dimension");
  EXPECT_EQ(refused([](auto& r) { r.set_page_size(5000); }), "page_size");
  EXPECT_EQ(refused([](auto& r) { r.set_page_token("none"); }), "page_token");
  EXPECT_EQ(refused([](auto& r) {
              r.mutable_start_time()->set_seconds(kT0);
              r.mutable_end_time()->set_seconds(kT0);
            }),
            "end_time");
  EXPECT_EQ(refused([](auto& r) { r.mutable_start_time()->set_nanos(-1); }), "start_time");
}

// What the ledger itself writes: the event of a threshold that a check crosses.
TEST(LedgerLists, HaveTheEventsThatTheLedgerWrites) {
  Fleet fleet(1);
  ASSERT_TRUE(fleet.client(0).CreateBudget("b", LifetimeBudget(100)).ok());
  Use(fleet.client(0), "used", "carol", 80);
  v1::ListCostEventsRequest request;
  *request.add_filters() = FilterOf("budget", {"b"});
  v1::ListCostEventsResponse response;
  ASSERT_TRUE(fleet.client(0).Call(&Admin::ListCostEvents, request, response).ok());
  ASSERT_EQ(response.events_size(), 1);
  const auto& event = response.events(0);
  EXPECT_EQ(event.kind(), "THRESHOLD_CROSSED");
  EXPECT_EQ(event.threshold_percent(), 75);
  EXPECT_EQ(event.status().crossed_threshold_percent(), 75);
  EXPECT_EQ(event.status().spent(), 80);
  EXPECT_EQ(event.subject().user(), "carol");
  EXPECT_EQ(event.usage_id(), "used");
}

// ---- Who may ask, and of what

// A server that asks for keys, and a key of each role.
struct Guarded {
  TestDatabase database;
  TemporaryFolder folder;
  ServerProcess server{
      {"--database-url", database.url(), "--admin-key-file", folder.path() + "/admin.key"}};

  std::string KeyOf(const std::string& tenant, access::Role role) {
    const access::NewKey made = access::MakeKey(tenant, role, "test");
    postgres::Params params;
    params.Text(made.key.id).Text(tenant).Int(static_cast<int>(role));
    params.Text(made.key.secret_sha256.empty() ? "" : Hex(made.key.secret_sha256));
    const auto inserted = database.Connect()->Execute(
        "INSERT INTO api_key (key_id, tenant_id, role, secret_sha256) "
        "VALUES ($1, $2, $3, decode($4, 'hex'))",
        std::move(params));
    EXPECT_TRUE(inserted.ok()) << inserted.status();
    return made.text;
  }
  static std::string Hex(const std::string& bytes) {
    std::string hex;
    for (const unsigned char byte : bytes) absl::StrAppend(&hex, absl::Hex(byte, absl::kZeroPad2));
    return hex;
  }
};

// The status of every list and of Verify, for one key; a new key works within a second.
std::vector<StatusCode> CodesFor(const Guarded& guarded, const std::string& key) {
  RpcClient client(guarded.server.address(), key);
  std::vector<StatusCode> codes;
  for (int attempt = 0; attempt < 100; ++attempt) {
    v1::ListBudgetStatusesResponse statuses;
    v1::ListReservationsResponse reservations;
    v1::ListCostEventsResponse events;
    v1::VerifyLedgerResponse verified;
    codes = {client.Call(&Admin::ListBudgetStatuses, StatusesOf("run-cap"), statuses).error_code(),
             client.Call(&Admin::ListReservations, {}, reservations).error_code(),
             client.Call(&Admin::ListCostEvents, {}, events).error_code(),
             client.Call(&Admin::VerifyLedger, {}, verified).error_code()};
    if (codes.front() != StatusCode::UNAUTHENTICATED) break;
    absl::SleepFor(absl::Milliseconds(50));
  }
  return codes;
}

TEST(LedgerLists, AreReadByViewersAndVerifiedByAdmins) {
  Guarded guarded;
  using enum StatusCode;
  using Codes = std::vector<StatusCode>;
  EXPECT_EQ(CodesFor(guarded, ""), Codes(4, UNAUTHENTICATED));
  EXPECT_EQ(CodesFor(guarded, guarded.KeyOf("default", access::Role::kAgent)),
            Codes(4, PERMISSION_DENIED));
  EXPECT_EQ(CodesFor(guarded, guarded.KeyOf("default", access::Role::kViewer)),
            (Codes{OK, OK, OK, PERMISSION_DENIED}));
  EXPECT_EQ(CodesFor(guarded, guarded.KeyOf("default", access::Role::kAdmin)), Codes(4, OK));
}

TEST(LedgerLists, ShowNothingOfAnotherTenant) {
  Guarded guarded;
  const std::string ours = guarded.KeyOf("default", access::Role::kAdmin);
  const std::string theirs = guarded.KeyOf("other", access::Role::kAdmin);
  EXPECT_EQ(CodesFor(guarded, theirs)[0], StatusCode::NOT_FOUND) << "our run-cap is not theirs";
  ASSERT_EQ(CodesFor(guarded, ours)[0], StatusCode::OK);
  RpcClient client(guarded.server.address(), ours), other(guarded.server.address(), theirs);
  ASSERT_TRUE(client.CreateBudget("b", LifetimeBudget(10, {"user"})).ok());
  Hold(client, "held", "carol", 8);
  Hold(client, "held too", "dave", 8);
  EXPECT_EQ(Ids(client, {FilterOf("request_id", {"held"})}), std::vector<std::string>{"held"});
  EXPECT_TRUE(Ids(other, {}).empty());
  EXPECT_TRUE(Ids(other, {FilterOf("request_id", {"held"})}).empty());
  EXPECT_TRUE(Ids(other, {FilterOf("budget", {"b"})}).empty());
  EXPECT_FALSE(Events(client, {}).empty());
  EXPECT_TRUE(Events(other, {}).empty());
  // Their budget of the same name has no counter, and our tokens are none of theirs.
  const auto made = guarded.database.Connect()->Execute(
      "INSERT INTO budget SELECT gen_random_uuid(), 'other', budget_id, display_name, selector, "
      "group_by, require_group, unit, limit_amount, window_kind, time_zone, mode, overrides, "
      "threshold_percents, frozen, expire_time, etag, create_time, update_time, delete_time "
      "FROM budget WHERE budget_id = 'b'");
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_EQ(Statuses(client, StatusesOf("b")).size(), 2u);
  EXPECT_TRUE(Statuses(other, StatusesOf("b")).empty());
  v1::VerifyLedgerRequest verify;
  v1::VerifyLedgerResponse page;
  verify.set_page_size(1);
  ASSERT_TRUE(client.Call(&Admin::VerifyLedger, verify, page).ok());
  verify.set_page_token(page.next_page_token());
  const auto status = other.Call(&Admin::VerifyLedger, verify, page);
  EXPECT_EQ(DetailsOf(status).fields, std::vector<std::string>{"page_token"});
}

}  // namespace
}  // namespace bursar::testing
