#include "cli/prices_document.h"

#include <bursar/money.h>

#include <nlohmann/json.hpp>

#include "cli/period.h"
#include "cli/prices_text.h"

namespace bursar::cli {
namespace {

using Json = nlohmann::ordered_json;

// Reads until a format has shown itself, which is soon: documents have up to 16 MiB.
class FormatSigns final : public nlohmann::json_sax<Json> {
 public:
  const std::string& format() const { return format_; }
  bool failed() const { return failed_; }

  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(int64_t) override { return true; }
  bool number_unsigned(uint64_t) override { return true; }
  bool number_float(double, const std::string&) override { return true; }
  bool string(std::string&) override { return true; }
  bool binary(Json::binary_t&) override { return true; }
  bool start_object(size_t) override {
    ++depth_;
    return true;
  }
  bool end_object() override {
    --depth_;
    return true;
  }
  bool start_array(size_t) override {
    if (depth_ == 0) list_ = true;
    if (depth_ == 1 && !list_ && key_ == "prices") format_ = "bursar";
    ++depth_;
    return format_.empty();
  }
  bool end_array() override {
    --depth_;
    return true;
  }
  bool key(std::string& name) override {
    key_ = name;
    if (depth_ == 2 && list_ && name == "models") format_ = "genai-prices";
    if (depth_ == 2 && !list_ && (name == "litellm_provider" || name == "input_cost_per_token")) {
      format_ = "litellm";
    }
    return format_.empty();
  }
  bool parse_error(size_t, const std::string&, const nlohmann::detail::exception&) override {
    failed_ = true;
    return false;
  }

 private:
  int depth_ = 0;      // of objects and lists that are open
  bool list_ = false;  // the whole document is one
  std::string key_;
  std::string format_;
  bool failed_ = false;
};

// "2.5" as "2.50": exact, and never through a floating-point number.
std::string DecimalText(int64_t nanousd) { return FormatUsd(nanousd).substr(1); }

template <typename Map>
Json Amounts(const Map& map) {
  Json amounts = Json::object();
  for (const auto& [name, nanousd] : map) amounts[name] = DecimalText(nanousd);
  return amounts;
}

}  // namespace

StatusOr<std::string> GuessPriceFormat(const std::string& document) {
  FormatSigns signs;
  Json::sax_parse(document, &signs);
  if (!signs.format().empty()) return signs.format();
  if (signs.failed()) {
    return Status(StatusCode::kInvalidArgument, "is no JSON document of prices");
  }
  return Status(StatusCode::kInvalidArgument,
                "does not show in which format it is; --format genai-prices, litellm or bursar "
                "would be right");
}

StatusOr<std::string> PriceDocument(const v1::Price& price) {
  Json row = {{"provider", price.provider()}, {"model", price.model()}};
  const auto set_text = [&row](const char* key, const std::string& text) {
    if (!text.empty()) row[key] = text;
  };
  set_text("match", price.match());
  set_text("service_tier", price.service_tier());
  set_text("region", price.region());
  if (price.min_input_tokens() > 0) row["min_input_tokens"] = price.min_input_tokens();
  if (price.has_effective_time()) {
    row["effective_time"] =
        absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", TimeOf(price.effective_time()), absl::UTCTimeZone());
  }
  set_text("daily_start_utc", price.daily_start_utc());
  set_text("daily_end_utc", price.daily_end_utc());
  for (const PriceClass& c : PriceClasses()) {
    if ((price.*c.has)()) row[c.name] = DecimalText((price.*c.get)());
  }
  if (!price.other().empty()) row["other"] = Amounts(price.other());
  if (!price.billed_units().empty()) row["billed_units"] = Amounts(price.billed_units());
  if (price.max_output_tokens() > 0) row["max_output_tokens"] = price.max_output_tokens();
  set_text("same_as", price.same_as());
  set_text("source", price.source());
  const Json document = {{"prices", Json::array({std::move(row)})}};
  try {
    return document.dump(1) + "\n";
  } catch (const Json::type_error&) {
    return Status(StatusCode::kInvalidArgument, "a name is no UTF-8; JSON has no other");
  }
}

}  // namespace bursar::cli
