#include "cli/prices_text.h"

#include <bursar/money.h>

#include <algorithm>
#include <functional>
#include <map>

#include "cli/period.h"
#include "src/text.h"

namespace bursar::cli {
namespace {

using Pairs = std::vector<std::pair<std::string, std::string>>;
using P = v1::Price;

std::string StartText(const P& price) {
  if (!price.has_effective_time()) return {};
  return FormatMinute(TimeOf(price.effective_time()), absl::UTCTimeZone());
}

std::string HoursText(const P& price) {
  if (price.daily_start_utc().empty() && price.daily_end_utc().empty()) return {};
  return price.daily_start_utc() + "-" + price.daily_end_utc();
}

std::string SizeText(const P& price) {
  return price.min_input_tokens() == 0 ? "" : internal::FormatCount(price.min_input_tokens());
}

std::string OutputMaximumText(const P& price) {
  return price.max_output_tokens() == 0 ? "" : internal::FormatCount(price.max_output_tokens());
}

// In the order of names: that of a protobuf map is none.
template <typename Map>
std::map<std::string, int64_t> Sorted(const Map& map) {
  return {map.begin(), map.end()};
}

// What a table has no column for; `prices show` has the figures.
std::string AlsoText(const P& price) {
  std::vector<std::string> also;
  if (!price.same_as().empty()) also.push_back("as " + price.same_as());
  for (const PriceClass& c : PriceClasses()) {
    const std::string name = c.name;
    const bool column =
        name == "input" || name == "output" || name == "cache_read" || name == "cache_write_5m";
    if (!column && (price.*c.has)()) also.push_back(name);
  }
  for (const auto& [name, nanousd] : Sorted(price.other())) also.push_back(name);
  for (const auto& [name, nanousd] : Sorted(price.billed_units())) also.push_back(name);
  std::string text;
  for (const std::string& part : also) text += (text.empty() ? "" : ", ") + part;
  return text;
}

std::function<std::string(const P&)> Usd(bool (P::*has)() const, int64_t (P::*get)() const) {
  return [has, get](const P& price) {
    return (price.*has)() ? FormatUsd((price.*get)()) : std::string();
  };
}

// A class that has to be priced somewhere: where it is not, its tokens are.
std::string NotPriced(const P& price, const PriceClass& c) {
  const std::string name = c.name;
  if (!price.same_as().empty() || (name != "input" && name != "output")) return {};
  return "no price: usage with " + name + " tokens stays UNPRICED";
}

}  // namespace

const std::vector<PriceClass>& PriceClasses() {
  static const auto& classes = *new std::vector<PriceClass>{
      {"input", "--input", "input", "input not read from a cache", &P::has_input, &P::input,
       &P::set_input},
      {"output", "--output", "output", "visible output", &P::has_output, &P::output,
       &P::set_output},
      {"cache_read", "--cache-read", "cache read", "input read from a cache; else as input",
       &P::has_cache_read, &P::cache_read, &P::set_cache_read},
      {"cache_write_5m", "--cache-write", "cache write",
       "input written to a cache for 5 minutes; else as input", &P::has_cache_write_5m,
       &P::cache_write_5m, &P::set_cache_write_5m},
      {"cache_write_1h", "--cache-write-1h", "cache write, 1 hour",
       "input written to a cache for an hour; else as for 5 minutes", &P::has_cache_write_1h,
       &P::cache_write_1h, &P::set_cache_write_1h},
      {"reasoning", "--reasoning", "reasoning", "hidden output; else as output", &P::has_reasoning,
       &P::reasoning, &P::set_reasoning},
      {"input_audio", "--input-audio", "input audio", "else as input", &P::has_input_audio,
       &P::input_audio, &P::set_input_audio},
      {"output_audio", "--output-audio", "output audio", "else as output", &P::has_output_audio,
       &P::output_audio, &P::set_output_audio},
      {"input_image", "--input-image", "input images", "else as input", &P::has_input_image,
       &P::input_image, &P::set_input_image},
      {"output_image", "--output-image", "output images", "else as output", &P::has_output_image,
       &P::output_image, &P::set_output_image},
  };
  return classes;
}

std::string PriceName(const P& price) {
  const std::string match = price.match().empty() ? "" : " (" + price.match() + ")";
  return price.provider() + "/" + price.model() + match;
}

std::string EffectiveText(const P& price) {
  return price.has_effective_time() ? "from " + StartText(price) : "always";
}

Pairs PricePairs(const P& price) {
  const std::string size = SizeText(price);
  const std::string hours = HoursText(price);
  Pairs pairs = {{"model", PriceName(price)},
                 {"priced as", price.same_as()},
                 {"service tier", price.service_tier()},
                 {"region", price.region()},
                 {"input tokens", size.empty() ? "" : "calls with at least " + size},
                 {"hours", hours.empty() ? "" : hours + " UTC"},
                 {"counts", EffectiveText(price)}};
  for (const PriceClass& c : PriceClasses()) {
    pairs.emplace_back(c.title, (price.*c.has)() ? FormatUsd((price.*c.get)()) + " for 1M tokens"
                                                 : NotPriced(price, c));
  }
  for (const auto& [name, nanousd] : Sorted(price.other())) {
    pairs.emplace_back(name, FormatUsd(nanousd) + " for 1M tokens");
  }
  for (const auto& [name, nanousd] : Sorted(price.billed_units())) {
    pairs.emplace_back(name, FormatUsd(nanousd) + " for 1,000");
  }
  const std::string maximum = OutputMaximumText(price);
  pairs.emplace_back("output at most", maximum.empty() ? "" : maximum + " tokens");
  pairs.emplace_back("source", price.source());
  return pairs;
}

Table PriceTable(const google::protobuf::RepeatedPtrField<P>& prices) {
  const std::pair<Column, std::function<std::string(const P&)>> kColumns[] = {
      {{"MODEL"}, PriceName},
      {{"TIER"}, [](const P& price) { return price.service_tier(); }},
      {{"REGION"}, [](const P& price) { return price.region(); }},
      {{"IN TOKENS >=", Align::kRight}, SizeText},
      {{"HOURS UTC"}, HoursText},
      {{"INPUT", Align::kPoint}, Usd(&P::has_input, &P::input)},
      {{"OUTPUT", Align::kPoint}, Usd(&P::has_output, &P::output)},
      {{"CACHE READ", Align::kPoint}, Usd(&P::has_cache_read, &P::cache_read)},
      {{"CACHE WRITE", Align::kPoint}, Usd(&P::has_cache_write_5m, &P::cache_write_5m)},
      {{"ALSO"}, AlsoText},
      {{"FROM"}, StartText},
  };
  std::vector<Column> columns;
  std::vector<std::function<std::string(const P&)>> cells;
  for (const auto& [column, text] : kColumns) {
    const auto& of = text;
    if (std::all_of(prices.begin(), prices.end(), [&](const P& p) { return of(p).empty(); })) {
      continue;
    }
    columns.push_back(column);
    cells.push_back(text);
  }
  Table table(std::move(columns));
  for (const P& price : prices) {
    std::vector<std::string> row;
    for (const auto& text : cells) row.push_back(text(price));
    table.AddRow(std::move(row));
  }
  return table;
}

}  // namespace bursar::cli
