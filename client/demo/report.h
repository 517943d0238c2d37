#pragma once

#include <bursar/client.h>
#include <bursar/status.h>

#include <string>
#include <vector>

#include "demo/screen.h"
#include "demo/sql_sums.h"
#include "demo/tally.h"

namespace bursar::demo {

// Prints what was spent, by model and by agent, and where the budgets of the biggest spender stand.
Status PrintReport(const Client& client, const Tally& tally, Timestamp start, Screen* screen);

// Every way in which the sums differ, one sentence each; empty where all agree.
std::vector<std::string> Differences(const Tally::Sums& own, const CostRow& total,
                                     const SqlSums& sql);

// Compares the demo's own sums with QueryCosts' and with SQL's, and prints the outcome.
// Errors: DATA_LOSS where they differ.
Status ProveSums(const Client& client, const Tally& tally, Timestamp start,
                 const std::string& database_url, Screen* screen);

}  // namespace bursar::demo
