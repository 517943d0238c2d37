#include "demo/fleet.h"

#include <bursar/guard.h>
#include <bursar/money.h>
#include <bursar/summary.h>

#include <algorithm>
#include <thread>

#include "cli/render.h"
#include "src/text.h"

namespace bursar::demo {
namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;

constexpr int kAttemptsMax = 3;
constexpr int64_t kDenialsShown = 2;    // of each budget
constexpr int64_t kWarningsShown = 12;  // of all
constexpr int kSummariesShown = 10;
constexpr int kFasterThanLife = 60;  // a model call of 1.2 s is played in 20 ms
constexpr auto kTick = 100ms;

}  // namespace

FleetPlay::FleetPlay(Client client, std::vector<RequestSize> sizes, Options options, Screen* screen,
                     Tally* tally)
    : client_(std::move(client)),
      sizes_(std::move(sizes)),
      options_(options),
      screen_(screen),
      tally_(tally),
      next_size_(options.seed * 97 % sizes_.size()),
      calls_left_(options.calls) {}

void FleetPlay::Play(StopSignal* stop) {
  start_ = steady_clock::now();
  const std::vector<Agent> agents = Fleet();
  agents_at_work_ = static_cast<int>(agents.size());
  std::vector<std::thread> threads;
  for (size_t i = 0; i < agents.size(); ++i) {
    threads.emplace_back([this, &agent = agents[i], seed = options_.seed * 1000 + i] {
      PlayAgent(agent, seed);
      --agents_at_work_;
    });
  }
  while (agents_at_work_ > 0) {
    if (stop->Wait(kTick)) {
      stopped_ = true;
      std::this_thread::sleep_for(kTick);
    }
    if (agents_at_work_ > 0) screen_->ShowProgress(Progress());
  }
  for (std::thread& thread : threads) thread.join();
  screen_->EndProgress(Progress());
}

bool FleetPlay::Over() const {
  // As many denials as calls: there is nothing left to spend.
  return stopped_ || calls_left_ <= 0 || tally_->sums().denied >= options_.calls ||
         tally_->sums().errors >= options_.calls / 10 + 10;
}

void FleetPlay::PlayAgent(const Agent& agent, uint64_t seed) {
  std::mt19937_64 random(seed);
  for (int run = 1; !Over(); ++run) {
    tally_->AddRun();
    PlayRun(agent, agent.name + "-" + std::to_string(run), &random);
  }
}

void FleetPlay::PlayRun(const Agent& agent, const std::string& run, std::mt19937_64* random) {
  Step step{agent, {.project = "demo", .team = agent.team, .agent = agent.name, .run = run}};
  step.subject.user = DrawUser(random);
  const int steps = std::uniform_int_distribution<int>(agent.steps_min, agent.steps_max)(*random);
  for (; step.number < steps && !Over(); ++step.number) {
    const RequestSize& size = sizes_[next_size_++ % sizes_.size()];
    After after = After::kRetry;
    for (int attempt = 1; attempt <= kAttemptsMax && after == After::kRetry; ++attempt) {
      if (calls_left_-- <= 0) return;
      after = PlayCall(step, size, attempt, random);
    }
    if (after == After::kEndRun) return;
  }
}

FleetPlay::After FleetPlay::PlayCall(const Step& step, const RequestSize& size, int attempt,
                                     std::mt19937_64* random) {
  const std::string id =
      step.subject.run + "/" + std::to_string(step.number + 1) + "/" + std::to_string(attempt);
  Guard guard(client_, {.request_id = id,
                        .subject = step.subject,
                        .model = step.agent.model,
                        .tokens = TokenUsage{.uncached_input_tokens = size.context_tokens},
                        .max_output_tokens = step.agent.max_output_tokens});
  if (!guard.check().ok()) {
    tally_->AddError();
    screen_->Print(screen_->palette().Red("error   ") + guard.why_not());
    return After::kEndRun;
  }
  if (!guard.allowed()) {
    ++calls_left_;  // it was not made
    ReportDenial(step, *guard.check());
    return After::kEndRun;
  }

  const SimulatedCall call = Simulate(step.agent, size, step.number, random);
  std::this_thread::sleep_for(call.latency / kFasterThanLife);

  RecordRequest record{.usage_id = id, .latency = call.latency, .attempt = attempt};
  record.outcome = call.failed ? Outcome::kFailed : Outcome::kSucceeded;
  if (call.failed) {
    record.error = call.error;
  } else {
    record.tokens = call.tokens;
  }
  const auto response = guard.Settle(std::move(record));
  if (!response.ok()) {
    tally_->AddError();
    screen_->Print(screen_->palette().Red("error   ") + response.status().ToString());
    return After::kEndRun;
  }
  ReportRecord(step, *response);
  return call.failed ? After::kRetry : After::kGoOn;
}

void FleetPlay::ReportDenial(const Step& step, const CheckResponse& response) {
  if (tally_->AddDenial(response) > kDenialsShown) return;
  screen_->Print(screen_->palette().Red("denied  ") + step.subject.agent + " for " +
                 step.subject.user + ": " +
                 (response.message.empty() ? response.reason : response.message));
}

void FleetPlay::ReportRecord(const Step& step, const RecordResponse& response) {
  Tally::News news;
  const int64_t number = tally_->AddRecord(response, step.subject, &news);
  if (number % std::max(1, options_.calls / kSummariesShown) == 1) {
    screen_->Print(screen_->palette().Dim("call    ") + FormatSummary(response));
  }
  if (news.warning_percent == 0 || news.nth_warning > kWarningsShown) return;
  const BudgetStatus& budget = news.budget;
  const std::string group = cli::FormatGroup(budget.group);
  screen_->Print(screen_->palette().Yellow("warning ") + cli::BudgetId(budget.budget) +
                 (group.empty() ? "" : " of " + group) + " is over " +
                 std::to_string(news.warning_percent) +
                 " %: " + cli::FormatAmount(budget.unit, budget.remaining) + " of " +
                 cli::FormatAmount(budget.unit, budget.limit) + " left");
}

std::string FleetPlay::Progress() const {
  const Tally::Sums sums = tally_->sums();
  const auto ms =
      std::chrono::duration_cast<std::chrono::milliseconds>(steady_clock::now() - start_).count();
  using internal::FormatCount;
  return FormatCount(sums.records) + " of " + FormatCount(options_.calls) + " calls | " +
         FormatUsd(sums.cost_nanousd) + " spent | " + FormatCount(sums.runs) + " runs | " +
         FormatCount(sums.denied) + " denied | " + FormatCount(sums.retries) + " retries | " +
         FormatCount(sums.records * 1000 / std::max<int64_t>(ms, 1)) + " calls/s";
}

}  // namespace bursar::demo
