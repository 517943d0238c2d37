// R31: what no caller should send. Each request is refused with a code and the field's name, and
// leaves nothing behind.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <limits>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "integration/fleet.h"

namespace bursar::testing {
namespace {

using grpc::StatusCode;

constexpr int64_t kInt64Max = std::numeric_limits<int64_t>::max();
constexpr int64_t kInt64Min = std::numeric_limits<int64_t>::min();
constexpr int64_t kYear1 = -62135596800, kYear9999 = 253402300799;

const std::string kNul("a\0b", 3);
const std::string kTooLongId(129, 'x');
const std::string kMebibyte(1 << 20, 'x');

// Everything that a request could have changed.
constexpr char kEverything[] = R"(
    SELECT concat_ws(' ',
      (SELECT count(*) || '/' || max(update_time) || '/' || count(delete_time) FROM budget),
      (SELECT count(*) || '/' || coalesce(sum(version), 0) FROM counter),
      (SELECT count(*) || '/' || coalesce(sum(state), 0) FROM reservation),
      (SELECT count(*) FROM usage_id), (SELECT count(*) FROM usage_record),
      (SELECT sum(budget_epoch) FROM tenant), (SELECT count(*) FROM api_key)))";

template <typename Request>
struct Case {
  std::string what;
  std::string field;  // as BadRequest names it
  std::function<void(Request&)> spoil;
  StatusCode code = StatusCode::INVALID_ARGUMENT;
};

// One server, with one reservation "known" and one budget "known" to be named.
class BadInput : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    fleet_ = new Fleet(1);
    v1::CheckBudgetResponse response;
    ASSERT_TRUE(client().CreateBudget("known", LifetimeBudget(kUsd, {"user"})).ok());
    ASSERT_TRUE(client().Check(CheckOf("known", 1), response).ok());
  }
  static void TearDownTestSuite() { delete fleet_; }
  static RpcClient& client() { return fleet_->client(0); }
  static Fleet& fleet() { return *fleet_; }

  void SetUp() override { before_ = fleet().Sql(kEverything); }
  void TearDown() override { EXPECT_EQ(fleet().Sql(kEverything), before_) << "something changed"; }

  static void ExpectRefused(const grpc::Status& status, StatusCode code, const std::string& field) {
    EXPECT_EQ(status.error_code(), code) << status.error_message();
    const ErrorDetails details = DetailsOf(status);
    EXPECT_TRUE(details.readable) << "the details of: " << status.error_message();
    EXPECT_EQ(details.domain, "bursar");
    EXPECT_FALSE(details.reason.empty());
    EXPECT_FALSE(status.error_message().empty());
    EXPECT_LT(status.error_message().size(), 4096u);
    if (code == StatusCode::INVALID_ARGUMENT) {
      EXPECT_EQ(details.fields, std::vector<std::string>{field}) << status.error_message();
    }
    for (const char* inside : {"SELECT", "INSERT", "pqxx", "PQ", "libpq", "SQLSTATE", "::"}) {
      EXPECT_EQ(status.error_message().find(inside), std::string::npos) << status.error_message();
    }
  }

  // Each case spoils a request that would be right.
  template <typename Stub, typename Request, typename Response>
  static void Refuses(grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                      const Request& right, const std::vector<Case<Request>>& cases) {
    for (const auto& one : cases) {
      SCOPED_TRACE(Request::descriptor()->name() + ": " + one.what);
      Request request = right;
      one.spoil(request);
      Response response;
      ExpectRefused(client().Call(method, request, response), one.code, one.field);
    }
  }

 private:
  static inline Fleet* fleet_ = nullptr;
  std::string before_;
};

