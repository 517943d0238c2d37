#include "bench/noop_server.h"

#include <fcntl.h>
#include <grpcpp/grpcpp.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <iostream>

#include "bursar/v1/telemetry_service.grpc.pb.h"

namespace bursar::bench {
namespace {

namespace v1 = bursar::v1;

// As large as what bursar-server answers to a check of three budgets.
v1::CheckBudgetResponse TypicalAnswer(int budgets) {
  v1::CheckBudgetResponse answer;
  answer.set_decision(v1::DECISION_ALLOW);
  auto* reservation = answer.mutable_reservation();
  reservation->set_id("b8a0f0c2-0000-4000-8000-000000000000");
  reservation->set_state(v1::Reservation::STATE_ACTIVE);
  reservation->mutable_subject()->set_run("run-1234567");
  reservation->mutable_subject()->set_root_run("run-1234567");
  reservation->mutable_subject()->set_user("user-123");
  reservation->mutable_model()->set_provider("openai");
  reservation->mutable_model()->set_name("gpt-4o");
  reservation->set_reserved_nanousd(1'000'000);
  reservation->mutable_create_time()->set_seconds(1'800'000'000);
  reservation->mutable_expire_time()->set_seconds(1'800'000'300);
  reservation->mutable_remaining_ttl()->set_seconds(300);
  reservation->set_price_version("default-2026-08-21");
  for (int i = 0; i < budgets; ++i) {
    auto* status = answer.add_budgets();
    status->set_budget("budgets/user-day");
    status->set_display_name("Each user, each day");
    (*status->mutable_group())["user"] = "user-123";
    status->set_limit(1'000'000'000'000);
    status->set_spent(1'000'000'000);
    status->set_reserved(1'000'000'000);
    status->set_remaining(998'000'000'000);
    status->set_used_fraction(0.002);
    status->mutable_window_start_time()->set_seconds(1'800'000'000);
    status->mutable_window_end_time()->set_seconds(1'800'086'400);
    status->mutable_counted_since_time()->set_seconds(1'800'000'000);
  }
  answer.set_binding_budget("budgets/user-day");
  answer.set_estimated_nanousd(1'000'000);
  return answer;
}

class NoopService final : public v1::TelemetryService::CallbackService {
 public:
  explicit NoopService(int budgets) : answer_(TypicalAnswer(budgets)) {}

  grpc::ServerUnaryReactor* CheckBudget(grpc::CallbackServerContext* context,
                                        const v1::CheckBudgetRequest*,
                                        v1::CheckBudgetResponse* response) override {
    *response = answer_;
    auto* reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }

 private:
  const v1::CheckBudgetResponse answer_;
};

}  // namespace

int RunNoopServer(int budgets_per_answer) {
  NoopService service(budgets_per_answer);
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(&service);
  const auto server = builder.BuildAndStart();
  if (server == nullptr) return 1;
  std::cout << "127.0.0.1:" << port << std::endl;
  while (std::cin.get() != EOF) {
  }
  server->Shutdown();
  return 0;
}

NoopServer::NoopServer(int budgets_per_answer) {
  int input[2], output[2];
  if (pipe2(input, O_CLOEXEC) != 0 || pipe2(output, O_CLOEXEC) != 0) std::abort();
  const std::string budgets = std::to_string(budgets_per_answer);
  pid_ = fork();
  if (pid_ == 0) {
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    dup2(input[0], STDIN_FILENO);
    dup2(output[1], STDOUT_FILENO);
    execl("/proc/self/exe", "bursar-bench", "--noop-server", budgets.c_str(), nullptr);
    _exit(127);
  }
  close(input[0]);
  close(output[1]);
  input_ = input[1];
  char c = 0;
  while (read(output[0], &c, 1) == 1 && c != '\n') address_ += c;
  close(output[0]);
}

NoopServer::~NoopServer() {
  close(input_);
  waitpid(pid_, nullptr, 0);
}

}  // namespace bursar::bench
