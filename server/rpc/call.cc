#include "rpc/call.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "log.h"
#include "rpc/grpc_status.h"
#include "status_macros.h"
#include "usage/field_error.h"

namespace bursar::rpc {
namespace {

using access::Role;

constexpr absl::Duration kDeadlineDefault = absl::Seconds(10);
constexpr absl::Duration kDeadlineMax = absl::Seconds(60);

bool Allows(Role role, Need need) {
  if (role == Role::kAdmin || role == Role::kOperator) return true;
  switch (need) {
    case Need::kSpend:
      return role == Role::kAgent;
    case Need::kStatus:
      return true;
    case Need::kRead:
      return role == Role::kViewer;
    case Need::kAdminister:
      return false;
  }
  return false;
}

absl::Time DeadlineOf(const grpc::CallbackServerContext& context, absl::Time begin) {
  const absl::Time given = absl::FromChrono(context.deadline());
  if (given > begin + absl::Hours(24 * 365)) return begin + kDeadlineDefault;  // none was given
  return std::min(given, begin + kDeadlineMax);
}

}  // namespace

Call::Call(const Edge& edge, grpc::CallbackServerContext* context, const char* method)
    : edge_(edge),
      context_(context),
      reactor_(context->DefaultReactor()),
      method_(method),
      begin_(absl::Now()),
      deadline_(DeadlineOf(*context, begin_)) {}

std::shared_ptr<Call> Call::Begin(const Edge& edge, grpc::CallbackServerContext* context,
                                  const char* method, Need need) {
  auto call = std::make_shared<Call>(edge, context, method);
  if (absl::Status status = call->Authenticate(need); !status.ok()) call->Finish(status);
  return call;
}

absl::Status Call::Authenticate(Need need) {
  if (edge_.keys == nullptr) {
    caller_ = {"default", "", Role::kAdmin};
    return absl::OkStatus();
  }
  const auto& metadata = context_->client_metadata();
  const auto header = metadata.find("authorization");
  absl::string_view text;
  if (header != metadata.end()) text = {header->second.data(), header->second.size()};
  if (!absl::ConsumePrefix(&text, "Bearer ")) {
    return absl::UnauthenticatedError(
        "an API key is needed: send metadata `authorization: Bearer KEY`");
  }
  ASSIGN_OR_RETURN(caller_, edge_.keys->Authenticate(text));
  if (!Allows(caller_.role, need)) {
    return absl::PermissionDeniedError(
        absl::StrCat("the role of this API key may not call ", method_));
  }
  return absl::OkStatus();
}

absl::Status NotYet(absl::string_view method) {
  return absl::UnimplementedError(absl::StrCat(
      method, " is not implemented in this version of Bursar; a later one will have it"));
}

grpc::ServerUnaryReactor* Call::Finish(const absl::Status& status) {
  finished_ = true;
  const absl::Duration duration = absl::Now() - begin_;
  edge_.metrics->RpcFinished(method_, CodeName(status), duration);
  if (absl::IsInternal(status) || absl::IsUnknown(status)) {
    Log(LogLevel::kError, "rpc_failed",
        {{"method", std::string(method_)}, {"error", status.ToString()}});
  } else if (Logs(LogLevel::kDebug)) {
    Log(LogLevel::kDebug, "rpc_finished",
        {{"method", std::string(method_)},
         {"code", CodeName(status)},
         {"duration_us", absl::ToInt64Microseconds(duration)}});
  }
  reactor_->Finish(ToGrpcStatus(status));
  return reactor_;
}

}  // namespace bursar::rpc