TEST_F(BadInput, CheckBudget) {
  using R = v1::CheckBudgetRequest;
  Refuses<Telemetry>(
      &Telemetry::CheckBudget, CheckOf("bad", 1),
      std::vector<Case<R>>{
          {"no id", "request_id", [](R& r) { r.clear_request_id(); }},
          {"129 bytes of id", "request_id", [](R& r) { r.set_request_id(kTooLongId); }},
          {"1 MiB of id", "request_id", [](R& r) { r.set_request_id(kMebibyte); }},
          {"NUL in the id", "request_id", [](R& r) { r.set_request_id(kNul); }},
          {"a line feed in the id", "request_id", [](R& r) { r.set_request_id("a\nb"); }},
          {"DEL in the id", "request_id", [](R& r) { r.set_request_id("a\x7f"); }},
          {"dry run, bad id", "request_id",
           [](R& r) { r.set_dry_run(true), r.set_request_id(kNul); }},
          {"no estimate", "tokens", [](R& r) { r.clear_cost_nanousd(); }},
          {"negative cost", "cost_nanousd", [](R& r) { r.set_cost_nanousd(-1); }},
          {"cost over 10^15", "cost_nanousd",
           [](R& r) { r.set_cost_nanousd(1'000'000'000'000'001); }},
          {"the least cost", "cost_nanousd", [](R& r) { r.set_cost_nanousd(kInt64Min); }},
          {"negative tokens", "tokens.cache_read_tokens",
           [](R& r) { r.mutable_tokens()->set_cache_read_tokens(-1); }},
          {"tokens over 10^12", "tokens.uncached_input_tokens",
           [](R& r) { r.mutable_tokens()->set_uncached_input_tokens(1'000'000'000'001); }},
          {"the most tokens", "tokens.output_image_tokens",
           [](R& r) { r.mutable_tokens()->set_output_image_tokens(kInt64Max); }},
          {"negative other tokens", "tokens.other_tokens[video]",
           [](R& r) { (*r.mutable_tokens()->mutable_other_tokens())["video"] = -1; }},
          {"too many billed units", "tokens.billed_units[image]",
           [](R& r) { (*r.mutable_tokens()->mutable_billed_units())["image"] = kInt64Max; }},
          {"NUL in a class", "tokens.other_tokens key",
           [](R& r) { (*r.mutable_tokens()->mutable_other_tokens())[kNul] = 1; }},
          {"negative output", "max_output_tokens", [](R& r) { r.set_max_output_tokens(-1); }},
          {"much output", "max_output_tokens", [](R& r) { r.set_max_output_tokens(kInt64Max); }},
          {"ttl 0", "ttl", [](R& r) { r.mutable_ttl(); }},
          {"ttl 0.5 s", "ttl", [](R& r) { r.mutable_ttl()->set_nanos(500'000'000); }},
          {"ttl 25 h", "ttl", [](R& r) { r.mutable_ttl()->set_seconds(25 * 3600); }},
          {"negative ttl", "ttl", [](R& r) { r.mutable_ttl()->set_seconds(-5); }},
          {"the least ttl", "ttl", [](R& r) { r.mutable_ttl()->set_seconds(kInt64Min); }},
          {"nanos beyond a second", "ttl", [](R& r) { r.mutable_ttl()->set_nanos(2'000'000'000); }},
          {"seconds and nanos of two signs", "ttl",
           [](R& r) { r.mutable_ttl()->set_seconds(9), r.mutable_ttl()->set_nanos(-1); }},
          {"long event type", "event_type", [](R& r) { r.set_event_type(std::string(65, 'e')); }},
          {"long trace id", "trace.trace_id",
           [](R& r) { r.mutable_trace()->set_trace_id(std::string(65, '0')); }},
          {"33 settlements", "settle",
           [](R& r) {
             for (int i = 0; i < 33; ++i) r.add_settle()->set_usage_id(absl::StrCat("s", i));
           }},
      });
}

// Subject and model are the same in every request that has them.
TEST_F(BadInput, SubjectAndModel) {
  using R = v1::GetBudgetStatusRequest;
  const std::vector<Case<R>> cases = {
      {"257 bytes", "subject.user",
       [](R& r) { r.mutable_subject()->set_user(std::string(257, 'u')); }},
      {"1 MiB", "subject.root_run", [](R& r) { r.mutable_subject()->set_root_run(kMebibyte); }},
      {"NUL", "subject.project", [](R& r) { r.mutable_subject()->set_project(kNul); }},
      {"ESC", "subject.agent", [](R& r) { r.mutable_subject()->set_agent("\x1b[31m"); }},
      {"17 labels", "subject.labels",
       [](R& r) {
         for (int i = 0; i < 17; ++i) {
           (*r.mutable_subject()->mutable_labels())[absl::StrCat(i)] = "x";
         }
       }},
      {"no label name", "subject.labels key",
       [](R& r) { (*r.mutable_subject()->mutable_labels())[""] = "x"; }},
      {"1 MiB of label name", "subject.labels key",
       [](R& r) { (*r.mutable_subject()->mutable_labels())[kMebibyte] = "x"; }},
      {"NUL in a label", "subject.labels[env]",
       [](R& r) { (*r.mutable_subject()->mutable_labels())["env"] = kNul; }},
      {"NUL", "model.name", [](R& r) { r.mutable_model()->set_name(kNul); }},
      {"1 MiB", "model.provider", [](R& r) { r.mutable_model()->set_provider(kMebibyte); }},
  };
  Refuses<Telemetry>(&Telemetry::GetBudgetStatus, R(), cases);
  for (const auto& one : cases) {
    SCOPED_TRACE(one.what);
    R spoilt;
    one.spoil(spoilt);
    auto check = CheckOf("bad", 1);
    auto record = RecordOf("bad", 1);
    *check.mutable_subject() = *record.mutable_subject() = spoilt.subject();
    *check.mutable_model() = *record.mutable_model() = spoilt.model();
    v1::CheckBudgetResponse checked;
    v1::RecordUsageResponse recorded;
    ExpectRefused(client().Check(check, checked), one.code, one.field);
    ExpectRefused(client().Record(record, recorded), one.code, one.field);
  }
}

std::vector<Case<v1::RecordUsageRequest>> TimeCases() {
  using R = v1::RecordUsageRequest;
  return {
      {"year 1", "", [](R& r) { r.mutable_occur_time()->set_seconds(kYear1); },
       StatusCode::OUT_OF_RANGE},
      {"46 days ago", "",
       [](R& r) { r.mutable_occur_time()->set_seconds(time(nullptr) - 46 * 86400); },
       StatusCode::OUT_OF_RANGE},
      {"in an hour", "occur_time",
       [](R& r) { r.mutable_occur_time()->set_seconds(time(nullptr) + 3600); }},
      {"year 9999", "occur_time", [](R& r) { r.mutable_occur_time()->set_seconds(kYear9999); }},
      {"year 10000", "occur_time",
       [](R& r) { r.mutable_occur_time()->set_seconds(kYear9999 + 1); }},
      {"before year 1", "occur_time",
       [](R& r) { r.mutable_occur_time()->set_seconds(kYear1 - 1); }},
      {"the last second", "occur_time",
       [](R& r) { r.mutable_occur_time()->set_seconds(kInt64Max); }},
      {"negative nanos", "occur_time", [](R& r) { r.mutable_occur_time()->set_nanos(-1); }},
      {"10^9 nanos", "occur_time", [](R& r) { r.mutable_occur_time()->set_nanos(1'000'000'000); }},
  };
}

std::vector<Case<v1::RecordUsageRequest>> RecordCases() {
  using R = v1::RecordUsageRequest;
  std::vector<Case<R>> cases = {
      {"no id", "usage_id", [](R& r) { r.clear_usage_id(); }},
      {"129 bytes of id", "usage_id", [](R& r) { r.set_usage_id(kTooLongId); }},
      {"1 MiB of id", "usage_id", [](R& r) { r.set_usage_id(kMebibyte); }},
      {"long reservation", "reservation_id", [](R& r) { r.set_reservation_id(kTooLongId); }},
      {"negative cost", "cost_nanousd", [](R& r) { r.set_cost_nanousd(-1); }},
      {"cost over 10^15", "cost_nanousd", [](R& r) { r.set_cost_nanousd(kInt64Max); }},
      {"negative tokens", "tokens.reasoning_tokens",
       [](R& r) { r.mutable_tokens()->set_reasoning_tokens(-1); }},
      {"tokens over 10^12", "tokens.visible_output_tokens",
       [](R& r) { r.mutable_tokens()->set_visible_output_tokens(1'000'000'000'001); }},
      {"33 other classes", "tokens.other_tokens",
       [](R& r) {
         for (int i = 0; i < 33; ++i)
           (*r.mutable_tokens()->mutable_other_tokens())[absl::StrCat(i)];
       }},
      {"unknown outcome", "outcome", [](R& r) { r.set_outcome(static_cast<v1::Outcome>(99)); }},
      {"negative outcome", "outcome", [](R& r) { r.set_outcome(static_cast<v1::Outcome>(-1)); }},
      {"unknown category", "error.category",
       [](R& r) { r.mutable_error()->set_category(static_cast<v1::CallError::Category>(9)); }},
      {"unknown severity", "error.severity",
       [](R& r) { r.mutable_error()->set_severity(static_cast<v1::CallError::Severity>(5)); }},
      {"NUL in the error type", "error.type", [](R& r) { r.mutable_error()->set_type(kNul); }},
      {"4097 bytes of error", "error.message",
       [](R& r) { r.mutable_error()->set_message(std::string(4097, 'e')); }},
      {"long event type", "event_type", [](R& r) { r.set_event_type(kMebibyte); }},
      {"NUL in the step", "step", [](R& r) { r.set_step(kNul); }},
      {"negative latency", "latency", [](R& r) { r.mutable_latency()->set_nanos(-1); }},
      {"latency of 8 days", "latency", [](R& r) { r.mutable_latency()->set_seconds(8 * 86400); }},
      {"the least latency", "latency", [](R& r) { r.mutable_latency()->set_seconds(kInt64Min); }},
      {"negative first token", "time_to_first_token",
       [](R& r) { r.mutable_time_to_first_token()->set_seconds(-1); }},
      {"negative attempt", "attempt", [](R& r) { r.set_attempt(-1); }},
      {"attempt 2^31 - 1", "attempt",
       [](R& r) { r.set_attempt(std::numeric_limits<int32_t>::max()); }},
      {"33 guardrails", "guardrail_hits",
       [](R& r) {
         for (int i = 0; i < 33; ++i) r.add_guardrail_hits()->set_name("g");
       }},
      {"nameless guardrail", "guardrail_hits.name", [](R& r) { r.add_guardrail_hits(); }},
      {"long span", "trace.span_id",
       [](R& r) { r.mutable_trace()->set_span_id(std::string(65, '0')); }},
      {"long provider id", "provider_request_id",
       [](R& r) { r.set_provider_request_id(kMebibyte); }},
      {"8 KiB of metadata", "metadata",
       [](R& r) {
         (*r.mutable_metadata()->mutable_fields())["k"].set_string_value(std::string(8192, 'm'));
       }},
      {"1 MiB of content", "content",
       [](R& r) { r.mutable_content()->set_prompt(kMebibyte + "x"); }},
  };
  for (auto& one : TimeCases()) cases.push_back(std::move(one));
  return cases;
}

TEST_F(BadInput, RecordUsage) {
  Refuses<Telemetry>(&Telemetry::RecordUsage, RecordOf("bad", 1), RecordCases());
}

// The same as one record of a batch: a result of its own, which names the record and the field.
TEST_F(BadInput, BatchRecordUsage) {
  v1::BatchRecordUsageRequest request;
  std::vector<const Case<v1::RecordUsageRequest>*> sent;
  const auto cases = RecordCases();
  for (const auto& one : cases) {
    auto record = RecordOf(absl::StrCat("bad ", sent.size()), 1);
    one.spoil(record);
    if (record.ByteSizeLong() > 100'000) continue;  // the message as a whole would be too large
    *request.add_records() = record;
    sent.push_back(&one);
  }
  v1::BatchRecordUsageResponse response;
  ASSERT_TRUE(client().Call(&Telemetry::BatchRecordUsage, request, response).ok());
  ASSERT_EQ(response.results_size(), request.records_size());
  for (int i = 0; i < response.results_size(); ++i) {
    const auto& result = response.results(i);
    EXPECT_EQ(result.code(), static_cast<int>(sent[i]->code)) << sent[i]->what;
    if (sent[i]->code != StatusCode::INVALID_ARGUMENT) continue;
    absl::string_view message = result.message();
    absl::ConsumePrefix(&message, absl::StrCat("records[", i, "]."));  // where the door refused it
    EXPECT_TRUE(absl::ConsumePrefix(&message, sent[i]->field + ": ")) << result.message();
  }
  using R = v1::BatchRecordUsageRequest;
  Refuses<Telemetry>(&Telemetry::BatchRecordUsage, R(),
                     std::vector<Case<R>>{{"no record", "records", [](R&) {}},
                                          {"1001 records", "records", [](R& r) {
                                             for (int i = 0; i < 1001; ++i) r.add_records();
                                           }}});
}

TEST_F(BadInput, ReleaseAndExtend) {
  using R = v1::ReleaseReservationRequest;
  R release;
  release.set_reservation_id("known");
  Refuses<Telemetry>(
      &Telemetry::ReleaseReservation, release,
      std::vector<Case<R>>{
          {"no id", "reservation_id", [](R& r) { r.clear_reservation_id(); }},
          {"1 MiB of id", "reservation_id", [](R& r) { r.set_reservation_id(kMebibyte); }},
          {"NUL", "reservation_id", [](R& r) { r.set_reservation_id(kNul); }},
          {"long reason", "reason", [](R& r) { r.set_reason(kMebibyte); }},
          {"unknown", "", [](R& r) { r.set_reservation_id("?"); }, StatusCode::NOT_FOUND},
      });
  using E = v1::ExtendReservationRequest;
  E extend;
  extend.set_reservation_id("known");
  Refuses<Telemetry>(
      &Telemetry::ExtendReservation, extend,
      std::vector<Case<E>>{
          {"no id", "reservation_id", [](E& r) { r.clear_reservation_id(); }},
          {"129 bytes", "reservation_id", [](E& r) { r.set_reservation_id(kTooLongId); }},
          {"ttl 0", "ttl", [](E& r) { r.mutable_ttl(); }},
          {"ttl 25 h", "ttl", [](E& r) { r.mutable_ttl()->set_seconds(25 * 3600); }},
          {"negative hold", "hold_nanousd", [](E& r) { r.set_hold_nanousd(-1); }},
          {"hold over 10^15", "hold_nanousd", [](E& r) { r.set_hold_nanousd(kInt64Max); }},
          {"negative observed", "observed.uncached_input_tokens",
           [](E& r) { r.mutable_observed()->set_uncached_input_tokens(-1); }},
          {"too many observed", "observed.other_tokens[x]",
           [](E& r) { (*r.mutable_observed()->mutable_other_tokens())["x"] = kInt64Max; }},
          {"unknown", "", [](E& r) { r.set_reservation_id("?"); }, StatusCode::NOT_FOUND},
      });
}

// gRPC itself parses what arrives: bytes that are no message, or text that is no UTF-8. No method
// sees them, so the answer is gRPC's own: UNIMPLEMENTED without a word in 1.51.
TEST_F(BadInput, BytesThatAreNoRequest) {
  const std::string invalid_utf8("\x0a\x02\xc3\x28", 4);  // request_id
  for (const std::string& bytes : {std::string("\xff\xff\xff"), invalid_utf8}) {
    for (const char* method : {"TelemetryService/CheckBudget", "TelemetryService/RecordUsage",
                               "TelemetryService/QueryCosts", "AdminService/CreateBudget"}) {
      std::string answer;
      const grpc::Status status =
          client().CallRaw(absl::StrCat("/bursar.v1.", method), bytes, answer);
      EXPECT_EQ(status.error_code(), StatusCode::INVALID_ARGUMENT) << method;
      EXPECT_THAT(status.error_message(), ::testing::HasSubstr("valid UTF-8")) << method;
      EXPECT_EQ(DetailsOf(status).reason, "REQUEST_UNREADABLE") << method;
    }
  }
  std::string nothing;
  EXPECT_EQ(client().CallRaw("/bursar.v1.TelemetryService/Guess", "", nothing).error_code(),
            StatusCode::UNIMPLEMENTED);
  const std::string huge(18 << 20, 'x');
  std::string answer;
  EXPECT_EQ(client().CallRaw("/bursar.v1.TelemetryService/CheckBudget", huge, answer).error_code(),
            StatusCode::RESOURCE_EXHAUSTED);
}

}  // namespace
}  // namespace bursar::testing
