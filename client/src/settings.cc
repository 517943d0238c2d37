#include "src/settings.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>
#include <system_error>

#include "src/text.h"

namespace bursar {
namespace internal {
namespace {

std::optional<std::string> ProcessEnvironment(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  if (value == nullptr || *value == '\0') return std::nullopt;
  return value;
}

StatusOr<std::optional<std::string>> ProcessFile(const std::string& path) {
  errno = 0;
  std::ifstream file(path);
  if (!file) {
    const int error = errno;
    if (error == ENOENT || error == ENOTDIR) return std::optional<std::string>();
    return Status(StatusCode::kFailedPrecondition,
                  "cannot read " + path + ": " + std::generic_category().message(error));
  }
  std::ostringstream content;
  content << file.rdbuf();
  if (file.bad()) return Status(StatusCode::kFailedPrecondition, "cannot read " + path);
  return std::optional<std::string>(content.str());
}

std::string ExpandHome(const std::string& path, const std::optional<std::string>& home) {
  if (path.rfind("~/", 0) == 0 && home) return *home + path.substr(1);
  return path;
}

Status WrongLine(const std::string& path, int line, std::string_view text) {
  return {StatusCode::kInvalidArgument,
          path + " line " + std::to_string(line) + ": \"" + std::string(text) +
              "\" is no setting; lines like `endpoint = 127.0.0.1:50051`, `api_key = KEY` or "
              "`api_key_file = PATH` would be right"};
}

// Reads the settings of one file into `options`.
Status ReadConfig(const std::string& path, const std::string& content, ClientOptions* options) {
  std::istringstream lines(content);
  std::string raw;
  for (int number = 1; std::getline(lines, raw); ++number) {
    const std::string_view line = Trim(raw);
    if (line.empty() || line.front() == '#') continue;
    const size_t equals = line.find('=');
    if (equals == std::string_view::npos) return WrongLine(path, number, line);
    const std::string_view key = Trim(line.substr(0, equals));
    const std::string value(Trim(line.substr(equals + 1)));
    if (key == "endpoint") {
      options->endpoint = value;
    } else if (key == "api_key") {
      options->api_key = value;
    } else if (key == "api_key_file") {
      options->api_key_file = value;
    } else {
      // Without the value: a misspelt key's secret must not reach a log.
      return WrongLine(path, number, key);
    }
  }
  return {};
}

}  // namespace

SettingsSource SettingsSource::Process() { return {ProcessEnvironment, ProcessFile}; }

StatusOr<ClientOptions> LoadClientOptions(const SettingsSource& source) {
  ClientOptions options;
  const auto home = source.environment("HOME");
  if (home) {
    const std::string path = *home + "/.config/bursar/config";
    const auto content = source.read_file(path);
    if (!content.ok()) return content.status();
    if (content->has_value()) {
      if (Status status = ReadConfig(path, **content, &options); !status.ok()) return status;
    }
  }
  if (const auto endpoint = source.environment("BURSAR_ENDPOINT")) options.endpoint = *endpoint;
  const auto key = source.environment("BURSAR_API_KEY");
  const auto key_file = source.environment("BURSAR_API_KEY_FILE");
  if (key || key_file) {
    options.api_key = key.value_or("");
    options.api_key_file = key_file.value_or("");
  }
  options.api_key_file = ExpandHome(options.api_key_file, home);
  return options;
}

StatusOr<std::string> LoadApiKey(const ClientOptions& options, const SettingsSource& source) {
  std::string key = options.api_key;
  std::string origin = "the API key";
  if (key.empty() && !options.api_key_file.empty()) {
    const auto content = source.read_file(options.api_key_file);
    if (!content.ok()) return content.status();
    if (!content->has_value()) {
      return Status(StatusCode::kFailedPrecondition,
                    "the API key file " + options.api_key_file + " does not exist");
    }
    key = Trim((*content)->substr(0, (*content)->find('\n')));
    origin = "the API key in " + options.api_key_file;
    if (key.empty()) {
      return Status(StatusCode::kFailedPrecondition,
                    "the API key file " + options.api_key_file + " has no key on its first line");
    }
  }
  for (const char c : key) {
    if (c <= ' ' || c > '~') {
      return Status(StatusCode::kInvalidArgument,
                    origin +
                        " has a blank or an unprintable character; one word of ASCII would be "
                        "right");
    }
  }
  return key;
}

}  // namespace internal

StatusOr<ClientOptions> ClientOptionsFromEnvironment() {
  return internal::LoadClientOptions(internal::SettingsSource::Process());
}

}  // namespace bursar
