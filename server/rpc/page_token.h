#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "ledger/ledger_view.h"

// Page tokens of the lists: the question that they belong to, then a place in its answer.
namespace bursar::rpc {

std::string PageToken(const ledger::Id& query, absl::string_view place);

// The place; empty if there is no token. FieldError: of another question, or never given.
absl::StatusOr<std::string> PlaceOf(absl::string_view token, const ledger::Id& query);

bool ReadId(absl::string_view text, ledger::Id& id);
std::string PlaceText(const ledger::TimePlace& place);
absl::StatusOr<std::optional<ledger::TimePlace>> TimePlaceOf(absl::string_view token,
                                                             const ledger::Id& query);

// As a part of the question.
void AddFilters(const std::vector<ledger::Filter>& filters, ledger::IdHash& hash);

}  // namespace bursar::rpc
