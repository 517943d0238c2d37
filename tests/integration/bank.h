#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <deque>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "integration/fleet.h"
#include "support/ledger_checker.h"

namespace bursar::testing {

// R1's callers: each asks, then settles by 0 to 3 times the hold, releases, extends, tells how far
// its stream is (up to 3 times the hold) or forgets, and writes down every answer. 40 budgets, four
// of which take 80 % of the calls, one above them all and one for each user.
class BankCaller {
 public:
  static constexpr int kBudgets = 40, kHot = 4;
  static constexpr int64_t kTokenNanousd = 10'000;  // an output token of gpt-4o

  // `denials`: of all callers.
  BankCaller(Fleet& fleet, uint64_t seed, int number, std::atomic<int64_t>& denials)
      : fleet_(fleet), random_(seed * 1000 + number), number_(number), denials_(denials) {}

  void Run(absl::Time until) {
    while (absl::Now() < until) {
      const int what = Pick(100);
      if (what < 45 || open_.empty()) {
        Check();
      } else if (what < 73) {
        Settle();
      } else if (what < 80) {
        Release();
      } else if (what < 86) {
        Extend();
      } else if (what < 92) {
        Observe();
      } else if (what < 95) {
        Keep(RecordOf(NextId("unheld"), Pick(kCent)), nullptr);
      } else {
        Look();
      }
      if (Chance(8) && !open_.empty()) forgotten_.push_back(TakeOne());  // it expires
      if (Chance(20)) SettleForgotten();
    }
  }

  int64_t operations = 0, allowed = 0, denied = 0, late = 0, overruns = 0, failed = 0, stopped = 0;
  std::vector<Seen> seen;
  Acknowledged acknowledged;

 private:
  struct Open {
    std::string id;
    int64_t held;
    absl::Time expires;    // about: extensions are not looked at
    int64_t observed = 0;  // told of so far, in nano-USD
  };

  int64_t Pick(int64_t below) {
    return static_cast<int64_t>(random_() % static_cast<uint64_t>(below));
  }
  bool Chance(int percent) { return Pick(100) < percent; }
  std::string NextId(const char* kind) { return absl::StrCat(kind, " ", number_, "/", next_id_++); }
  v1::Subject Anybody() {
    v1::Subject subject;
    subject.set_project(absl::StrCat("b", Chance(80) ? Pick(kHot) : Pick(kBudgets)));
    subject.set_user(absl::StrCat("u", Pick(10)));
    return subject;
  }
  Open TakeOne() {
    std::swap(open_[Pick(static_cast<int64_t>(open_.size()))], open_.back());
    Open one = open_.back();
    open_.pop_back();
    return one;
  }

  template <typename Request, typename Response>
  bool Call(grpc::Status (Telemetry::*method)(grpc::ClientContext*, const Request&, Response*),
            const Request& request, Response& response) {
    begin_ = absl::Now();
    const grpc::Status status = fleet_.client(random_()).Call(method, request, response);
    end_ = absl::Now();
    ++operations;
    if (status.ok()) return true;
    if (++failed < 5) ADD_FAILURE() << status.error_code() << ": " << status.error_message();
    return false;
  }

  Seen& Note(Seen::Kind kind, const std::string& id, Sums delta, const auto& budgets) {
    Seen& one = seen.emplace_back(
        Seen{.begin = begin_, .end = end_, .kind = kind, .id = id, .delta = delta});
    if (delta == Sums{}) one.kind = Seen::Kind::kLook;
    for (const v1::BudgetStatus& status : budgets) {
      one.statuses.push_back(
          {CounterName(status), {status.spent(), status.reserved()}, status.limit()});
    }
    return one;
  }

  void Check() {
    auto request = CheckOf(NextId("call"), 1 + Pick(2 * kCent));
    *request.mutable_subject() = Anybody();
    request.mutable_model()->set_provider("openai");  // what is observed is told in tokens
    request.mutable_model()->set_name("gpt-4o");
    request.mutable_ttl()->set_seconds(Chance(60) ? 1 : 60);
    std::vector<Open> settling;
    while (Chance(25) && !open_.empty() && settling.size() < 3) {
      settling.push_back(TakeOne());
      *request.add_settle() = Settlement(settling.back());
    }
    v1::CheckBudgetResponse response;
    if (!Call(&Telemetry::CheckBudget, request, response)) return;
    for (size_t i = 0; i < settling.size(); ++i) {
      const auto& result = response.settled(static_cast<int>(i));
      EXPECT_EQ(result.code(), 0) << result.message();
      Kept(request.settle(static_cast<int>(i)), result.response(), &settling[i]);
    }
    const int64_t amount = request.cost_nanousd();
    const bool allow = response.decision() == v1::DECISION_ALLOW;
    ++(allow ? allowed : denied);
    denials_ += allow ? 0 : 1;
    Seen& one =
        Note(Seen::Kind::kCheck, request.request_id(), {0, allow ? amount : 0}, response.budgets());
    if (!allow) one.denied_amount = amount;
    if (allow) {
      open_.push_back(
          {request.request_id(), amount, end_ + absl::Seconds(request.ttl().seconds())});
    }
  }

