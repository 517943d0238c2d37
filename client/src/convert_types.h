#pragma once

#include <bursar/types.h>

#include <chrono>
#include <vector>

#include "bursar/v1/types.pb.h"

// Between the public types and the protos. Enums have the same numbers on both sides.
namespace bursar::internal {

void ToProto(Timestamp time, google::protobuf::Timestamp* out);
void ToProto(std::chrono::nanoseconds duration, google::protobuf::Duration* out);
void ToProto(const Subject& subject, v1::Subject* out);
void ToProto(const Model& model, v1::Model* out);
void ToProto(const TokenUsage& tokens, v1::TokenUsage* out);
void ToProto(const CallError& error, v1::CallError* out);
void ToProto(const TraceIds& trace, v1::TraceContext* out);
void ToProto(const Filter& filter, v1::Filter* out);

Timestamp FromProto(const google::protobuf::Timestamp& time);
std::chrono::nanoseconds FromProto(const google::protobuf::Duration& duration);
Subject FromProto(const v1::Subject& subject);
Model FromProto(const v1::Model& model);
TokenUsage FromProto(const v1::TokenUsage& tokens);
BudgetStatus FromProto(const v1::BudgetStatus& status);
Reservation FromProto(const v1::Reservation& reservation);
std::vector<BudgetStatus> FromProto(
    const google::protobuf::RepeatedPtrField<v1::BudgetStatus>& statuses);

}  // namespace bursar::internal
