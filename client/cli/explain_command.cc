#include "cli/explain_command.h"

#include <bursar/money.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "cli/call_filters.h"
#include "cli/pages.h"
#include "cli/period.h"
#include "cli/remedies.h"
#include "cli/render.h"
#include "cli/reservation_text.h"
#include "src/convert_types.h"
#include "src/text.h"

namespace bursar::cli {
namespace {

constexpr int64_t kEventRows = 1000;
constexpr int64_t kHoldRows = 1000;

// All that is known of one check.
struct Story {
  std::string id;
  v1::ListReservationsResponse reservations;  // at most one
  v1::ListCostEventsResponse events;
  v1::GetBudgetStatusResponse budgets;  // of its subject and model, now
  std::vector<std::string> remedies;

  bool admitted() const { return !reservations.reservations().empty(); }
  const v1::Reservation& reservation() const { return reservations.reservations(0); }
  // The last denial that is kept under the id.
  const v1::CostEvent* denial() const {
    for (int i = events.events_size() - 1; i >= 0; --i) {
      if (events.events(i).kind() == "DENIED") return &events.events(i);
    }
    return nullptr;
  }
};

// When the first of the holds that stand behind a full budget expires.
Status FindFirstHold(Server& server, const v1::BudgetStatus& status, DeniedCheck* check) {
  v1::ListReservationsRequest request;
  request.set_state(v1::Reservation::STATE_ACTIVE);
  AddFilter("budget", BudgetId(status.budget()), request.mutable_filters());
  for (const auto& [dimension, value] : status.group()) {
    AddFilter(dimension, value, request.mutable_filters());
  }
  v1::ListReservationsResponse holds;
  const Status called = ReadPages(server, &AdminStub::ListReservations, request, kHoldRows,
                                  &v1::ListReservationsResponse::reservations_size, &holds);
  for (const v1::Reservation& hold : holds.reservations()) {
    const absl::Time end = TimeOf(hold.expire_time());
    check->first_hold_expires = std::min(end, check->first_hold_expires.value_or(end));
  }
  return called;
}

Status FindWhetherFrozen(Server& server, DeniedCheck* check) {
  v1::GetBudgetRequest request;
  request.set_name(check->denial.status().budget());
  v1::GetBudgetResponse response;
  const Status status = server.Call(&AdminStub::GetBudget, request, &response);
  check->frozen = response.budget().state() == v1::Budget::STATE_FROZEN;
  return status.code() == StatusCode::kNotFound ? Status() : status;
}

Status FindRemedies(Server& server, Story* story) {
  const v1::CostEvent* denial = story->denial();
  if (story->admitted() || denial == nullptr) return {};
  DeniedCheck check{.denial = *denial,
                    .now = {story->budgets.budgets().begin(), story->budgets.budgets().end()}};
  const v1::BudgetStatus standing = Standing(check);
  if (denial->has_status() && standing.reserved() > 0) {
    if (Status status = FindFirstHold(server, standing, &check); !status.ok()) return status;
  }
  if (denial->reason() == "BUDGET_FROZEN") {
    if (Status status = FindWhetherFrozen(server, &check); !status.ok()) return status;
  }
  story->remedies = RemediesFor(check);
  return {};
}

StatusOr<Story> Tell(Server& server, const std::string& id) {
  Story story{.id = id};
  v1::ListReservationsRequest reservations;
  AddFilter("request_id", id, reservations.mutable_filters());
  Status status = ReadPages(server, &AdminStub::ListReservations, reservations, 1,
                            &v1::ListReservationsResponse::reservations_size, &story.reservations);
  if (!status.ok()) return status;
  v1::ListCostEventsRequest events;
  AddFilter("request_id", id, events.mutable_filters());
  status = ReadPages(server, &AdminStub::ListCostEvents, events, kEventRows,
                     &v1::ListCostEventsResponse::events_size, &story.events);
  if (!status.ok()) return status;

  v1::GetBudgetStatusRequest where;
  if (story.admitted()) {
    *where.mutable_subject() = story.reservation().subject();
    *where.mutable_model() = story.reservation().model();
  } else if (const v1::CostEvent* denial = story.denial()) {
    *where.mutable_subject() = denial->subject();
    *where.mutable_model() = denial->model();
  } else {
    return story;
  }
  status = server.Call(&TelemetryStub::GetBudgetStatus, where, &story.budgets);
  if (status.ok()) status = FindRemedies(server, &story);
  if (!status.ok()) return status;
  return story;
}

// What its state means, in a sentence.
std::string StateSentence(const v1::Reservation& reservation) {
  const std::string end = FormatSecond(TimeOf(reservation.expire_time()));
  switch (reservation.state()) {
    case v1::Reservation::STATE_ACTIVE:
      return "active: it holds until it is settled or released, at the latest until " + end;
    case v1::Reservation::STATE_SETTLED:
      return "settled: what was used is recorded and charged, and nothing is held";
    case v1::Reservation::STATE_RELEASED:
      return "released: the call was not made, and nothing is held";
    case v1::Reservation::STATE_EXPIRED:
      return "expired: nobody settled it until " + end + "; a late settlement is charged in full";
    default:
      return StateText(reservation.state());
  }
}

std::string HeldText(const v1::Reservation& reservation) {
  const int64_t tokens = reservation.reserved_tokens();
  return FormatUsd(reservation.reserved_nanousd()) +
         (tokens > 0 ? " and " + internal::FormatCount(tokens) + " tokens" : "");
}

void PrintAdmitted(const v1::Reservation& reservation, Output& output) {
  const int64_t output_tokens = reservation.max_output_tokens();
  PrintPairs({{"request", reservation.id()},
              {"decision", output.palette.Green("admitted")},
              {"when", FormatSecond(TimeOf(reservation.create_time()))},
              {"state", StateSentence(reservation)},
              {"held", HeldText(reservation)},
              {"observed",
               reservation.observed_nanousd() > 0 ? FormatUsd(reservation.observed_nanousd()) : ""},
              {"output covered",
               output_tokens > 0 ? internal::FormatCount(output_tokens) + " tokens" : ""},
              {"model", ModelText(reservation.model())},
              {"priced by", reservation.price_version()},
              {"who", SubjectText(reservation.subject())}},
             output);
}

void PrintDenied(const v1::CostEvent& denial, const Story& story, Output& output) {
  const bool alone = denial.count() <= 1;
  const Unit unit = static_cast<Unit>(denial.status().unit());
  PrintPairs({{"request", story.id},
              {"decision", output.palette.Red("denied")},
              {"when", FormatSecond(TimeOf(denial.event_time())) +
                           (alone ? ""
                                  : ", as one of " + internal::FormatCount(denial.count()) +
                                        " alike that are kept as one")},
              {"reason", denial.reason()},
              {"message", denial.message()},
              {"needed", denial.amount() > 0 ? FormatAmount(unit, denial.amount()) : ""},
              {"model", ModelText(denial.model())},
              {"who", SubjectText(denial.subject())}},
             output);
  output.out << "\n" << output.palette.Bold("What would let it through") << "\n";
  for (const std::string& remedy : story.remedies) output.out << "- " << remedy << "\n";
}

void Print(const Story& story, Output& output) {
  if (story.admitted()) {
    PrintAdmitted(story.reservation(), output);
  } else {
    PrintDenied(*story.denial(), story, output);
  }
  if (!story.budgets.budgets().empty()) {
    output.out
        << "\n"
        << output.palette.Bold("Where its budgets stand now") << "\n"
        << BudgetStatusTable(internal::FromProto(story.budgets.budgets())).Render(output.palette);
  }
  if (story.events.events_size() > (story.admitted() ? 0 : 1)) {
    output.out << "\n"
               << output.palette.Bold("What else is kept of it") << "\n"
               << EventTable(story.events.events()).Render(output.palette);
  }
}

int PrintJson(const Story& story, Output& output) {
  using Json = nlohmann::ordered_json;
  const auto list = [](const google::protobuf::Message& response, const char* key) {
    const auto text = JsonText(response);
    return text.ok() ? Json::parse(*text).at(key) : Json();
  };
  const Json reservations = list(story.reservations, "reservations");
  const Json document = {{"requestId", story.id},
                         {"decision", story.admitted() ? "ADMITTED" : "DENIED"},
                         {"reservation", story.admitted() ? reservations[0] : Json()},
                         {"events", list(story.events, "events")},
                         {"budgets", list(story.budgets, "budgets")},
                         {"remedies", story.remedies}};
  output.out << document.dump(1) << "\n";
  return kExitOk;
}

}  // namespace

ExplainCommand::ExplainCommand(CLI::App& parent) {
  app_ = parent.add_subcommand("explain", "Say what became of a check, and what would change it");
  app_->add_option("id", id_, "the check's request_id")->type_name("");
}

int ExplainCommand::Run(Server& server, Output& output) {
  if (id_.empty()) {
    return FailUsage(
        {StatusCode::kInvalidArgument, "which check? `bursar explain REQUEST_ID` would be right"},
        output);
  }
  const auto story = Tell(server, id_);
  if (!story.ok()) return Fail(story.status(), server, output);
  if (!story->admitted() && story->denial() == nullptr) {
    output.err
        << "bursar: nothing is kept under the request id \"" << id_
        << "\": it was never asked, was a dry run, is older than what is kept, or was denied "
           "and is not among the denials that are kept, of which many alike are one; `bursar "
           "events --kind denied` shows those\n";
    return kExitFailed;
  }
  if (output.json) return PrintJson(*story, output);
  Print(*story, output);
  return kExitOk;
}

}  // namespace bursar::cli
