#pragma once

#include <bursar/options.h>
#include <bursar/status.h>

#include <functional>
#include <optional>
#include <string>

namespace bursar::internal {

// Where settings come from, so that a test can give its own.
struct SettingsSource {
  std::function<std::optional<std::string>(const std::string& name)> environment;
  std::function<StatusOr<std::optional<std::string>>(const std::string& path)> read_file;

  // The process's own environment and files.
  static SettingsSource Process();
};

// ClientOptionsFromEnvironment over a given source.
StatusOr<ClientOptions> LoadClientOptions(const SettingsSource& source);

// Whether BURSAR_DISABLED is 1, which needs no options and cannot fail.
bool DisabledByEnvironment(const SettingsSource& source);

// The key to show: api_key, else the first line of api_key_file, else empty.
// Errors: FAILED_PRECONDITION for a file that is missing, unreadable or empty; INVALID_ARGUMENT for
// a key that could not be a header's value.
StatusOr<std::string> LoadApiKey(const ClientOptions& options, const SettingsSource& source);

}  // namespace bursar::internal
