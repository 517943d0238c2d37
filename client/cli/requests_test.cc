// What is typed, and the request that it becomes.
#include <google/protobuf/text_format.h>
#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>

#include <fstream>

#include "cli/budgets_command.h"
#include "cli/check_command.h"
#include "cli/costs_command.h"
#include "cli/period.h"
#include "cli/record_command.h"
#include "cli/status_command.h"

namespace bursar::cli {
namespace {

using Words = std::vector<std::string>;

// A command that has read its words.
template <typename C>
struct Typed {
  explicit Typed(const Words& words) { app.parse(Words(words.rbegin(), words.rend())); }
  CLI::App app;
  C command{app};
};

template <typename Message>
void ExpectProto(const StatusOr<Message>& request, const std::string& text) {
  ASSERT_TRUE(request.ok()) << request.status().ToString();
  Message expected;
  ASSERT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &expected)) << text;
  google::protobuf::util::MessageDifferencer differ;
  std::string difference;
  differ.ReportDifferencesToString(&difference);
  EXPECT_TRUE(differ.Compare(expected, *request)) << difference;
}

TEST(CheckCommand, FillsTheRequest) {
  const Typed<CheckCommand> typed({"check",
                                   "--project",
                                   "p",
                                   "--team",
                                   "t",
                                   "--user",
                                   "ada",
                                   "--agent",
                                   "a",
                                   "--workflow",
                                   "w",
                                   "--tool",
                                   "x",
                                   "--run",
                                   "r",
                                   "--parent-run",
                                   "q",
                                   "--root-run",
                                   "o",
                                   "--label",
                                   "env=prod",
                                   "--label",
                                   "k=v=w",
                                   "--model",
                                   "openai/gpt-4o",
                                   "--input-tokens",
                                   "1200",
                                   "--cache-read-tokens",
                                   "800",
                                   "--max-output-tokens",
                                   "500",
                                   "--id",
                                   "r-1",
                                   "--ttl",
                                   "5m",
                                   "--accept-caps",
                                   "--event-type",
                                   "tool_call"});
  ExpectProto(typed.command.Request(), R"pb(
    request_id: "r-1"
    subject {
      project: "p"
      team: "t"
      user: "ada"
      agent: "a"
      workflow: "w"
      tool: "x"
      run: "r"
      parent_run: "q"
      root_run: "o"
      labels { key: "env" value: "prod" }
      labels { key: "k" value: "v=w" }
    }
    model { provider: "openai" name: "gpt-4o" }
    tokens { uncached_input_tokens: 1200 cache_read_tokens: 800 }
    max_output_tokens: 500
    event_type: "tool_call"
    ttl { seconds: 300 }
    accept_caps: true
  )pb");
}

TEST(CheckCommand, ACostNeedsNoTokensAndADryRunNoId) {
  const Typed<CheckCommand> typed({"check", "--cost", "$0.12", "--dry-run"});
  ExpectProto(typed.command.Request(), R"pb(
    subject {}
    model {}
    cost_nanousd: 120000000
    dry_run: true
  )pb");
}

TEST(CheckCommand, CountsTheInputOfAPrompt) {
  const std::string path = ::testing::TempDir() + "/prompt.txt";
  std::ofstream(path) << std::string(4001, 'x');
  const auto tokens = [](const Words& words) {
    return Typed<CheckCommand>(words).command.Request()->tokens().ShortDebugString();
  };
  EXPECT_EQ(tokens({"check", "--prompt-file", path}), "uncached_input_tokens: 1001");
  EXPECT_EQ(tokens({"check", "--prompt-file", path, "--cache-read-tokens", "7"}),
            "uncached_input_tokens: 1001 cache_read_tokens: 7");
  EXPECT_EQ(tokens({"check", "--prompt-file", path, "--input-tokens", "12"}),
            "uncached_input_tokens: 12")
      << "whoever counted them knows better";
  EXPECT_EQ(tokens({"check", "--prompt-file", path, "--input-tokens", "0"}), "");
  const Typed<CheckCommand> missing({"check", "--prompt-file", path + ".none"});
  EXPECT_EQ(missing.command.Request().status().code(), StatusCode::kFailedPrecondition);
}

