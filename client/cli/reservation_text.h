#pragma once

#include <string>

#include "bursar/v1/admin_service.pb.h"
#include "cli/table.h"

// Reservations and events, as people read them.
namespace bursar::cli {

// "active", "settled", "released", "expired".
std::string StateText(v1::Reservation::State state);

// "denied" of DENIED, "threshold-crossed" of THRESHOLD_CROSSED: as --kind takes it.
std::string KindText(const std::string& kind);

Table EventTable(const google::protobuf::RepeatedPtrField<v1::CostEvent>& events);

}  // namespace bursar::cli
