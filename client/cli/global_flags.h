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
  bool allow_insecure_plaintext = false;
  std::optional<std::chrono::nanoseconds> timeout;
  bool json = false;

  // `timeout_text` is the default of --timeout, as its help names it.
  void AddTo(CLI::App& app, const std::string& timeout_text);

  // `base` (environment and file) with what the flags say instead. A key of either kind replaces
  // both.
  ClientOptions Over(ClientOptions base) const;
};

}  // namespace bursar::cli
