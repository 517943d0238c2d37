#include "support/memory_ledger.h"

#include "absl/strings/str_cat.h"

namespace bursar::testing {
namespace {

constexpr char kTenant[] = "default";

// One model of one dollar for each million tokens in, and two out.
constexpr char kPrices[] =
    R"({"version": "test", "prices": [
         {"provider": "p", "model": "m", "input": "1", "output": "2",
          "max_output_tokens": 1000}]})";

std::shared_ptr<const pricing::PriceBook> MakeBook(const std::string& version,
                                                   const std::string& json) {
  auto list = pricing::PriceList::Make(pricing::ReadPrices("bursar", json).value().document);
  return std::make_shared<const pricing::PriceBook>(version, list.value());
}

}  // namespace

MemoryLedger::MemoryLedger() : prices_{MakeBook("1", kPrices), {{absl::InfinitePast(), 1}}, {}} {
  state_.older_books = &older_books_;
  book_.epoch = 1;
  state_.tenant = kTenant;
  state_.now = absl::FromCivil(absl::CivilSecond(2026, 11, 22, 12, 0, 0), absl::UTCTimeZone());
  state_.horizon = absl::Hours(24 * 45);
  state_.book = &book_;
  state_.prices = &prices_;
}

void MemoryLedger::SetPrices(const std::string& json) {
  older_books_[prices_.newest->version()] = prices_.newest;
  const int64_t version = prices_.operators.back().second + 1;
  prices_.operators.emplace_back(state_.now, version);
  prices_.newest = MakeBook(absl::StrCat(version), json);
}

void MemoryLedger::AddBudget(ledger::Budget budget) {
  budget.uid = ledger::HashId({"test budget", budget.id, absl::StrCat(book_.budgets.size())});
  budget.create_time = state_.now;
  if (!ledger::ValidateBudget(budget).ok()) std::abort();
  book_.budgets.push_back(std::move(budget));
}

std::vector<absl::StatusOr<ledger::Answer>> MemoryLedger::RunAll(
    std::span<const ledger::Operation> operations) {
  const ledger::Footprint footprint = ledger::FootprintOf(operations, book_, state_.now);
  state_.locked.clear();
  state_.locked.insert(footprint.counters.begin(), footprint.counters.end());
  for (const auto& operation : operations) LockAlsoWithoutReservation(operation);
  ledger::Applied applied = ledger::Apply(state_, operations);
  // The footprint is exact where the time is, and every pinned counter is in memory: running again,
  // as a lane does, is never needed.
  if (!applied.complete()) std::abort();
  for (const ledger::Id& id : applied.changes.counters) ++state_.counters.at(id).version;
  changes_ = std::move(applied.changes);
  return std::move(applied.answers);
}

// A record whose reservation turns out to be unknown charges what matches its own subject.
void MemoryLedger::LockAlsoWithoutReservation(const ledger::Operation& operation) {
  std::vector<ledger::Record> records;
  if (auto* record = std::get_if<ledger::Record>(&operation)) records = {*record};
  if (auto* check = std::get_if<ledger::Check>(&operation)) records = check->settle;
  for (const auto& record : records) {
    const auto& used = record.usage;
    const auto matches = ledger::MatchBudgets(book_, used.subject, used.model, used.event_type,
                                              used.occur_time.value_or(state_.now));
    for (const auto& match : matches.counted) state_.locked.insert(match.counter);
  }
}

void MemoryLedger::Seal(ledger::Check& check) {
  check.key = ledger::ReservationKey(kTenant, check.request_id);
  check.fingerprint = ledger::FingerprintOf(check);
}

void MemoryLedger::Seal(ledger::Record& record) {
  record.key = ledger::UsageKey(kTenant, record.usage.usage_id);
  record.reservation = ledger::ReservationKey(kTenant, record.usage.reservation_id);
  record.fingerprint = ledger::FingerprintOf(record.usage);
}

ledger::Check MemoryLedger::MakeCheck(const std::string& id, const usage::Subject& subject,
                                      int64_t cost_nanousd) {
  ledger::Check check{.request_id = id,
                      .subject = subject,
                      .model = {.provider = "p", .name = "m"},
                      .cost_nanousd = cost_nanousd,
                      .ttl = absl::Minutes(5)};
  Seal(check);
  return check;
}

ledger::Record MemoryLedger::MakeRecord(const std::string& id, const std::string& reservation_id,
                                        int64_t cost_nanousd) {
  ledger::Record record;
  record.usage.usage_id = id;
  record.usage.reservation_id = reservation_id;
  record.usage.cost_nanousd = cost_nanousd;
  Seal(record);
  return record;
}

}  // namespace bursar::testing
