#include "pricing/price_books.h"

#include <algorithm>

#include "absl/random/distributions.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "pricing/price_list.h"
#include "status_macros.h"
#include "usage/field_error.h"

namespace bursar::pricing {
namespace {

constexpr absl::string_view kOperator = "";
constexpr absl::string_view kBuiltIn =
    "default-";  // what the built-in document's version begins with
constexpr size_t kListsMax = 64;
constexpr int kAttemptsMax = 40;  // imports are rare: better late than given up
constexpr size_t kJumpsShown = 3;

std::string VersionText(int64_t operators, int64_t own) {
  return own == 0 ? absl::StrCat(operators) : absl::StrCat(operators, "+", own);
}

// "3+2" -> 3, 2. False: no version.
bool ParseVersion(absl::string_view text, int64_t& operators, int64_t& own) {
  const std::pair<absl::string_view, absl::string_view> parts =
      absl::StrSplit(text, absl::MaxSplits('+', 1));
  own = 0;
  return absl::SimpleAtoi(parts.first, &operators) &&
         (parts.second.empty() || absl::SimpleAtoi(parts.second, &own));
}

int64_t At(const VersionHistory& history, absl::Time time) {
  int64_t version = history.empty() ? 0 : history.front().second;
  for (const auto& [since, number] : history) {
    if (since <= time) version = number;
  }
  return version;
}

absl::Status Jumps(const std::vector<std::string>& jumps) {
  const std::vector<std::string> shown(jumps.begin(),
                                       jumps.begin() + std::min(kJumpsShown, jumps.size()));
  std::string more;
  if (jumps.size() > kJumpsShown) more = absl::StrCat(" and ", jumps.size() - kJumpsShown, " more");
  return usage::WithReason(
      absl::FailedPreconditionError(
          absl::StrCat("prices move by more than ten times: ", absl::StrJoin(shown, "; "), more,
                       "; nothing was imported; if this is right, import with accept_jumps")),
      "PRICE_JUMP");
}

}  // namespace

std::string TenantPrices::VersionAt(absl::Time time) const {
  const int64_t operators_then = At(operators, time);
  // Prices of its own counted from the first of them on, not before.
  const bool had_own = !own.empty() && own.front().first <= time;
  return VersionText(operators_then, had_own ? At(own, time) : 0);
}

bool TenantPrices::IsNewestAt(absl::Time time) const {
  auto begun = [&](const VersionHistory& history) {
    return history.empty() || history.back().first <= time;
  };
  if (begun(operators) && begun(own)) return true;
  return operators.size() == 1 && own.empty();  // there was never another
}

absl::Status PriceBooks::Open() {
  RETURN_IF_ERROR(Refresh());
  ASSIGN_OR_RETURN(const auto default_list, PriceList::Default());
  const PriceDocument& built_in = default_list->document();
  for (int attempt = 0; attempt < kAttemptsMax; ++attempt) {
    const int64_t newest = Newest(kOperator);
    if (newest > 0) {
      ASSIGN_OR_RETURN(const PriceDocument kept, Document(kOperator, newest));
      const bool older_built_in =
          absl::StartsWith(kept.version, kBuiltIn) && kept.version < built_in.version;
      if (!older_built_in) return absl::OkStatus();
    }
    const auto added = AddVersion(kOperator, newest, built_in);
    if (!absl::IsAborted(added.status())) return added.status();
    RETURN_IF_ERROR(Refresh());  // another replica was faster
  }
  return absl::UnavailableError("the built-in prices could not be kept; start again");
}

absl::Status PriceBooks::Refresh() {
  absl::MutexLock one_at_a_time(&refreshing_);
  ASSIGN_OR_RETURN(const auto versions, store_.ListVersions());
  auto known = std::make_shared<Known>();
  for (const PriceVersion& version : versions) {
    known->histories[version.owner].emplace_back(version.create_time, version.version);
  }
  {
    absl::MutexLock lock(&mutex_);
    if (known->histories == known_->histories && known_->operators != nullptr) {
      return absl::OkStatus();
    }
  }
  const VersionHistory operators = known->histories[std::string(kOperator)];
  const int64_t newest = operators.empty() ? 0 : operators.back().second;
  for (const auto& [owner, own] : known->histories) {
    const int64_t newest_own = owner == kOperator || own.empty() ? 0 : own.back().second;
    ASSIGN_OR_RETURN(auto book, Book(owner, newest, newest_own));
    auto prices = std::make_shared<TenantPrices>(
        TenantPrices{std::move(book), operators, newest_own > 0 ? own : VersionHistory{}});
    if (owner == kOperator) {
      known->operators = std::move(prices);
    } else {
      known->tenants[owner] = std::move(prices);
    }
  }
  absl::MutexLock lock(&mutex_);
  known_ = std::move(known);
  return absl::OkStatus();
}

std::shared_ptr<const TenantPrices> PriceBooks::Of(absl::string_view tenant) const {
  absl::ReaderMutexLock lock(&mutex_);
  const auto own = known_->tenants.find(tenant);
  return own != known_->tenants.end() ? own->second : known_->operators;
}

int64_t PriceBooks::Newest(absl::string_view owner) const {
  absl::ReaderMutexLock lock(&mutex_);
  const auto history = known_->histories.find(owner);
  const bool none = history == known_->histories.end() || history->second.empty();
  return none ? 0 : history->second.back().second;
}

absl::StatusOr<PriceDocument> PriceBooks::Document(absl::string_view owner, int64_t version) {
  if (version == 0) return PriceDocument{};
  ASSIGN_OR_RETURN(const std::string text, store_.ReadDocument(owner, version));
  ASSIGN_OR_RETURN(ReadDocument read, ReadPrices("bursar", text));
  return std::move(read.document);
}

absl::StatusOr<std::shared_ptr<const PriceList>> PriceBooks::List(absl::string_view owner,
                                                                  int64_t version) {
  const ListKey key{owner, version};
  {
    absl::MutexLock lock(&mutex_);
    if (auto read = lists_.find(key); read != lists_.end()) return read->second;
  }
  ASSIGN_OR_RETURN(PriceDocument document, Document(owner, version));
  ASSIGN_OR_RETURN(auto list, PriceList::Make(std::move(document)));
  absl::MutexLock lock(&mutex_);
  if (lists_.size() >= kListsMax) lists_.clear();  // who uses one keeps it
  return lists_.emplace(key, std::move(list)).first->second;
}

absl::StatusOr<std::shared_ptr<const PriceBook>> PriceBooks::Book(absl::string_view owner,
                                                                  int64_t operators, int64_t own) {
  ASSIGN_OR_RETURN(auto base, List(kOperator, operators));
  std::shared_ptr<const PriceList> over;
  if (own > 0) {
    ASSIGN_OR_RETURN(over, List(owner, own));
  }
  return std::make_shared<const PriceBook>(VersionText(operators, own), std::move(base),
                                           std::move(over));
}

absl::StatusOr<std::shared_ptr<const PriceBook>> PriceBooks::Version(absl::string_view tenant,
                                                                     absl::string_view version) {
  int64_t operators = 0, own = 0;
  const auto newest = Of(tenant);
  if (!ParseVersion(version, operators, own)) return newest->newest;
  auto book = Book(tenant, operators, own);
  if (absl::IsNotFound(book.status())) return newest->newest;
  return book;
}

absl::StatusOr<int64_t> PriceBooks::AddVersion(absl::string_view owner, int64_t newest,
                                               const PriceDocument& document) {
  ASSIGN_OR_RETURN(const PriceVersion added, store_.Append(owner, newest, WritePrices(document)));
  RETURN_IF_ERROR(Refresh());
  return added.version;
}

absl::StatusOr<Imported> PriceBooks::Import(absl::string_view owner, ReadDocument news,
                                            const ImportOptions& options) {
  absl::MutexLock one_at_a_time(&importing_);
  for (int attempt = 0; attempt < kAttemptsMax; ++attempt) {
    RETURN_IF_ERROR(Refresh());
    const int64_t newest = Newest(owner);
    ASSIGN_OR_RETURN(const PriceDocument kept, Document(owner, newest));
    MergedPrices merged = Merge(kept, news.document, options.replace);
    std::vector<std::string> jumps = merged.jumps;
    if (owner != kOperator) {  // the first price of its own may jump from the operator's
      ASSIGN_OR_RETURN(const PriceDocument below, Document(kOperator, Newest(kOperator)));
      jumps = Merge(Merge(below, kept, false).document, news.document, false).jumps;
    }
    if (!jumps.empty() && !options.accept_jumps) return Jumps(jumps);
    RETURN_IF_ERROR(PriceList::Make(merged.document).status());
    Imported imported{.added = merged.added,
                      .changed = merged.changed,
                      .unchanged = merged.unchanged,
                      .warnings = news.warnings};
    imported.warnings.insert(imported.warnings.end(), jumps.begin(), jumps.end());
    const bool same = WritePrices(merged.document) == WritePrices(kept);
    if (!options.validate_only && !same) {
      const auto added = AddVersion(owner, newest, merged.document);
      if (absl::IsAborted(added.status())) {  // another replica was faster: merge with theirs
        absl::SleepFor(absl::Milliseconds(absl::Uniform(random_, 1, 20 << std::min(attempt, 4))));
        continue;
      }
      RETURN_IF_ERROR(added.status());
    }
    imported.version = Of(owner)->newest->version();
    return imported;
  }
  return absl::UnavailableError("others import prices all the time; try again");
}

}  // namespace bursar::pricing
