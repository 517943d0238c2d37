// QueryCosts against sums that this test makes itself from what it recorded: hundreds of random
// questions, then the total against plain SQL.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <iostream>
#include <random>

#include "absl/strings/str_cat.h"
#include "absl/time/civil_time.h"
#include "absl/time/clock.h"
#include "integration/fleet.h"

namespace bursar::testing {
namespace {

using Bucket = v1::QueryCostsRequest;

constexpr int kRecords = 3000;
constexpr int kQuestions = 170;  // in each of three rounds

// One record as it was acknowledged.
struct Kept {
  v1::RecordUsageRequest used;
  v1::RecordUsageResponse answer;
  absl::Time time;
};

std::string DimensionOf(const Kept& kept, const std::string& dimension) {
  const auto& used = kept.used;
  const auto& subject = used.subject();
  if (dimension == "project") return subject.project();
  if (dimension == "team") return subject.team();
  if (dimension == "user") return subject.user();
  if (dimension == "run" || dimension == "root_run") return subject.run();
  if (dimension == "provider") return used.model().provider();
  if (dimension == "model") return used.model().name();
  if (dimension == "region") return used.model().region();
  if (dimension == "event_type") return used.event_type();
  if (dimension == "step") return used.step();
  if (dimension == "outcome") return v1::Outcome_Name(used.outcome()).substr(8);
  if (dimension == "cost_basis") return v1::CostBasis_Name(kept.answer.cost_basis()).substr(11);
  if (dimension == "error_type") return used.error().type();
  if (dimension == "error_category") {
    if (used.error().category() == v1::CallError::CATEGORY_UNSPECIFIED) return "";
    return v1::CallError::Category_Name(used.error().category()).substr(9);
  }
  if (dimension == "guardrail") {
    return used.guardrail_hits_size() == 0 ? "" : used.guardrail_hits(0).name();
  }
  const auto label = subject.labels().find(dimension.substr(6));
  return label == subject.labels().end() ? "" : label->second;
}

const std::vector<std::string>& Dimensions() {
  static const std::vector<std::string> dimensions = {
      "project", "team",    "user",       "run",       "root_run",       "provider",
      "model",   "region",  "event_type", "step",      "outcome",        "cost_basis",
      "label:a", "label:b", "error_type", "guardrail", "error_category",
  };
  return dimensions;
}

// The start of a bucket, by the civil calendar of a zone.
absl::Time BucketStart(absl::Time time, Bucket::Bucket bucket, absl::TimeZone zone) {
  const absl::CivilSecond civil = absl::ToCivilSecond(time, zone);
  const absl::CivilDay day(civil);
  switch (bucket) {
    case Bucket::BUCKET_HOUR: {  // as budgets have it: cut where clocks change
      absl::Time start = time - absl::Minutes(civil.minute()) - absl::Seconds(civil.second());
      while (zone.At(start).offset != zone.At(time).offset) start += absl::Minutes(1);
      return start;
    }
    case Bucket::BUCKET_DAY:
      return absl::FromCivil(day, zone);
    case Bucket::BUCKET_WEEK:
      return absl::FromCivil(absl::PrevWeekday(day + 1, absl::Weekday::monday), zone);
    case Bucket::BUCKET_MONTH:
      return absl::FromCivil(absl::CivilMonth(civil), zone);
    default:
      return absl::InfinitePast();
  }
}

int64_t MicrosOf(const google::protobuf::Duration& duration) {
  return duration.seconds() * 1'000'000 + duration.nanos() / 1000;
}
absl::Time TimeOf(const google::protobuf::Timestamp& time) {
  return absl::FromUnixSeconds(time.seconds()) + absl::Nanoseconds(time.nanos());
}

// What a row says, as text: two rows are the same if their texts are.
std::string TextOf(const v1::CostRow& row) {
  v1::CostRow rest = row;
  rest.clear_group();
  rest.clear_bucket_start_time();
  rest.clear_latency_p50();
  rest.clear_latency_p95();
  rest.clear_latency_p99();
  rest.clear_cache_savings_nanousd();
  return rest.ShortDebugString();
}

// The percentiles are within 2 % of the exact ones.
void ExpectNear(const v1::CostRow& row, const v1::CostRow& exact) {
  const auto near = [](bool there, const auto& got, bool expected, const auto& want) {
    EXPECT_EQ(there, expected);
    const auto nanos = [](const auto& d) {
      return 1e9 * static_cast<double>(d.seconds()) + d.nanos();
    };
    EXPECT_LE(std::abs(nanos(got) - nanos(want)), 0.02 * nanos(want));
  };
  near(row.has_latency_p50(), row.latency_p50(), exact.has_latency_p50(), exact.latency_p50());
  near(row.has_latency_p95(), row.latency_p95(), exact.has_latency_p95(), exact.latency_p95());
  near(row.has_latency_p99(), row.latency_p99(), exact.has_latency_p99(), exact.latency_p99());
}

// The measures of some records, summed here.
v1::CostRow Sum(const std::vector<const Kept*>& records) {
  v1::CostRow row;
  std::vector<int64_t> latencies;
  int64_t succeeded = 0, uncached = 0, cached = 0, visible = 0, reasoning = 0;
  for (const Kept* kept : records) {
    const auto outcome = kept->used.outcome();
    const bool retried = kept->used.attempt() > 1;
    row.set_calls(row.calls() + (outcome != v1::OUTCOME_NOT_EXECUTED));
    row.set_failed_calls(row.failed_calls() + (outcome == v1::OUTCOME_FAILED));
    row.set_retried_calls(row.retried_calls() + retried);
    row.set_recovered_calls(row.recovered_calls() + (retried && outcome == v1::OUTCOME_SUCCEEDED));
    row.set_guardrail_hits(row.guardrail_hits() + kept->used.guardrail_hits_size());
    row.set_cost_nanousd(row.cost_nanousd() + kept->answer.cost_nanousd());
    const auto basis = kept->answer.cost_basis();
    row.set_unpriced_calls(row.unpriced_calls() + (basis == v1::COST_BASIS_UNPRICED));
    const int64_t estimated = basis == v1::COST_BASIS_PRICED ? 0 : kept->answer.cost_nanousd();
    row.set_estimated_nanousd(row.estimated_nanousd() + estimated);
    succeeded += outcome == v1::OUTCOME_SUCCEEDED;
    if (kept->used.has_latency()) latencies.push_back(MicrosOf(kept->used.latency()));
    const auto& tokens = kept->answer.tokens();
    uncached += tokens.uncached_input_tokens(), cached += tokens.cache_read_tokens();
    visible += tokens.visible_output_tokens(), reasoning += tokens.reasoning_tokens();
  }
  row.mutable_tokens()->set_uncached_input_tokens(uncached);
  row.mutable_tokens()->set_cache_read_tokens(cached);
  row.mutable_tokens()->set_visible_output_tokens(visible);
  row.mutable_tokens()->set_reasoning_tokens(reasoning);
  if (row.calls() > 0) row.set_success_rate(static_cast<double>(succeeded) / row.calls());
  std::sort(latencies.begin(), latencies.end());
  auto percentile = [&](double fraction, google::protobuf::Duration* out) {  // percentile_disc
    const double rank = std::ceil(fraction * static_cast<double>(latencies.size()));
    const int64_t micros = latencies[static_cast<size_t>(rank) - 1];
    out->set_seconds(micros / 1'000'000);
    out->set_nanos(static_cast<int32_t>(micros % 1'000'000 * 1000));
  };
  if (!latencies.empty()) {
    percentile(0.50, row.mutable_latency_p50());
    percentile(0.95, row.mutable_latency_p95());
    percentile(0.99, row.mutable_latency_p99());
    percentile(1, row.mutable_latency_max());
  }
  return row;
}

using Key = std::pair<absl::Time, std::map<std::string, std::string>>;

Key KeyOf(const v1::CostRow& row) {
  return {row.has_bucket_start_time() ? TimeOf(row.bucket_start_time()) : absl::InfinitePast(),
          {row.group().begin(), row.group().end()}};
}

// One server whose ledger's horizon is ten years, and the records that it was given.
class Costs : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    seed_ = std::random_device()();
    random_.seed(seed_);
    fleet_ = new Fleet(1, {"--ledger-horizon", "3650d"});
    kept_ = new std::vector<Kept>;
    for (int i = 0; i < kRecords / 1000; ++i) RecordAThousand();
  }
  static void TearDownTestSuite() {
    delete fleet_;
    delete kept_;
  }
  void SetUp() override { std::cout << "seed " << seed_ << "\n"; }

