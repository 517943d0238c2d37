#include "cli/reservation_text.h"

#include "cli/parse.h"
#include "cli/period.h"
#include "cli/render.h"
#include "src/text.h"

namespace bursar::cli {
namespace {

Emphasis EmphasisOf(const v1::CostEvent& event) {
  if (event.kind() == "DENIED") return Emphasis::kAlarm;
  return event.kind() == "THRESHOLD_CROSSED" ? Emphasis::kWarning : Emphasis::kNone;
}

// An event without a status speaks of money.
std::string AmountText(const v1::CostEvent& event) {
  if (event.amount() == 0) return "";
  const bool cost = !event.has_status() || event.status().unit() == v1::UNIT_UNSPECIFIED;
  return FormatAmount(cost ? Unit::kCost : static_cast<Unit>(event.status().unit()),
                      event.amount());
}

}  // namespace

std::string StateText(v1::Reservation::State state) {
  return Lower(v1::Reservation::State_Name(state).substr(sizeof("STATE_") - 1));
}

std::string KindText(const std::string& kind) {
  std::string text = Lower(kind);
  for (char& c : text) c = c == '_' ? '-' : c;
  return text;
}

Table EventTable(const google::protobuf::RepeatedPtrField<v1::CostEvent>& events) {
  Table table({{"TIME"},
               {"KIND"},
               {"COUNT", Align::kRight},
               {"AMOUNT", Align::kRight},
               {"REQUEST"},
               {"MESSAGE"}});
  for (const v1::CostEvent& event : events) {
    table.AddRow({FormatSecond(TimeOf(event.event_time())), KindText(event.kind()),
                  internal::FormatCount(event.count()), AmountText(event), event.request_id(),
                  event.message().empty() ? event.reason() : event.message()},
                 EmphasisOf(event));
  }
  return table;
}

}  // namespace bursar::cli
