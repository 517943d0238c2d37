#include "cli/holds_command.h"

#include <bursar/money.h>

#include "cli/pages.h"
#include "cli/parse.h"
#include "cli/period.h"
#include "cli/reservation_text.h"
#include "src/text.h"

namespace bursar::cli {
namespace {

Choices<v1::Reservation::State> States() {
  return {{"active", v1::Reservation::STATE_ACTIVE},
          {"settled", v1::Reservation::STATE_SETTLED},
          {"released", v1::Reservation::STATE_RELEASED},
          {"expired", v1::Reservation::STATE_EXPIRED},
          {"all", v1::Reservation::STATE_UNSPECIFIED}};
}

Table ReservationTable(const v1::ListReservationsResponse& response) {
  Table table({{"REQUEST"},
               {"STATE"},
               {"HELD", Align::kPoint},
               {"TOKENS", Align::kRight},
               {"SINCE"},
               {"EXPIRES"},
               {"MODEL"},
               {"WHO"}});
  for (const v1::Reservation& r : response.reservations()) {
    table.AddRow({r.id(), StateText(r.state()), FormatUsd(r.reserved_nanousd()),
                  internal::FormatCount(r.reserved_tokens()), FormatSecond(TimeOf(r.create_time())),
                  FormatSecond(TimeOf(r.expire_time())), ModelText(r.model()),
                  SubjectText(r.subject())});
  }
  return table;
}

}  // namespace

HoldsCommand::HoldsCommand(CLI::App& parent) {
  app_ = parent.add_subcommand("holds", "Show which calls hold how much, oldest first");
  filters_.AddTo(*app_);
  AddChoiceFlag(*app_, "--state", "active (default), settled, released, expired or all", States(),
                [this](v1::Reservation::State state) { state_ = state; });
  AddParsedFlag(*app_, "--limit", "N", "rows at most, up to 10000; default: 100", ParseRows,
                [this](int32_t rows) { limit_ = rows; });
}

StatusOr<v1::ListReservationsRequest> HoldsCommand::Request() const {
  const bool may_hold =
      state_ == v1::Reservation::STATE_ACTIVE || state_ == v1::Reservation::STATE_UNSPECIFIED;
  if (!filters_.budget.empty() && !may_hold) {
    return Status(StatusCode::kInvalidArgument,
                  "--budget shows who holds there now, and what is " + StateText(state_) +
                      " holds nothing; --state active would be right");
  }
  v1::ListReservationsRequest request;
  filters_.FillInto(request.mutable_filters());
  request.set_state(state_);
  return request;
}

int HoldsCommand::Run(Server& server, Output& output) {
  const auto request = Request();
  if (!request.ok()) return FailUsage(request.status(), output);
  v1::ListReservationsResponse all;
  const Status status = ReadPages(server, &AdminStub::ListReservations, *request, limit_,
                                  &v1::ListReservationsResponse::reservations_size, &all);
  if (!status.ok()) return Fail(status, server, output);
  if (output.json) return PrintJson(all, output);
  if (all.reservations().empty()) {
    output.out << "no such reservation\n";
  } else {
    output.out << ReservationTable(all).Render(output.palette);
  }
  if (!all.next_page_token().empty()) output.out << kMoreRows;
  return kExitOk;
}

}  // namespace bursar::cli
