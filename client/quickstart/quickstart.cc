// One model call under a budget: may I, the call, this is what it took.
//
// Where the server is and the key come from BURSAR_ENDPOINT and BURSAR_API_KEY_FILE.
#include <bursar/client.h>
#include <bursar/guard.h>
#include <bursar/summary.h>

#include <iostream>

// Stands for the call to the model's provider, and answers what that reports.
bursar::TokenUsage CallModel() {
  return {.uncached_input_tokens = 1'200, .visible_output_tokens = 350};
}

int main() {
  auto options = bursar::ClientOptionsFromEnvironment();
  if (!options.ok()) return std::cerr << options.status().ToString() << '\n', 1;
  auto client = bursar::Client::Connect(*options);
  if (!client.ok()) return std::cerr << client.status().ToString() << '\n', 1;

  bursar::Guard guard(*client, {.subject = {.user = "you", .agent = "quickstart", .run = "run-1"},
                                .model = {.provider = "openai", .name = "gpt-4o"},
                                .tokens = bursar::TokenUsage{.uncached_input_tokens = 1'200},
                                .max_output_tokens = 1'000});
  if (!guard.allowed()) return std::cerr << guard.why_not() << '\n', 1;

  const auto receipt = guard.Settle(CallModel());
  if (!receipt.ok()) return std::cerr << receipt.status().ToString() << '\n', 1;
  std::cout << bursar::FormatSummary(*receipt) << '\n';
}