  static RpcClient& client() { return fleet_->client(0); }
  static Fleet& fleet() { return *fleet_; }
  static const std::vector<Kept>& kept() { return *kept_; }
  static int64_t Below(int64_t limit) {
    return static_cast<int64_t>(random_() % static_cast<uint64_t>(limit));
  }
  static bool Chance(int percent) { return Below(100) < percent; }

  // Around the changes of clocks, where buckets are hard, and over the last two months.
  static absl::Time RandomTime() {
    static const absl::CivilHour kChanges[] = {
        absl::CivilHour(2026, 3, 8, 7),  absl::CivilHour(2026, 11, 1, 6),   // New York
        absl::CivilHour(2026, 4, 4, 15), absl::CivilHour(2026, 10, 3, 15),  // Lord Howe
        absl::CivilHour(2018, 11, 4, 3),                                    // Sao Paulo
    };
    if (Chance(50)) return absl::Now() - absl::Seconds(1 + Below(60 * 86400));
    return absl::FromCivil(kChanges[Below(std::size(kChanges))], absl::UTCTimeZone()) +
           absl::Seconds(Below(12 * 3600) - 6 * 3600);
  }

  static v1::RecordUsageRequest RandomRecord(const std::string& id, absl::Time time) {
    v1::RecordUsageRequest used;
    used.set_usage_id(id);
    auto* subject = used.mutable_subject();
    subject->set_project(absl::StrCat("p", Below(3)));
    if (Chance(70)) subject->set_team(absl::StrCat("t", Below(3)));
    subject->set_user(absl::StrCat("u", Below(20)));
    if (Chance(50)) subject->set_run(absl::StrCat("r", Below(10)));
    if (Chance(50)) (*subject->mutable_labels())["a"] = absl::StrCat("'\"", Below(3));
    if (Chance(30)) (*subject->mutable_labels())["b"] = "\xc3\xa4";
    static const char* const kModels[] = {"gpt-4o", "gpt-5-mini", "nobody-knows"};
    used.mutable_model()->set_provider("openai");
    used.mutable_model()->set_name(kModels[Below(3)]);
    if (Chance(30)) used.mutable_model()->set_region("eu");
    used.set_event_type(Chance(80) ? "model_call" : "tool_call");
    if (Chance(30)) used.set_step(absl::StrCat("s", Below(3)));
    used.set_outcome(static_cast<v1::Outcome>(Chance(70) ? 1 : 1 + Below(5)));
    if (used.outcome() == v1::OUTCOME_FAILED) {
      used.mutable_error()->set_type("timeout");
      used.mutable_error()->set_category(static_cast<v1::CallError::Category>(Below(9)));
    }
    used.set_attempt(Chance(80) ? 1 : 2 + static_cast<int>(Below(3)));
    if (Chance(10)) used.add_guardrail_hits()->set_name(absl::StrCat("g", Below(2)));
    if (Chance(80)) {
      used.mutable_tokens()->set_uncached_input_tokens(Below(100'000));
      used.mutable_tokens()->set_cache_read_tokens(Below(100'000));
      used.mutable_tokens()->set_visible_output_tokens(Below(5'000));
      used.mutable_tokens()->set_reasoning_tokens(Below(5'000));
    }
    if (Chance(10)) used.set_cost_nanousd(Below(kUsd));
    if (Chance(80)) {
      used.mutable_latency()->set_seconds(Below(60));
      used.mutable_latency()->set_nanos(static_cast<int32_t>(Below(1'000'000)) * 1000);
    }
    used.mutable_occur_time()->set_seconds(absl::ToUnixSeconds(time));
    used.set_estimated(Chance(10));
    return used;
  }

  static void RecordAThousand() {
    v1::BatchRecordUsageRequest request;
    std::vector<Kept> batch(1000);
    for (Kept& one : batch) {
      one.time = absl::FromUnixSeconds(absl::ToUnixSeconds(RandomTime()));
      one.used = RandomRecord(absl::StrCat("costs ", ids_++), one.time);
      *request.add_records() = one.used;
    }
    v1::BatchRecordUsageResponse response;
    const auto status = client().Call(&Telemetry::BatchRecordUsage, request, response);
    ASSERT_TRUE(status.ok()) << status.error_message();
    for (int i = 0; i < 1000; ++i) {
      ASSERT_EQ(response.results(i).code(), 0) << response.results(i).message();
      batch[i].answer = response.results(i).response();
      kept_->push_back(std::move(batch[i]));
    }
  }

  static inline std::mt19937_64 random_;
  static inline uint64_t seed_ = 0;

 private:
  static inline Fleet* fleet_ = nullptr;
  static inline std::vector<Kept>* kept_ = nullptr;
  static inline int ids_ = 0;
};

class RandomQuestion : public Costs {
 protected:
  v1::QueryCostsRequest Ask() {
    static const char* const kZones[] = {"",
                                         "UTC",
                                         "Asia/Kolkata",
                                         "America/New_York",
                                         "Australia/Lord_Howe",
                                         "America/Sao_Paulo",
                                         "Europe/Berlin"};
    static const char* const kOrders[] = {"cost", "calls", "failed_calls", "tokens", "latency_p95"};
    v1::QueryCostsRequest request;
    const absl::Time start = RandomTime();
    request.mutable_start_time()->set_seconds(absl::ToUnixSeconds(start));
    if (Chance(60)) {
      request.mutable_end_time()->set_seconds(absl::ToUnixSeconds(start) + 1 + Below(400 * 86400));
    }
    request.set_time_zone(kZones[Below(std::size(kZones))]);
    request.set_bucket(static_cast<Bucket::Bucket>(Below(5)));
    std::vector<std::string> dimensions = Dimensions();
    std::shuffle(dimensions.begin(), dimensions.end(), random_);
    for (int64_t i = Below(6); i > 0; --i) request.add_group_by(dimensions[i]);
    for (int64_t i = Chance(50) ? 1 + Below(2) : 0; i > 0; --i) {
      auto* filter = request.add_filters();
      filter->set_dimension(dimensions[6 + i]);
      for (int64_t v = 1 + Below(3); v > 0; --v) {
        filter->add_values(DimensionOf(kept()[Below(kRecords)], filter->dimension()));
      }
      filter->set_exclude(Chance(40));
    }
    if (Chance(60)) {
      request.set_order_by(absl::StrCat(kOrders[Below(std::size(kOrders))], Chance(50)   ? " desc"
                                                                            : Chance(50) ? " asc"
                                                                                         : ""));
    } else if (request.bucket() != Bucket::BUCKET_UNSPECIFIED && Chance(50)) {
      request.set_order_by("bucket desc");
    }
    request.set_page_size(10'000);
    return request;
  }

  static bool Matches(const Kept& one, const v1::QueryCostsRequest& request) {
    if (one.time < TimeOf(request.start_time())) return false;
    if (request.has_end_time() && one.time >= TimeOf(request.end_time())) return false;
    return std::all_of(request.filters().begin(), request.filters().end(), [&](const auto& filter) {
      const std::string value = DimensionOf(one, filter.dimension());
      const bool found = std::count(filter.values().begin(), filter.values().end(), value) > 0;
      return found != filter.exclude();
    });
  }

  // The rows by what they are of, and the total, as this test sums them.
  static std::map<Key, v1::CostRow> Expected(const v1::QueryCostsRequest& request,
                                             v1::CostRow& total) {
    absl::TimeZone zone;
    EXPECT_TRUE(request.time_zone().empty() || absl::LoadTimeZone(request.time_zone(), &zone));
    std::map<Key, std::vector<const Kept*>> groups;
    std::vector<const Kept*> all;
    for (const Kept& one : kept()) {
      if (!Matches(one, request)) continue;
      Key key{BucketStart(one.time, request.bucket(), zone), {}};
      for (const auto& d : request.group_by()) key.second[d] = DimensionOf(one, d);
      groups[key].push_back(&one);
      all.push_back(&one);
    }
    total = Sum(all);
    std::map<Key, v1::CostRow> rows;
    for (const auto& [key, records] : groups) rows[key] = Sum(records);
    return rows;
  }

  // What the rows must be sorted by; rows without a value come last either way.
  static double OrderValue(const v1::CostRow& row, const std::string& order) {
    if (order.starts_with("cost")) return static_cast<double>(row.cost_nanousd());
    if (order.starts_with("calls")) return static_cast<double>(row.calls());
    if (order.starts_with("failed_calls")) return static_cast<double>(row.failed_calls());
    if (order.starts_with("bucket")) return static_cast<double>(row.bucket_start_time().seconds());
    if (order.starts_with("latency")) return static_cast<double>(MicrosOf(row.latency_p95()));
    const auto& tokens = row.tokens();
    return static_cast<double>(tokens.uncached_input_tokens() + tokens.cache_read_tokens() +
                               tokens.visible_output_tokens() + tokens.reasoning_tokens());
  }

  static void ExpectSorted(const v1::QueryCostsRequest& request,
                           const v1::QueryCostsResponse& response) {
    const bool bucketed = request.bucket() != Bucket::BUCKET_UNSPECIFIED;
    std::string order = request.order_by();
    if (order.empty()) order = bucketed ? "bucket" : "cost desc";
    const bool descending = order.ends_with(" desc");
    for (int i = 1; i < response.rows_size(); ++i) {
      const auto &before = response.rows(i - 1), &after = response.rows(i);
      if (order.starts_with("latency") && !after.has_latency_p95()) continue;
      const double first = OrderValue(before, order), second = OrderValue(after, order);
      EXPECT_TRUE(descending ? first >= second : first <= second) << order << " at row " << i;
      EXPECT_TRUE(before.has_latency_p95() || !order.starts_with("latency")) << "at row " << i;
    }
  }

  // Asks and compares.
  void AskAndCompare() {
    const v1::QueryCostsRequest request = Ask();
    SCOPED_TRACE(request.ShortDebugString());
    v1::QueryCostsResponse response;
    const grpc::Status status = client().Query(request, response);
    ASSERT_TRUE(status.ok()) << status.error_message();
    v1::CostRow total;
    std::map<Key, v1::CostRow> expected = Expected(request, total);
    EXPECT_EQ(response.next_page_token(), "");
    EXPECT_EQ(TextOf(response.total()), TextOf(total)) << response.source();
    ExpectNear(response.total(), total);
    ASSERT_EQ(response.rows_size(), static_cast<int>(expected.size())) << response.source();
    for (const auto& row : response.rows()) {
      const auto found = expected.find(KeyOf(row));
      ASSERT_NE(found, expected.end()) << row.ShortDebugString();
      EXPECT_EQ(TextOf(row), TextOf(found->second)) << row.ShortDebugString();
      ExpectNear(row, found->second);
      expected.erase(found);
    }
    ExpectSorted(request, response);
    rows_ += response.rows_size();
    ++sources_[response.source()];
  }

  void AskMany() {
    for (int i = 0; i < kQuestions && !HasFailure(); ++i) AskAndCompare();
  }

  int rows_ = 0;
  std::map<std::string, int> sources_;
};

// While the rollups lack some or all of the records, when they have all, and when more have come.
TEST_F(RandomQuestion, IsAnsweredAsThisTestSumsIt) {
  AskMany();
  fleet().AwaitRollups();
  fleet().ExpectConserved();
  sources_.clear();
  AskMany();
  EXPECT_GT(sources_.size(), 2u) << "otherwise the questions are too narrow";
  RecordAThousand();
  AskMany();
  std::cout << 3 * kQuestions << " questions, " << rows_ << " rows\n";
  for (const auto& [source, questions] : sources_) std::cout << questions << " " << source << "\n";
  EXPECT_GT(rows_, kQuestions) << "otherwise the questions are too narrow";
}

}  // namespace
}  // namespace bursar::testing
