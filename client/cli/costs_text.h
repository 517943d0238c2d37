#pragma once

#include <optional>
#include <string>

#include "bursar/v1/telemetry_service.pb.h"
#include "cli/bars.h"
#include "cli/palette.h"

// What `bursar costs` says to people.
namespace bursar::cli {

// Where the bars of a table go.
struct BarPlace {
  BarSigns signs = BarSigns::kAscii;
  std::optional<size_t> line_columns;  // of the terminal; none where lines may be of any length
  bool asked = false;                  // by a flag: so it is said where there is no room
};

// "from 2026-11-01 00:00 UTC to now; source rollup_day+rollup_hour", with a line break.
std::string RangeLine(const v1::QueryCostsRequest& query, const std::string& source,
                      const Palette& palette);

// What a sum leaves out or guesses, a line for each.
std::string CostNotes(const v1::CostRow& total);

// The table, with bars where there is a place for them, and notes below it.
std::string CostsText(const v1::QueryCostsRequest& query, const v1::QueryCostsResponse& response,
                      const std::optional<BarPlace>& bars, const Palette& palette);

}  // namespace bursar::cli
