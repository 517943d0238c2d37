#include <grpc/support/log.h>

#include <cstdlib>
#include <iostream>

#include "cli/program.h"

int main(int argc, char** argv) {
  // What gRPC logs of a failed handshake is what the command then says in a sentence.
  if (std::getenv("GRPC_VERBOSITY") == nullptr) gpr_set_log_function([](gpr_log_func_args*) {});
  return bursar::cli::RunProgram({argv + 1, argv + argc}, std::cout, std::cerr);
}