  v1::RecordUsageRequest Settlement(const Open& one) {
    auto record = RecordOf(NextId("use"), Pick(3 * one.held + 1), one.id);
    record.set_keep_reservation(Chance(15));
    return record;
  }

  void Settle() {
    const Open one = TakeOne();
    Keep(Settlement(one), &one);
  }

  // Somebody comes back after all: most of these have expired.
  void SettleForgotten() {
    if (forgotten_.empty() || forgotten_.front().expires > absl::Now()) return;
    const Open one = forgotten_.front();
    forgotten_.pop_front();
    Keep(Settlement(one), &one);
  }

  void Keep(v1::RecordUsageRequest request, const Open* hold) {
    if (hold == nullptr) *request.mutable_subject() = Anybody();
    v1::RecordUsageResponse response, again;
    if (!Call(&Telemetry::RecordUsage, request, response)) return;
    Kept(request, response, hold);
    if (!Chance(10) || !Call(&Telemetry::RecordUsage, request, again)) return;
    EXPECT_TRUE(again.replayed());
    EXPECT_EQ(again.cost_nanousd(), response.cost_nanousd());
    EXPECT_EQ(again.overrun_nanousd(), response.overrun_nanousd());
    EXPECT_EQ(again.released_nanousd(), response.released_nanousd());
  }

  void Kept(const v1::RecordUsageRequest& request, const v1::RecordUsageResponse& response,
            const Open* hold) {
    const int64_t cost = response.cost_nanousd();
    const int64_t freed =
        hold == nullptr ? 0 : cost - response.overrun_nanousd() + response.released_nanousd();
    // Where nothing was held any more, what was observed had been charged; that is taken back.
    const int64_t taken_back = hold != nullptr && freed == 0 ? hold->observed : 0;
    Note(Seen::Kind::kRecord, request.usage_id(), {cost - taken_back, -freed}, response.budgets());
    acknowledged.records[request.usage_id()] = {request, response};
    late += response.late();
    overruns += response.overrun_nanousd() > 0;
    if (request.keep_reservation() && freed > 0 && freed < hold->held) {
      open_.push_back({hold->id, hold->held - freed, hold->expires,
                       std::max<int64_t>(hold->observed - cost, 0)});
    }
  }

  void Release() {
    const Open one = TakeOne();
    v1::ReleaseReservationRequest request;
    request.set_reservation_id(one.id);
    v1::ReleaseReservationResponse response;
    if (!Call(&Telemetry::ReleaseReservation, request, response)) return;
    const bool acted = response.reservation().state() == v1::Reservation::STATE_RELEASED;
    Note(Seen::Kind::kRelease, one.id, acted ? Sums{one.observed, -one.held} : Sums{},
         response.budgets());
  }

  void Extend() {
    Open one = TakeOne();
    v1::ExtendReservationRequest request;
    request.set_reservation_id(one.id);
    request.mutable_ttl()->set_seconds(1 + Pick(3));
    if (Chance(70)) request.set_hold_nanousd(one.held + Pick(kCent));
    v1::ExtendReservationResponse response;
    if (!Call(&Telemetry::ExtendReservation, request, response)) return;
    if (response.reason() == "RESERVATION_ENDED" && Chance(50)) return;  // else it is settled late
    int64_t grown = 0;
    if (response.decision() == v1::DECISION_ALLOW) {
      grown = response.reservation().reserved_nanousd() - one.held;
      one.held += grown;
    }
    Note(Seen::Kind::kExtend, absl::StrCat(one.id, "#", one.held), {0, grown}, response.budgets());
    open_.push_back(one);
  }

  // A stream that goes on: what it used is held, fitting or not; a denial says that it must stop.
  void Observe() {
    Open one = TakeOne();
    v1::ExtendReservationRequest request;
    request.set_reservation_id(one.id);
    request.mutable_observed()->set_visible_output_tokens(1 +
                                                          Pick(3 * one.held / kTokenNanousd + 1));
    v1::ExtendReservationResponse response;
    if (!Call(&Telemetry::ExtendReservation, request, response)) return;
    const bool ended = response.reason() == "RESERVATION_ENDED";
    const int64_t grown = ended ? 0 : response.reservation().reserved_nanousd() - one.held;
    one.held += grown;
    if (!ended) one.observed = response.reservation().observed_nanousd();
    Seen& seen_now = Note(Seen::Kind::kExtend, absl::StrCat(one.id, "#", one.held), {0, grown},
                          response.budgets());
    seen_now.stopped = !ended && response.decision() == v1::DECISION_DENY;
    stopped += seen_now.stopped && grown > 0;
    open_.push_back(one);
  }

  void Look() {
    v1::GetBudgetStatusRequest request;
    *request.mutable_subject() = Anybody();
    v1::GetBudgetStatusResponse response;
    if (!Call(&Telemetry::GetBudgetStatus, request, response)) return;
    Note(Seen::Kind::kLook, NextId("look"), {}, response.budgets());
  }

  Fleet& fleet_;
  std::mt19937_64 random_;
  const int number_;
  std::atomic<int64_t>& denials_;
  int64_t next_id_ = 0;
  absl::Time begin_, end_;
  std::vector<Open> open_;
  std::deque<Open> forgotten_;
};

}  // namespace bursar::testing