TEST(CheckCommand, DrawsAnIdAndNeedsASize) {
  const Typed<CheckCommand> typed({"check", "--input-tokens", "0"});
  EXPECT_EQ(typed.command.Request()->request_id().size(), 36u);
  const Typed<CheckCommand> sizeless({"check", "--user", "ada"});
  EXPECT_EQ(sizeless.command.Request().status().code(), StatusCode::kInvalidArgument);
}

TEST(ModelFlags, AProviderOfItsOwnLeavesTheModelsSlashes) {
  const Typed<StatusCommand> typed(
      {"status", "--provider", "together", "--model", "meta-llama/llama-3-70b"});
  const v1::Model model = typed.command.Request().model();
  EXPECT_EQ(model.provider(), "together");
  EXPECT_EQ(model.name(), "meta-llama/llama-3-70b");
}

TEST(RecordCommand, FillsTheRequest) {
  const Typed<RecordCommand> typed({"record",
                                    "--id",
                                    "u-1",
                                    "--reservation",
                                    "r-1",
                                    "--model",
                                    "openai/gpt-4o",
                                    "--input-tokens",
                                    "1",
                                    "--cache-write-tokens",
                                    "2",
                                    "--output-tokens",
                                    "3",
                                    "--reasoning-tokens",
                                    "4",
                                    "--outcome",
                                    "FAILED",
                                    "--latency",
                                    "850ms",
                                    "--error-type",
                                    "RateLimit",
                                    "--attempt",
                                    "2",
                                    "--step",
                                    "plan",
                                    "--cost",
                                    "0.000000001"});
  ExpectProto(typed.command.Request(), R"pb(
    usage_id: "u-1"
    reservation_id: "r-1"
    subject {}
    model { provider: "openai" name: "gpt-4o" }
    tokens {
      uncached_input_tokens: 1
      cache_write_5m_tokens: 2
      visible_output_tokens: 3
      reasoning_tokens: 4
    }
    cost_nanousd: 1
    outcome: OUTCOME_FAILED
    latency { nanos: 850000000 }
    error { type: "RateLimit" }
    attempt: 2
    step: "plan"
  )pb");
}

TEST(RecordCommand, ReadsTheProvidersUsageFromAFile) {
  const std::string path = ::testing::TempDir() + "/usage.json";
  std::ofstream(path) << R"({"usage":{}})";
  const Typed<RecordCommand> typed(
      {"record", "--id", "u", "--provider-usage", path, "--api-flavor", "chat"});
  ExpectProto(typed.command.Request(), R"pb(
    usage_id: "u"
    subject {}
    model {}
    provider_usage { api_flavor: "chat" json: "{\"usage\":{}}" }
  )pb");
  const Typed<RecordCommand> both({"record", "--provider-usage", path, "--output-tokens", "1"});
  EXPECT_EQ(both.command.Request().status().code(), StatusCode::kInvalidArgument);
  const Typed<RecordCommand> missing({"record", "--provider-usage", path + ".none"});
  EXPECT_EQ(missing.command.Request().status().code(), StatusCode::kFailedPrecondition);
}

absl::Time Now() { return *ParseTime("2026-11-22T14:37:12Z", absl::UTCTimeZone()); }

TEST(CostsCommand, TakesThirtyDaysUnlessToldOtherwise) {
  const Typed<CostsCommand> typed({"costs"});
  ExpectProto(typed.command.Request(Now()), "start_time { seconds: 1792764000 }");
}

TEST(CostsCommand, FillsTheRequest) {
  const Typed<CostsCommand> typed({"costs", "--from", "2026-11-01", "--to", "2026-11-22T10:00",
                                   "--by", "model,label:env", "--bucket", "Day", "--filter",
                                   "user=carol", "--filter", "model!=x,y", "--time-zone",
                                   "Europe/Berlin", "--order-by", "calls desc", "--limit", "50"});
  ExpectProto(typed.command.Request(Now()), R"pb(
    start_time { seconds: 1793487600 }
    end_time { seconds: 1795338000 }
    time_zone: "Europe/Berlin"
    bucket: BUCKET_DAY
    group_by: "model"
    group_by: "label:env"
    filters { dimension: "user" values: "carol" }
    filters { dimension: "model" values: "x" values: "y" exclude: true }
    order_by: "calls desc"
    page_size: 50
  )pb");
}

