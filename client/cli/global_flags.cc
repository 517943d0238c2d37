#include "cli/global_flags.h"

#include "cli/flags.h"
#include "cli/parse.h"

namespace bursar::cli {
namespace {

constexpr char kGroup[] = "Server and output";

}  // namespace

void GlobalFlags::AddTo(CLI::App& app, const std::string& timeout_text) {
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
  AddTlsTo(app);
  app.add_flag("--allow-insecure-plaintext", allow_insecure_plaintext,
               "send the key to another machine although the way is not encrypted")
      ->group(kGroup);
  AddParsedFlag(app, "--timeout", "TIME", "default: " + timeout_text, ParseDuration,
                [this](std::chrono::nanoseconds time) { timeout = time; })
      ->group(kGroup);
  app.add_flag("--json", json, "print the answer as JSON")->group(kGroup);
}

void GlobalFlags::AddTlsTo(CLI::App& app) {
  app.add_flag_function(
         "--tls", [this](int64_t on) { tls = on > 0; },
         "encrypt the way, as each flag below does; default: $BURSAR_TLS")
      ->group(kGroup);
  const auto add = [&](const char* flag, const char* type, const char* help,
                       std::optional<std::string>* value) {
    AddTextFlag(app, flag, type, help, [value](const std::string& text) {
      *value = text;
    })->group(kGroup);
  };
  add("--tls-ca-file", "FILE", "proves the server; default: $BURSAR_TLS_CA_FILE, else the system's",
      &tls_ca_file);
  add("--tls-certificate-file", "FILE", "proves you; default: $BURSAR_TLS_CERTIFICATE_FILE",
      &tls_certificate_file);
  add("--tls-key-file", "FILE", "the certificate's; default: $BURSAR_TLS_KEY_FILE", &tls_key_file);
  add("--tls-server-name", "NAME", "default: $BURSAR_TLS_SERVER_NAME, else the endpoint's",
      &tls_server_name);
}

ClientOptions GlobalFlags::Over(ClientOptions base) const {
  if (endpoint) base.endpoint = *endpoint;
  if (api_key || api_key_file) {
    base.api_key = api_key.value_or("");
    base.api_key_file = api_key_file.value_or("");
  }
  const auto replace = [&base](const std::optional<std::string>& flag,
                               std::string ClientOptions::*field) {
    if (!flag) return;
    base.*field = *flag;
    base.tls = true;
  };
  replace(tls_ca_file, &ClientOptions::tls_ca_file);
  replace(tls_certificate_file, &ClientOptions::tls_certificate_file);
  replace(tls_key_file, &ClientOptions::tls_key_file);
  replace(tls_server_name, &ClientOptions::tls_server_name);
  if (tls) base.tls = *tls;
  if (allow_insecure_plaintext) base.allow_insecure_plaintext = true;
  return base;
}

}  // namespace bursar::cli
