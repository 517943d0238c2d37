#include "usage/quantities.h"

#include <numeric>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "status_macros.h"
#include "usage/field_error.h"
#include "usage/limits.h"

namespace bursar::usage {
namespace {

constexpr char kInput[] = "input_tokens";
constexpr char kOutput[] = "output_tokens";
constexpr char kCacheRead[] = "cache_read_tokens";
constexpr char kCacheWrite[] = "cache_write_tokens";
constexpr char kCacheWrite5m[] = "cache_write_5m_tokens";
constexpr char kCacheWrite1h[] = "cache_write_1h_tokens";

std::string InputOf(absl::string_view kind) { return absl::StrCat("input_", kind, "_tokens"); }
std::string CacheReadOf(absl::string_view kind) {
  return absl::StrCat("cache_", kind, "_read_tokens");
}
std::string OutputOf(absl::string_view kind) { return absl::StrCat("output_", kind, "_tokens"); }

// "audio" of "input_audio_tokens", with the text before and after it; empty if there is none.
absl::string_view KindIn(absl::string_view name, absl::string_view begin, absl::string_view end) {
  if (!absl::ConsumePrefix(&name, begin) || !absl::ConsumeSuffix(&name, end)) return {};
  return name;
}

// Text is what has no other kind; what tools put in is charged as what it is.
bool HasPrice(absl::string_view kind) {
  return kind != "text" && kind != "tool" && !absl::EndsWith(kind, "_tool");
}

// "web_searches" -> "web_search"
std::string Singular(absl::string_view plural) {
  if (absl::ConsumeSuffix(&plural, "ies")) return absl::StrCat(plural, "y");
  for (const char* end : {"ches", "shes", "sses", "xes"}) {
    if (absl::EndsWith(plural, end)) return std::string(plural.substr(0, plural.size() - 2));
  }
  if (!absl::EndsWith(plural, "ss")) absl::ConsumeSuffix(&plural, "s");
  return std::string(plural);
}

// Into the class of that name, or among the others.
void AddClass(absl::string_view name, int64_t count, TokenUsage& usage) {
  if (count == 0) return;
  for (int i = 0; i < kTokenClasses; ++i) {
    absl::string_view known = TokenClassName(static_cast<TokenClass>(i));
    if (absl::ConsumeSuffix(&known, "_tokens") && known == name) {
      usage.tokens[i] += count;
      return;
    }
  }
  usage.other_tokens[std::string(name)] += count;
}

}  // namespace

bool IsQuantity(absl::string_view name) {
  if (name.empty() || name.size() > 64) return false;
  if (name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_") != absl::string_view::npos) {
    return false;
  }
  if (!absl::EndsWith(name, "_tokens")) return absl::EndsWith(name, "s") && Singular(name) != "";
  for (const char* known :
       {kInput, kOutput, kCacheRead, kCacheWrite, kCacheWrite5m, kCacheWrite1h}) {
    if (name == known) return true;
  }
  return !KindIn(name, "input_", "_tokens").empty() ||
         !KindIn(name, "cache_", "_read_tokens").empty() ||
         !KindIn(name, "output_", "_tokens").empty();
}

std::string ClassOf(absl::string_view quantity) {
  if (!absl::EndsWith(quantity, "_tokens")) return Singular(quantity);
  if (quantity == kInput) return "uncached_input";
  if (quantity == kOutput) return "visible_output";
  if (quantity == kCacheWrite) return "cache_write_5m";
  for (const char* known : {kCacheRead, kCacheWrite5m, kCacheWrite1h}) {
    if (quantity == known) return std::string(absl::StripSuffix(quantity, "_tokens"));
  }
  absl::string_view kind = KindIn(quantity, "input_", "_tokens");
  if (!kind.empty() && HasPrice(kind)) return absl::StrCat("input_", kind);
  kind = KindIn(quantity, "cache_", "_read_tokens");
  if (!kind.empty() && HasPrice(kind)) return absl::StrCat("cache_read_", kind);
  kind = KindIn(quantity, "output_", "_tokens");
  if (kind.empty() || !HasPrice(kind)) return "";
  return kind == "reasoning" ? "reasoning" : absl::StrCat("output_", kind);
}

absl::Status Quantities::Add(absl::string_view name, absl::string_view field, int64_t count) {
  Quantity& quantity = quantities_[std::string(name)];
  quantity.count += count;
  absl::StrAppend(&quantity.fields, quantity.fields.empty() ? "" : " + ", field);
  if (quantity.count <= kTokensMax) return absl::OkStatus();
  return FieldError(quantity.fields,
                    absl::StrCat("is ", quantity.count, "; allowed are 0 to 10^12"));
}

int64_t Quantities::CountOf(absl::string_view name) const {
  const auto found = quantities_.find(std::string(name));
  return found == quantities_.end() ? 0 : found->second.count;
}

absl::StatusOr<int64_t> Quantities::Rest(const std::string& whole, int64_t parts_count,
                                         const std::vector<std::string>& parts) const {
  const auto found = quantities_.find(whole);
  if (found == quantities_.end()) return 0;
  const Quantity& quantity = found->second;
  if (parts_count <= quantity.count) return quantity.count - parts_count;
  std::vector<std::string> shown;
  for (const std::string& part : parts) {
    const auto said = quantities_.find(part);
    if (said == quantities_.end() || said->second.count == 0) continue;
    shown.push_back(absl::StrCat(said->second.fields, " (", said->second.count, ")"));
  }
  return FieldError(
      quantity.fields,
      absl::StrCat("is ", quantity.count, ", less than its parts: ", absl::StrJoin(shown, ", ")));
}

std::vector<std::string> Quantities::Kinds(absl::string_view begin, absl::string_view end) const {
  std::vector<std::string> kinds;
  for (const auto& [name, quantity] : quantities_) {
    const absl::string_view kind = KindIn(name, begin, end);
    if (!kind.empty() && HasPrice(kind)) kinds.emplace_back(kind);
  }
  return kinds;
}

absl::StatusOr<int64_t> Quantities::AddCacheRead(TokenUsage& usage) const {
  int64_t sum = 0;
  std::vector<std::string> parts;
  for (const std::string& kind : Kinds("cache_", "_read_tokens")) {
    parts.push_back(CacheReadOf(kind));
    sum += CountOf(parts.back());
    AddClass(ClassOf(parts.back()), CountOf(parts.back()), usage);
  }
  ASSIGN_OR_RETURN(const int64_t text, Rest(kCacheRead, sum, parts));
  usage[TokenClass::kCacheRead] = text;
  return sum + text;
}

absl::StatusOr<int64_t> Quantities::AddCacheWrite(TokenUsage& usage) const {
  const int64_t five_minutes = CountOf(kCacheWrite5m), hour = CountOf(kCacheWrite1h);
  ASSIGN_OR_RETURN(const int64_t rest,
                   Rest(kCacheWrite, five_minutes + hour, {kCacheWrite5m, kCacheWrite1h}));
  usage[TokenClass::kCacheWrite5m] = five_minutes + rest;  // five minutes unless it says more
  usage[TokenClass::kCacheWrite1h] = hour;
  return five_minutes + rest + hour;
}

absl::Status Quantities::AddInput(TokenUsage& usage) const {
  ASSIGN_OR_RETURN(const int64_t cache_read, AddCacheRead(usage));
  ASSIGN_OR_RETURN(const int64_t cache_write, AddCacheWrite(usage));
  int64_t sum = cache_read + cache_write;
  std::vector<std::string> parts = {kCacheRead, kCacheWrite, kCacheWrite5m, kCacheWrite1h};
  for (const std::string& kind : Kinds("input_", "_tokens")) {
    const std::string cached = CacheReadOf(kind);
    parts.push_back(InputOf(kind));
    ASSIGN_OR_RETURN(const int64_t uncached, Rest(parts.back(), CountOf(cached), {cached}));
    AddClass(ClassOf(parts.back()), uncached, usage);
    sum += uncached;
  }
  ASSIGN_OR_RETURN(usage[TokenClass::kUncachedInput], Rest(kInput, sum, parts));
  return absl::OkStatus();
}

absl::Status Quantities::AddOutput(TokenUsage& usage) const {
  int64_t sum = 0;
  std::vector<std::string> parts;
  for (const std::string& kind : Kinds("output_", "_tokens")) {
    parts.push_back(OutputOf(kind));
    sum += CountOf(parts.back());
    AddClass(ClassOf(parts.back()), CountOf(parts.back()), usage);
  }
  ASSIGN_OR_RETURN(usage[TokenClass::kVisibleOutput], Rest(kOutput, sum, parts));
  return absl::OkStatus();
}

absl::Status Quantities::CheckPartsWithoutPrice() const {
  for (const auto& [name, quantity] : quantities_) {
    for (const auto& [begin, end, whole] :
         {std::tuple("input_", "_tokens", kInput), std::tuple("cache_", "_read_tokens", kCacheRead),
          std::tuple("output_", "_tokens", kOutput)}) {
      const absl::string_view kind = KindIn(name, begin, end);
      if (kind.empty() || HasPrice(kind)) continue;
      RETURN_IF_ERROR(Rest(whole, quantity.count, {name}).status());
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<TokenUsage> Quantities::Disjoint() const {
  TokenUsage usage;
  RETURN_IF_ERROR(AddInput(usage));
  RETURN_IF_ERROR(AddOutput(usage));
  RETURN_IF_ERROR(CheckPartsWithoutPrice());
  for (const auto& [name, quantity] : quantities_) {
    if (absl::EndsWith(name, "_tokens") || quantity.count == 0) continue;
    usage.billed_units[ClassOf(name)] += quantity.count;
  }
  return usage;
}

}  // namespace bursar::usage
