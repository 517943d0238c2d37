#include "src/settings.h"

#include <bursar/money.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <sstream>
#include <system_error>
#include <tuple>
#include <utility>

#include "src/text.h"

namespace bursar {
namespace internal {
namespace {

constexpr char kDisabledVariable[] = "BURSAR_DISABLED";

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

Status SetFlag(std::string_view value, bool* flag) {
  if (value != "0" && value != "1") {
    return {StatusCode::kInvalidArgument, "\"" + std::string(value) + "\" is neither 1 nor 0"};
  }
  *flag = value == "1";
  return {};
}

Status SetUsd(std::string_view value, int64_t* nanousd) {
  const auto amount = ParseUsd(value);
  if (!amount.ok()) return amount.status();
  *nanousd = *amount;
  return {};
}

// A TLS setting of any kind says that TLS is wanted.
template <std::string ClientOptions::*field>
Status SetTls(const std::string& value, ClientOptions* options) {
  options->*field = value;
  options->tls = true;
  return {};
}

template <std::string ClientOptions::*field>
Status SetText(const std::string& value, ClientOptions* options) {
  options->*field = value;
  return {};
}

struct Setting {
  const char* environment;
  const char* file_key;  // null: not in the file
  bool is_path;          // ~/ is the home folder
  Status (*apply)(const std::string& value, ClientOptions* options);
};

// In the order in which they are applied: BURSAR_TLS=0 has the last word.
constexpr Setting kSettings[] = {
    {"BURSAR_ENDPOINT", "endpoint", false, SetText<&ClientOptions::endpoint>},
    {"BURSAR_API_KEY", "api_key", false, SetText<&ClientOptions::api_key>},
    {"BURSAR_API_KEY_FILE", "api_key_file", true, SetText<&ClientOptions::api_key_file>},
    {"BURSAR_TLS_CA_FILE", "tls_ca_file", true, SetTls<&ClientOptions::tls_ca_file>},
    {"BURSAR_TLS_CERTIFICATE_FILE", "tls_certificate_file", true,
     SetTls<&ClientOptions::tls_certificate_file>},
    {"BURSAR_TLS_KEY_FILE", "tls_key_file", true, SetTls<&ClientOptions::tls_key_file>},
    {"BURSAR_TLS_SERVER_NAME", "tls_server_name", false, SetTls<&ClientOptions::tls_server_name>},
    {"BURSAR_TLS", "tls", false,
     [](const std::string& value, ClientOptions* o) { return SetFlag(value, &o->tls); }},
    {"BURSAR_JOURNAL_FOLDER", "journal_folder", true,
     [](const std::string& value, ClientOptions* o) {
       o->recorder.journal_folder = value;
       return Status();
     }},
    {"BURSAR_OFFLINE_ALLOWANCE_USD", "offline_allowance_usd", false,
     [](const std::string& value, ClientOptions* o) {
       o->failure_policy = FailurePolicy::kFailOpen;
       return SetUsd(value, &o->offline_allowance_nanousd);
     }},
    {"BURSAR_OFFLINE_CALL_USD", "offline_call_usd", false,
     [](const std::string& value, ClientOptions* o) {
       return SetUsd(value, &o->offline_call_nanousd);
     }},
    {"BURSAR_RUN", nullptr, false,
     [](const std::string& value, ClientOptions* o) {
       o->subject.run = value;
       return Status();
     }},
    {"BURSAR_ROOT_RUN", nullptr, false,
     [](const std::string& value, ClientOptions* o) {
       o->subject.root_run = value;
       return Status();
     }},
    {kDisabledVariable, nullptr, false,
     [](const std::string& value, ClientOptions* o) { return SetFlag(value, &o->disabled); }},
};

Status Wrong(const std::string& where, const Status& why) {
  return {why.code(), where + ": " + why.message()};
}

// What a misspelt setting could be called. Nothing else of a wrong line is repeated: it can be a
// key, which must not reach a log.
bool LooksLikeAName(std::string_view text) {
  constexpr size_t kNameBytesMax = 32;
  return !text.empty() && text.size() <= kNameBytesMax &&
         text.find_first_not_of("abcdefghijklmnopqrstuvwxyz_-") == std::string_view::npos;
}

Status WrongLine(const std::string& where, std::string_view line) {
  const size_t equals = line.find('=');
  const std::string_view name = Trim(line.substr(0, equals));
  std::string wrong = ": the line is no setting";
  if (equals != std::string_view::npos && LooksLikeAName(name)) {
    wrong = ": \"" + std::string(name) + "\" is no setting";
  }
  return {StatusCode::kInvalidArgument,
          where + wrong +
              "; lines like `endpoint = 127.0.0.1:50051`, `api_key = KEY` or "
              "`api_key_file = PATH` would be right"};
}

using Values = std::map<std::string_view, std::pair<std::string, std::string>>;

// The values of one file by key, each with where it stands.
StatusOr<Values> ReadConfig(const std::string& path, const std::string& content) {
  Values values;
  std::istringstream lines(content);
  std::string raw;
  for (int number = 1; std::getline(lines, raw); ++number) {
    const std::string_view line = Trim(raw);
    if (line.empty() || line.front() == '#') continue;
    const std::string where = path + " line " + std::to_string(number);
    const size_t equals = line.find('=');
    const std::string_view key = Trim(line.substr(0, equals));
    const auto* setting = std::find_if(std::begin(kSettings), std::end(kSettings), [&](auto& s) {
      return s.file_key != nullptr && s.file_key == key;
    });
    if (equals == std::string_view::npos || setting == std::end(kSettings)) {
      return WrongLine(where, line);
    }
    values[setting->file_key] = {std::string(Trim(line.substr(equals + 1))), where};
  }
  return values;
}

}  // namespace

SettingsSource SettingsSource::Process() { return {ProcessEnvironment, ProcessFile}; }

StatusOr<ClientOptions> LoadClientOptions(const SettingsSource& source) {
  const auto home = source.environment("HOME");
  Values file;
  if (home) {
    const std::string path = *home + "/.config/bursar/config";
    const auto content = source.read_file(path);
    if (!content.ok()) return content.status();
    if (content->has_value()) {
      auto values = ReadConfig(path, **content);
      if (!values.ok()) return values.status();
      file = *std::move(values);
    }
  }
  const auto key = source.environment("BURSAR_API_KEY");
  const auto key_file = source.environment("BURSAR_API_KEY_FILE");
  if (key || key_file) {
    file.erase("api_key");
    file.erase("api_key_file");
  }
  ClientOptions options;
  for (const Setting& setting : kSettings) {
    std::string where = setting.environment;
    auto value = source.environment(setting.environment);
    if (!value && setting.file_key != nullptr) {
      if (const auto found = file.find(setting.file_key); found != file.end()) {
        std::tie(value, where) = found->second;
      }
    }
    if (!value) continue;
    if (setting.is_path) value = ExpandHome(*value, home);
    if (Status status = setting.apply(*value, &options); !status.ok()) {
      return Wrong(where, status);
    }
  }
  return options;
}

bool DisabledByEnvironment(const SettingsSource& source) {
  return source.environment(kDisabledVariable) == "1";
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
