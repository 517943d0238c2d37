#include "postgres/pg_export_rollups.h"

#include <algorithm>
#include <optional>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "history/rollup.h"
#include "postgres/cost_sql.h"
#include "postgres/export_page_writer.h"
#include "postgres/rollup_columns.h"
#include "postgres/timestamp.h"
#include "status_macros.h"

namespace bursar::postgres {
namespace {

using history::ExportPage;
using history::ExportQuery;
using history::Family;
using history::Grain;

// Of the families that history/rollup.h numbers, those that are kept by the day; the export's names
// for them.
constexpr absl::string_view kFamilyNames[] = {"",     "model",   "user",      "step",
                                              "work", "outcome", "user_model"};
constexpr int kFamilies = 6;

// Where a page ended: in a family of a day, after so many of its rows.
struct Place {
  absl::Time as_of;
  std::string view;
  absl::Time day;
  int family = 1;
  int64_t offset = 0;
};

std::string PlaceText(const Place& place) {
  return absl::StrCat(absl::ToUnixMicros(place.as_of), "|", absl::ToUnixMicros(place.day), "|",
                      place.family, "|", place.offset, "|", place.view);
}

absl::StatusOr<std::optional<Place>> ReadPlace(absl::string_view text) {
  if (text.empty()) return std::nullopt;
  const std::vector<absl::string_view> parts = absl::StrSplit(text, '|');
  Place place;
  if (parts.size() != 5 || !ReadMicros(parts[0], place.as_of) || !ReadMicros(parts[1], place.day) ||
      !absl::SimpleAtoi(parts[2], &place.family) || !absl::SimpleAtoi(parts[3], &place.offset) ||
      place.family < 1 || place.family > kFamilies || place.offset < 0) {
    return history::NoCursor();
  }
  place.view = std::string(parts[4]);
  return place;
}

absl::Time DayOf(absl::Time time) {
  return absl::FromCivil(absl::ToCivilDay(time, absl::UTCTimeZone()), absl::UTCTimeZone());
}

// The columns that a family's answer has for the export's.
enum Source { kNothing = -1, kDay = -2, kFamily = -3 };
std::vector<int> SourcesOf(const ExportQuery& query, const Family& family) {
  const int groups = static_cast<int>(family.dimensions.size());
  std::vector<int> sources;
  for (const auto& column : query.columns) {
    const std::string name = column.name == "cost_usd" ? "cost_nanousd" : column.name;
    int source = name == "day" ? kDay : name == "family" ? kFamily : kNothing;
    for (int i = 0; i < groups; ++i) {
      if (family.dimensions[i] == name) source = 1 + i;
    }
    const auto sum = std::find(std::begin(kRollupSums), std::end(kRollupSums), name);
    if (sum != std::end(kRollupSums)) {
      source = 1 + groups + static_cast<int>(sum - std::begin(kRollupSums));
    }
    sources.push_back(source);
  }
  return sources;
}

class RollupReader {
 public:
  RollupReader(Session& session, absl::string_view tenant, const ExportQuery& query)
      : session_(session), tenant_(tenant), query_(query) {}

  absl::StatusOr<ExportPage> Read(const std::optional<Place>& after) {
    std::vector<Statement> begin;
    begin.push_back({"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", {}});
    begin.push_back({"SELECT now(), pg_current_snapshot()", {}});
    begin.push_back({kUnmerged, Params().Text(tenant_)});
    ASSIGN_OR_RETURN(const auto results, session_.Pipeline(std::move(begin)));
    place_ = after.value_or(Place{.as_of = results[1].Time(0, 0),
                                  .view = std::string(results[1].Text(0, 1)),
                                  .day = DayOf(query_.start)});
    later_ = after.has_value();
    unmerged_ = UnmergedOf(results[2]);
    end_ = query_.end == absl::InfiniteFuture() ? place_.as_of : query_.end;
    const absl::Time give_up = absl::Now() + kExportPageTime;
    ExportPageWriter writer(query_, !after);
    while (place_.day < end_ && !writer.full() && absl::Now() < give_up) {
      RETURN_IF_ERROR(ReadFamily(writer));
    }
    RETURN_IF_ERROR(session_.Execute("COMMIT").status());
    ExportPage page = writer.Take();
    if (place_.day < end_) page.next = PlaceText(place_);
    return page;
  }

 private:
  // One family of one day, as far as the page has room, and on to what comes next.
  absl::Status ReadFamily(ExportPageWriter& writer) {
    const Family& family = history::Families()[place_.family - 1];
    const absl::Time next_day = place_.day + absl::Hours(24);
    history::CostQuery day{.start = std::max(query_.start, place_.day),
                           .end = std::min(end_, next_day),
                           .group_by = {family.dimensions.begin(), family.dimensions.end()},
                           .order_by = "bucket",
                           .descending = false};
    if (later_) {
      day.as_of = place_.as_of;
      day.view = place_.view;
    }
    const absl::Time starts[] = {day.start};
    CostSql sql(tenant_, day, {day.start, day.end, day.end}, starts, /*grouped=*/true, unmerged_);
    const auto wanted = static_cast<int>(writer.rows_left());
    const std::string text = sql.Rows(wanted, place_.offset);
    std::vector<Statement> statements;
    statements.push_back({text.c_str(), sql.TakeParams(), /*once=*/true});
    ASSIGN_OR_RETURN(const auto results, session_.Pipeline(std::move(statements)));
    const int taken = AddRows(results[0], family, writer);
    place_.offset += taken;
    if (taken == wanted || taken < results[0].size()) return absl::OkStatus();
    // A day without a row of one family has none of the others.
    const bool empty = place_.offset == 0;
    place_.offset = 0;
    if (!empty && ++place_.family <= kFamilies) return absl::OkStatus();
    place_.family = 1;
    place_.day = next_day;
    return absl::OkStatus();
  }

  int AddRows(const Rows& rows, const Family& family, ExportPageWriter& writer) const {
    const std::vector<int> sources = SourcesOf(query_, family);
    const std::string day = FormatTimestamp(place_.day);
    const auto cost = std::find(std::begin(kRollupSums), std::end(kRollupSums), "cost_nanousd");
    const int cost_column =
        1 + static_cast<int>(family.dimensions.size() + (cost - std::begin(kRollupSums)));
    int row = 0;
    for (; row < rows.size() && !writer.full(); ++row) {
      for (const int source : sources) {
        if (source >= 0) {
          writer.AddCell(rows.Text(row, source));
        } else {
          writer.AddCell(source == kDay      ? absl::string_view(day)
                         : source == kFamily ? kFamilyNames[place_.family]
                                             : absl::string_view());
        }
      }
      writer.EndRow(rows.Int(row, cost_column));
    }
    return row;
  }

  Session& session_;
  const absl::string_view tenant_;
  const ExportQuery& query_;
  Place place_;
  bool later_ = false;  // not the first page
  absl::Time end_;
  std::vector<absl::Time> unmerged_;  // of this snapshot
};

}  // namespace

absl::StatusOr<ExportPage> ExportRollups(Session& session, absl::string_view tenant,
                                         const ExportQuery& query) {
  ASSIGN_OR_RETURN(const auto after, ReadPlace(query.after));
  auto page = RollupReader(session, tenant, query).Read(after);
  if (SqlState(page.status()) == "22P02") return history::NoCursor();  // the view is none
  return page;
}

}  // namespace bursar::postgres
