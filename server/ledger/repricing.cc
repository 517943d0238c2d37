#include "ledger/repricing.h"

#include "absl/strings/str_cat.h"
#include "absl/synchronization/blocking_counter.h"
#include "ledger/fingerprint.h"
#include "status_macros.h"
#include "usage/limits.h"

namespace bursar::ledger {
namespace {

// The same for the same record and prices, so that it is adjusted once.
ledger::Adjust RepriceOf(absl::string_view tenant, const std::string& usage_id,
                         const std::string& version) {
  ledger::Adjust adjust;
  adjust.adjustment_id = absl::StrCat(usage::kRepriceIdPrefix, version, ":", usage_id);
  adjust.key = UsageKey(tenant, absl::StrCat(usage::kAdjustmentIdPrefix, adjust.adjustment_id));
  adjust.usage_id = usage_id;
  adjust.target = UsageKey(tenant, usage_id);
  adjust.reason = absl::StrCat("priced by version ", version);
  adjust.fingerprint = FingerprintOf(adjust);
  return adjust;
}

}  // namespace

absl::StatusOr<Repriced> Repricer::Run(absl::string_view tenant, const RepriceQuery& query,
                                       bool validate_only, absl::Time deadline) {
  ASSIGN_OR_RETURN(const RepricePage page, view_.ListRepriceable(tenant, query));
  const auto prices = prices_.Of(tenant);
  Repriced repriced{.examined = static_cast<int64_t>(page.records.size()),
                    .price_version = prices->newest->version(),
                    .next = page.next};
  std::vector<std::string> to_adjust;
  for (const RepriceableRecord& record : page.records) {
    const auto cost = prices->newest->CostOf(record.model, record.tokens, record.charge_time);
    if (!cost) {
      repriced.still_unpriced += record.unpriced;
    } else if (record.unpriced || cost->nanousd != record.cost_nanousd) {
      to_adjust.push_back(record.usage_id);
      if (!validate_only) continue;
      ++repriced.records;
      repriced.delta_nanousd += cost->nanousd - record.cost_nanousd;
    }
  }
  if (!validate_only) RETURN_IF_ERROR(Adjust(tenant, to_adjust, deadline, repriced));
  return repriced;
}

absl::Status Repricer::Adjust(absl::string_view tenant, const std::vector<std::string>& usage_ids,
                              absl::Time deadline, Repriced& repriced) {
  std::vector<absl::StatusOr<Answer>> answers(usage_ids.size(), absl::UnknownError(""));
  absl::BlockingCounter waiting(static_cast<int>(usage_ids.size()));
  for (size_t i = 0; i < usage_ids.size(); ++i) {
    lanes_.Submit(tenant, RepriceOf(tenant, usage_ids[i], repriced.price_version), deadline,
                  [&waiting, &answer = answers[i]](absl::StatusOr<Answer> answered) {
                    answer = std::move(answered);
                    waiting.DecrementCount();
                  });
  }
  waiting.Wait();
  for (const auto& answer : answers) {
    RETURN_IF_ERROR(answer.status());
    ++repriced.records;
    repriced.delta_nanousd += std::get<AdjustAnswer>(*answer).delta_nanousd;
  }
  return absl::OkStatus();
}

}  // namespace bursar::ledger
