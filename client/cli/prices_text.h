#pragma once

#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "bursar/v1/admin_service.pb.h"
#include "cli/table.h"

// What people see of prices: exact US dollars for 1,000,000 tokens, or for 1,000 billed units.
namespace bursar::cli {

// A token class that a price has a field for.
struct PriceClass {
  const char* name;  // in a document: "cache_read"
  const char* flag;  // of `prices set`
  const char* title;
  const char* help;
  bool (v1::Price::*has)() const;
  int64_t (v1::Price::*get)() const;
  void (v1::Price::*set)(int64_t);
};

// In the order in which they are shown.
const std::vector<PriceClass>& PriceClasses();

// "openai/gpt-x", "openai/gpt-x*", "openai/turbo (contains)".
std::string PriceName(const v1::Price& price);

// "from 2026-12-01 00:00 UTC", or "always".
std::string EffectiveText(const v1::Price& price);

// All that is known of one price. Without a price of its own it says which usage stays UNPRICED.
std::vector<std::pair<std::string, std::string>> PricePairs(const v1::Price& price);

// A row for each price; columns in which no price has anything are left out.
Table PriceTable(const google::protobuf::RepeatedPtrField<v1::Price>& prices);

}  // namespace bursar::cli
