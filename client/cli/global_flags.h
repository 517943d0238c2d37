#pragma once

#include <bursar/options.h>
#include <bursar/status.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <optional>
#include <string>

namespace bursar::cli {

// The flags that every command has, before or after its name.
struct GlobalFlags {
  std::optional<std::string> endpoint;
  std::optional<std::string> api_key;
  std::optional<std::string> api_key_file;
  std::optional<bool> tls;
  std::optional<std::string> tls_ca_file;
  std::optional<std::string> tls_certificate_file;
  std::optional<std::string> tls_key_file;
  std::optional<std::string> tls_server_name;
  bool allow_insecure_plaintext = false;
  std::optional<std::chrono::nanoseconds> timeout;
  bool json = false;

  // `timeout_text` is the default of --timeout, as its help names it.
  void AddTo(CLI::App& app, const std::string& timeout_text);

  // `base` (environment and file) with what the flags say instead. A key of either kind replaces
  // both. As in the environment, a TLS setting of any kind switches TLS on, and --tls=false has the
  // last word.
  ClientOptions Over(ClientOptions base) const;

 private:
  void AddTlsTo(CLI::App& app);
};

}  // namespace bursar::cli
