#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "ledger/budget.h"
#include "usage/record.h"

// The JSON forms of what is kept in jsonb columns. Decoding takes what encoding wrote; anything
// else gives an empty value.
namespace bursar::postgres {

std::string EncodeJson(const std::map<std::string, std::string>& values);
std::string EncodeJson(const std::map<std::string, int64_t>& counts);
std::string EncodeJson(const usage::Subject& subject);
std::string EncodeJson(const usage::Model& model);
std::string EncodeJson(const std::vector<usage::GuardrailHit>& hits);
std::string EncodeJson(const std::vector<ledger::Filter>& filters);
std::string EncodeJson(const std::vector<ledger::LimitOverride>& overrides);
std::string EncodeJson(const std::vector<std::string>& values);
std::string EncodeJson(const std::vector<int32_t>& values);

std::map<std::string, std::string> DecodeTexts(absl::string_view json);
std::map<std::string, int64_t> DecodeCounts(absl::string_view json);
usage::Subject DecodeSubject(absl::string_view json);
usage::Model DecodeModel(absl::string_view json);
std::vector<usage::GuardrailHit> DecodeGuardrailHits(absl::string_view json);
std::vector<ledger::Filter> DecodeFilters(absl::string_view json);
std::vector<ledger::LimitOverride> DecodeOverrides(absl::string_view json);
std::vector<std::string> DecodeTextList(absl::string_view json);
std::vector<int32_t> DecodeIntList(absl::string_view json);

}  // namespace bursar::postgres
