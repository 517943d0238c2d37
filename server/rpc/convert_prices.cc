#include <algorithm>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "rpc/convert.h"
#include "rpc/page_token.h"
#include "status_macros.h"
#include "usage/field_error.h"
#include "usage/limits.h"
#include "usage/validate.h"

namespace bursar::rpc {
namespace {

constexpr int kPageSizeDefault = 100, kPageSizeMax = 1000, kReprice = 1000;

using usage::NamePattern;
using usage::TokenClass;

void FillClasses(const pricing::Price& price, v1::Price& out) {
  auto rate = [&](TokenClass c) { return price.per_million[static_cast<int>(c)]; };
  if (auto r = rate(TokenClass::kUncachedInput)) out.set_input(*r);
  if (auto r = rate(TokenClass::kCacheRead)) out.set_cache_read(*r);
  if (auto r = rate(TokenClass::kCacheWrite5m)) out.set_cache_write_5m(*r);
  if (auto r = rate(TokenClass::kCacheWrite1h)) out.set_cache_write_1h(*r);
  if (auto r = rate(TokenClass::kVisibleOutput)) out.set_output(*r);
  if (auto r = rate(TokenClass::kReasoning)) out.set_reasoning(*r);
  if (auto r = rate(TokenClass::kInputAudio)) out.set_input_audio(*r);
  if (auto r = rate(TokenClass::kOutputAudio)) out.set_output_audio(*r);
  if (auto r = rate(TokenClass::kInputImage)) out.set_input_image(*r);
  if (auto r = rate(TokenClass::kOutputImage)) out.set_output_image(*r);
}

const char* MatchName(NamePattern::Kind kind) {
  switch (kind) {
    case NamePattern::Kind::kContains:
      return "contains";
    case NamePattern::Kind::kSuffix:
      return "suffix";
    case NamePattern::Kind::kRegex:
      return "regex";
    default:
      return "";
  }
}

std::string TimeOfDay(absl::Duration since_midnight) {
  const int64_t minutes = since_midnight / absl::Minutes(1);
  return absl::StrFormat("%02d:%02d", minutes / 60, minutes % 60);
}

ledger::Id QueryOf(absl::string_view tenant, const ledger::RepriceQuery& query) {
  ledger::IdHash hash("reprice_usage");
  hash.Add(tenant).Add(absl::ToUnixMicros(query.start)).Add(absl::ToUnixMicros(query.end));
  AddFilters(query.filters, hash);
  return hash.Finish();
}

ledger::Id QueryOf(absl::string_view tenant, const v1::ListPricesRequest& request) {
  ledger::IdHash hash("list_prices");
  hash.Add(tenant).Add(request.provider()).Add(request.model());
  hash.Add(request.as_of().seconds()).Add(int64_t{request.as_of().nanos()});
  return hash.Finish();
}

}  // namespace

absl::StatusOr<pricing::ReadDocument> ToPrices(const v1::ImportPricesRequest& request) {
  if (request.document().empty()) return usage::FieldError("document", "is missing");
  if (request.document().size() > usage::kPriceDocumentBytesMax) {
    return usage::FieldError(
        "document", absl::StrCat("has ", request.document().size(), " bytes; allowed are 16 MiB"));
  }
  auto read = pricing::ReadPrices(request.format(), request.document());
  if (!read.ok() && !usage::FieldOf(read.status())) {
    return usage::FieldError("document", read.status().message());
  }
  return read;
}

void ToProto(const pricing::Imported& imported, v1::ImportPricesResponse& response) {
  response.set_price_version(imported.version);
  response.set_added(imported.added);
  response.set_changed(imported.changed);
  response.set_unchanged(imported.unchanged);
  for (const auto& warning : imported.warnings) response.add_warnings(warning);
}

v1::Price ToProto(const pricing::Price& price) {
  v1::Price out;
  out.set_provider(price.provider);
  const bool prefix = price.model.kind() == NamePattern::Kind::kPrefix;
  out.set_model(prefix ? absl::StrCat(price.model.text(), "*") : price.model.text());
  out.set_match(MatchName(price.model.kind()));
  out.set_service_tier(price.service_tier);
  out.set_region(price.region);
  out.set_min_input_tokens(price.min_input_tokens);
  if (price.effective_time != absl::InfinitePast()) {
    *out.mutable_effective_time() = ToProto(price.effective_time);
  }
  if (price.daily) {
    out.set_daily_start_utc(TimeOfDay(price.daily->start));
    out.set_daily_end_utc(TimeOfDay(price.daily->end));
  }
  FillClasses(price, out);
  out.mutable_other()->insert(price.other.begin(), price.other.end());
  out.mutable_billed_units()->insert(price.billed_units.begin(), price.billed_units.end());
  out.set_max_output_tokens(price.max_output_tokens);
  out.set_same_as(price.same_as);
  out.set_source(price.source);
  return out;
}

absl::StatusOr<PriceListQuery> ToPriceListQuery(const v1::ListPricesRequest& request,
                                                absl::string_view tenant) {
  PriceListQuery query;
  RETURN_IF_ERROR(
      usage::ValidateText("provider", request.provider(), 0, usage::kDimensionBytesMax));
  RETURN_IF_ERROR(usage::ValidateText("model", request.model(), 0, usage::kDimensionBytesMax));
  if (request.has_as_of()) {
    ASSIGN_OR_RETURN(query.as_of, FromProto("as_of", request.as_of()));
  }
  ASSIGN_OR_RETURN(query.page_size,
                   PageSizeFrom(request.page_size(), kPageSizeDefault, kPageSizeMax));
  ASSIGN_OR_RETURN(const std::string place,
                   PlaceOf(request.page_token(), QueryOf(tenant, request)));
  const std::vector<std::string> words = absl::StrSplit(place, ' ');
  if (place.empty()) return query;
  if (words.size() != 2 || !absl::SimpleAtoi(words[1], &query.offset) || query.offset < 0) {
    return history::NoPageToken();
  }
  query.version = words[0];
  return query;
}

void ToProto(const v1::ListPricesRequest& request, absl::string_view tenant,
             const PriceListQuery& query, const pricing::PriceBook& book,
             v1::ListPricesResponse& response) {
  const auto rows = book.List({request.provider(), request.model(), query.as_of});
  const size_t end = std::min<size_t>(rows.size(), query.offset + query.page_size);
  for (size_t i = query.offset; i < end; ++i) *response.add_prices() = ToProto(*rows[i]->price);
  response.set_price_version(book.version());
  if (end < rows.size()) {
    response.set_next_page_token(
        PageToken(QueryOf(tenant, request), absl::StrCat(book.version(), " ", end)));
  }
}

absl::StatusOr<ledger::RepriceQuery> ToRepriceQuery(const v1::RepriceUsageRequest& request,
                                                    absl::string_view tenant) {
  ledger::RepriceQuery query;
  if (!request.has_start_time()) {
    return usage::FieldError("start_time", "is missing; say from when on records are priced again");
  }
  if (!request.has_end_time()) {
    return usage::FieldError("end_time", "is missing; say until when records are priced again");
  }
  ASSIGN_OR_RETURN(query.start, FromProto("start_time", request.start_time()));
  ASSIGN_OR_RETURN(query.end, FromProto("end_time", request.end_time()));
  if (query.end <= query.start) {
    return usage::FieldError("end_time", "must be after start_time");
  }
  ASSIGN_OR_RETURN(query.filters, FromProto(request.filters()));
  RETURN_IF_ERROR(history::ValidateRecordFilters(query.filters));
  for (const auto& filter : query.filters) {
    query.only_unpriced &= filter.dimension != "cost_basis";
  }
  ASSIGN_OR_RETURN(query.page_size, PageSizeFrom(request.page_size(), kReprice, kReprice));
  ASSIGN_OR_RETURN(query.after, TimePlaceOf(request.page_token(), QueryOf(tenant, query)));
  return query;
}

void ToProto(absl::string_view tenant, const ledger::RepriceQuery& query,
             const ledger::Repriced& repriced, v1::RepriceUsageResponse& response) {
  response.set_records(repriced.records);
  response.set_delta_nanousd(repriced.delta_nanousd);
  response.set_examined(repriced.examined);
  response.set_still_unpriced(repriced.still_unpriced);
  response.set_price_version(repriced.price_version);
  if (repriced.next) {
    response.set_next_page_token(PageToken(QueryOf(tenant, query), PlaceText(*repriced.next)));
  }
}

}  // namespace bursar::rpc
