#include "cli/global_flags.h"

#include "cli/flags.h"
#include "cli/parse.h"

namespace bursar::cli {

void GlobalFlags::AddTo(CLI::App& app, const std::string& timeout_text) {
  constexpr char kGroup[] = "Server and output";
  AddTextFlag(app, "--endpoint", "HOST:PORT", "default: $BURSAR_ENDPOINT, else 127.0.0.1:50051",
              [this](const std::string& text) { endpoint = text; })
      ->group(kGroup);
  AddTextFlag(app, "--api-key", "KEY",
              "default: $BURSAR_API_KEY (other users of this machine can see flags)",
              [this](const std::string& text) { api_key = text; })
      ->group(kGroup);
  AddTextFlag(app, "--api-key-file", "FILE", "default: $BURSAR_API_KEY_FILE",
              [this](const std::string& text) { api_key_file = text; })
      ->group(kGroup);
  app.add_flag("--allow-insecure-plaintext", allow_insecure_plaintext,
               "send the key to another machine although the way is not encrypted")
      ->group(kGroup);
  AddParsedFlag(app, "--timeout", "TIME", "default: " + timeout_text, ParseDuration,
                [this](std::chrono::nanoseconds time) { timeout = time; })
      ->group(kGroup);
  app.add_flag("--json", json, "print the answer as JSON")->group(kGroup);
}

ClientOptions GlobalFlags::Over(ClientOptions base) const {
  if (endpoint) base.endpoint = *endpoint;
  if (api_key || api_key_file) {
    base.api_key = api_key.value_or("");
    base.api_key_file = api_key_file.value_or("");
  }
  if (allow_insecure_plaintext) base.allow_insecure_plaintext = true;
  return base;
}

}  // namespace bursar::cli