TEST(CostsCommand, APeriodMayHaveAnEndOfItsOwn) {
  const Typed<CostsCommand> typed(
      {"costs", "--period", "2026-11-01..2026-11-15", "--time-zone", "Europe/Berlin"});
  ExpectProto(typed.command.Request(Now()), R"pb(
    start_time { seconds: 1793487600 }
    end_time { seconds: 1794783600 }
    time_zone: "Europe/Berlin"
  )pb");
}

TEST(CostsCommand, RefusesARangeThatCannotBe) {
  for (const Words& words :
       {Words{"costs", "--from", "2026-11-02", "--to", "2026-11-01"},
        Words{"costs", "--from", "2026-11-01", "--period", "7d"}, Words{"costs", "--from", "soon"},
        Words{"costs", "--period", "ever"}, Words{"costs", "--period", "2026-11-02..2026-11-01"},
        Words{"costs", "--period", "2026-10", "--to", "2026-11-05"}}) {
    const Typed<CostsCommand> typed(words);
    EXPECT_EQ(typed.command.Request(Now()).status().code(), StatusCode::kInvalidArgument);
  }
  EXPECT_THROW(Typed<CostsCommand>({"costs", "--limit", "10001"}), CLI::ValidationError);
}

TEST(CreateBudgetCommand, FillsTheRequest) {
  const Typed<CreateBudgetCommand> typed({"create",
                                          "run-cap",
                                          "--limit",
                                          "0.50",
                                          "--window",
                                          "LIFETIME",
                                          "--group-by",
                                          "run",
                                          "--selector",
                                          "user=a,b",
                                          "--selector",
                                          "team!=x",
                                          "--mode",
                                          "soft",
                                          "--threshold",
                                          "75,90",
                                          "--display-name",
                                          "Cap of a run",
                                          "--require-group",
                                          "--expires",
                                          "2026-12-01T00:00:00Z",
                                          "--time-zone",
                                          "Europe/Berlin"});
  ExpectProto(typed.command.Request(), R"pb(
    budget_id: "run-cap"
    budget {
      display_name: "Cap of a run"
      selector { dimension: "user" values: "a" values: "b" }
      selector { dimension: "team" values: "x" exclude: true }
      group_by: "run"
      require_group: true
      limit_nanousd: 500000000
      window { kind: KIND_LIFETIME time_zone: "Europe/Berlin" }
      mode: ENFORCEMENT_MODE_SOFT
      threshold_percents: 75
      threshold_percents: 90
      expire_time { seconds: 1796083200 }
    }
  )pb");
}

TEST(CreateBudgetCommand, NeedsAnIdALimitAndAWindow) {
  for (const Words& words :
       {Words{"create", "b", "--limit", "1"}, Words{"create", "b", "--window", "day"},
        Words{"create", "--limit", "1", "--window", "day"}}) {
    const Typed<CreateBudgetCommand> typed(words);
    EXPECT_EQ(typed.command.Request().status().code(), StatusCode::kInvalidArgument) << words[1];
  }
  EXPECT_THROW(Typed<CreateBudgetCommand>({"create", "b", "--limit", "1", "--limit-calls", "2"}),
               CLI::ExcludesError);
}

TEST(UpdateBudgetCommand, SendsOnlyWhatWasGiven) {
  const Typed<UpdateBudgetCommand> typed({"update", "budgets/run-cap", "--limit-calls", "100",
                                          "--expires", "never", "--state", "frozen", "--etag",
                                          "7"});
  ExpectProto(typed.command.Request(), R"pb(
    budget { name: "budgets/run-cap" limit_calls: 100 state: STATE_FROZEN etag: "7" }
    update_mask { paths: "expire_time" paths: "limit_calls" paths: "state" }
  )pb");
  const Typed<UpdateBudgetCommand> nothing({"update", "run-cap", "--etag", "7"});
  EXPECT_EQ(nothing.command.Request().status().code(), StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace bursar::cli
