#include "cli/prices_set_command.h"

#include <bursar/money.h>

#include <algorithm>

#include "absl/strings/ascii.h"
#include "cli/flags.h"
#include "cli/parse.h"
#include "cli/period.h"
#include "cli/prices_command.h"
#include "cli/prices_document.h"
#include "cli/prices_text.h"

namespace bursar::cli {
namespace {

using Amount = std::pair<std::string, int64_t>;  // a name and nano-USD

constexpr int64_t kPriceMax = 1'000'000'000'000'000;  // a million US dollars
constexpr char kPricesGroup[] = "Prices, in US dollars for 1,000,000 tokens";
constexpr char kScopeGroup[] = "Which calls have this price";

Status Wrong(std::string message) { return {StatusCode::kInvalidArgument, std::move(message)}; }

StatusOr<int64_t> ParsePrice(std::string_view text) {
  const auto price = ParseUsd(text);
  if (price.ok() && *price > kPriceMax) return WrongValue(text, "is too much", "at most 1000000");
  return price;
}

StatusOr<Amount> ParseAmount(std::string_view text) {
  const auto label = ParseLabel(text);
  if (!label.ok()) return WrongValue(text, "is no price", "NAME=USD like web_search=10");
  const auto price = ParsePrice(label->second);
  if (!price.ok()) return price.status();
  return Amount(label->first, *price);
}

void AddAmountFlag(CLI::App& app, const std::string& flag, const std::string& help,
                   google::protobuf::Map<std::string, int64_t>* amounts) {
  AddRepeatedFlag(app, flag, "NAME=USD", help, ParseAmount, [flag, amounts](const Amount& amount) {
    if (amounts->contains(amount.first)) {
      throw CLI::ValidationError(flag, amount.first + " is given twice");
    }
    (*amounts)[amount.first] = amount.second;
  })->group(kPricesGroup);
}

Choices<std::string> Matches() {
  return {{"contains", "contains"}, {"suffix", "suffix"}, {"regex", "regex"}};
}

bool IsTimeOfDay(std::string_view text) {
  const auto digit = [&](size_t at) { return absl::ascii_isdigit(text[at]); };
  return text.size() == 5 && digit(0) && digit(1) && text[2] == ':' && digit(3) && digit(4) &&
         text.substr(0, 2) < "24" && text.substr(3) < "60";
}

using Hours = std::pair<std::string, std::string>;
StatusOr<Hours> ParseHours(std::string_view text) {
  const size_t dash = text.find('-');
  const Hours hours(text.substr(0, dash),
                    dash == std::string_view::npos ? "" : text.substr(dash + 1));
  const bool ends = IsTimeOfDay(hours.second) || hours.second == "24:00";
  if (IsTimeOfDay(hours.first) && ends && hours.first != hours.second) {
    return hours;
  }
  return WrongValue(text, "is no part of the day", "16:30-00:30, in UTC,");
}

// A name that a call would give, for which `price` is meant; empty where there is no telling.
std::string NameOfACall(const v1::Price& price) {
  if (price.match() == "regex") return {};
  std::string name = price.model();
  if (price.match().empty() && !name.empty() && name.back() == '*') name.pop_back();
  return name;
}

// Rows of which those with the latest effective time count alone, whatever their sizes and hours.
bool SucceedEachOther(const v1::Price& a, const v1::Price& b) {
  return Lower(a.provider()) == Lower(b.provider()) && Lower(a.model()) == Lower(b.model()) &&
         a.match() == b.match() && a.service_tier() == b.service_tier() && a.region() == b.region();
}

absl::Time EffectiveTime(const v1::Price& price) {
  return price.has_effective_time() ? TimeOf(price.effective_time()) : absl::InfinitePast();
}

}  // namespace

SetPriceCommand::SetPriceCommand(CLI::App& prices) {
  app_ = prices.add_subcommand("set", "Set one model's price by hand");
  app_->add_option("model", model_,
                   "like openai/gpt-x, or openai/gpt-x* for all names that begin so")
      ->type_name("");
  app_->add_option("--provider", provider_, "if MODEL is only its name");
  AddPriceFlags();
  AddScopeFlags();
  AddParsedFlag(*app_, "--max-output-tokens", "N", "the most that the model puts out", ParseCount,
                [this](int64_t count) { price_.set_max_output_tokens(count); });
  AddTextFlag(*app_, "--source", "TEXT", "where the price comes from; default: set by hand, today",
              [this](const std::string& text) { price_.set_source(text); });
  AddImportFlags(*app_, &request_);
}

void SetPriceCommand::AddPriceFlags() {
  for (const PriceClass& c : PriceClasses()) {
    AddParsedFlag(*app_, c.flag, "USD", c.help, ParsePrice, [this, set = c.set](int64_t nanousd) {
      (price_.*set)(nanousd);
    })->group(kPricesGroup);
  }
  AddAmountFlag(*app_, "--other", "a further class, like input_video=1", price_.mutable_other());
  AddAmountFlag(*app_, "--unit", "for 1,000 units, like web_search=10",
                price_.mutable_billed_units());
  AddTextFlag(*app_, "--same-as", "MODEL",
              "instead: priced as that, like openai/gpt-4o or openai/*",
              [this](const std::string& text) { price_.set_same_as(text); })
      ->group(kPricesGroup);
}

void SetPriceCommand::AddScopeFlags() {
  AddTextFlag(*app_, "--tier,--service-tier", "TEXT", "batch, flex, priority, ...; default: all",
              [this](const std::string& text) { price_.set_service_tier(text); })
      ->group(kScopeGroup);
  AddTextFlag(*app_, "--region", "TEXT", "default: every one without a price of its own",
              [this](const std::string& text) { price_.set_region(text); })
      ->group(kScopeGroup);
  AddParsedFlag(*app_, "--min-input-tokens", "N", "those with at least so many", ParseCount,
                [this](int64_t count) { price_.set_min_input_tokens(count); })
      ->group(kScopeGroup);
  AddParsedFlag(
      *app_, "--from", "TIME", "from then on, like 2026-12-01; default: always",
      [](const std::string& text) { return ParseTime(text, absl::UTCTimeZone()); },
      [this](absl::Time time) {
        SetTime(absl::FromUnixSeconds(absl::ToUnixSeconds(time)), price_.mutable_effective_time());
      })
      ->group(kScopeGroup);
  AddParsedFlag(*app_, "--hours", "HH:MM-HH:MM", "a part of each day, in UTC, like 16:30-00:30",
                ParseHours,
                [this](const Hours& hours) {
                  price_.set_daily_start_utc(hours.first);
                  price_.set_daily_end_utc(hours.second);
                })
      ->group(kScopeGroup);
  AddChoiceFlag(*app_, "--match", "MODEL is a part (contains), an end (suffix), a regex", Matches(),
                [this](const std::string& match) { price_.set_match(match); })
      ->group(kScopeGroup);
}

bool SetPriceCommand::HasOwnPrices() const {
  const auto& classes = PriceClasses();
  return !price_.other().empty() || !price_.billed_units().empty() ||
         std::any_of(classes.begin(), classes.end(),
                     [this](const PriceClass& c) { return (price_.*c.has)(); });
}

StatusOr<v1::Price> SetPriceCommand::Price(absl::Time now) const {
  if (model_.empty()) {
    return Wrong(
        "which model? `bursar prices set openai/gpt-x --input 3 --output 15` would be right");
  }
  v1::Price price = price_;
  const v1::Model model = ModelOf(provider_, model_);
  if (model.provider().empty() || model.name().empty()) {
    return Wrong("whose model is \"" + model_ + "\"? openai/" + model_ +
                 ", or --provider openai, would be right");
  }
  price.set_provider(model.provider());
  price.set_model(model.name());
  if (!HasOwnPrices() && price.same_as().empty()) {
    return Wrong(
        "what does it cost? --input 3 --output 15, in US dollars for a million tokens, "
        "would be right");
  }
  if (HasOwnPrices() && !price.same_as().empty()) {
    return Wrong("--same-as and prices of its own exclude each other; one of them would be right");
  }
  if (price.source().empty()) {
    price.set_source("set by hand, " + absl::FormatTime("%Y-%m-%d", now, absl::UTCTimeZone()));
  }
  return price;
}

void SetPriceCommand::WarnWhereAnotherCounts(Server& server, const v1::Price& price,
                                             const std::string& version, Output& output) const {
  v1::ListPricesRequest request;
  request.set_provider(price.provider());
  request.set_model(NameOfACall(price));
  if (request.model().empty()) return;
  // A minute ahead: this clock may be behind the one that dated the new version.
  const absl::Time soon = absl::Now() + absl::Minutes(1);
  SetTime(std::max(soon, EffectiveTime(price)), request.mutable_as_of());
  v1::ListPricesResponse response;
  const Status status = server.Call(&AdminStub::ListPrices, request, &response);
  // The price is set; not to know what else there is makes it no failure. Another replica may not
  // know of it yet.
  if (!status.ok() || response.price_version() != version) return;
  for (const v1::Price& other : response.prices()) {
    if (!SucceedEachOther(price, other)) continue;
    if (EffectiveTime(other) <= EffectiveTime(price)) continue;
    output.err << "bursar: " << PriceName(other) << " is still priced by the row that counts "
               << EffectiveText(other) << "; --from with a later time would make yours count\n";
    return;
  }
}

int SetPriceCommand::Run(Server& server, Output& output) {
  const auto price = Price(absl::Now());
  if (!price.ok()) return FailUsage(price.status(), output);
  auto document = PriceDocument(*price);
  if (!document.ok()) return FailUsage(document.status(), output);
  v1::ImportPricesRequest request = request_;
  request.set_format("bursar");
  request.set_document(*std::move(document));

  auto pairs = PricePairs(*price);
  if (price->has_input() && price->has_output()) {
    pairs.emplace_back("1M in + 1M out", FormatUsd(price->input() + price->output()));
  }
  v1::ImportPricesResponse response;
  const int code = ImportPrices(server, request, std::move(pairs), &response, output);
  if (code == kExitOk && !request.validate_only()) {
    WarnWhereAnotherCounts(server, *price, response.price_version(), output);
  }
  return code;
}

}  // namespace bursar::cli
