#include "config.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cstdlib>
#include <fstream>
#include <map>
#include <numeric>
#include <optional>
#include <sstream>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "listen_address.h"
#include "status_macros.h"

#ifndef BURSAR_VERSION
#define BURSAR_VERSION "development"
#endif

namespace bursar {
namespace {

// Reads one value into the config. Gives what would be right if it is wrong, else an empty text.
using Reader = std::string (*)(const std::string& value, Config& config);

struct Setting {
  const char* name;
  const char* value_name;
  const char* help;
  Reader read;
};

// A value and where it came from: "--listen", "BURSAR_LISTEN" or "listen in bursar.conf, line 3".
struct Given {
  std::string value;
  std::string source;
};

constexpr char kUrlExample[] = "give a URL, for example postgresql://bursar@db.example.com/bursar";

std::string ReadAddress(const std::string& value, const char* example, std::string& address) {
  if (!ParseListenAddress(value)) return absl::StrCat("give host:port, for example ", example);
  address = value;
  return "";
}

// "45d", "1d12h", "20s", "500ms".
std::optional<absl::Duration> ParseDuration(const std::string& text) {
  const size_t end_of_days = text.find('d');
  absl::Duration days, rest;
  if (end_of_days != std::string::npos) {
    int count = 0;
    if (!absl::SimpleAtoi(text.substr(0, end_of_days), &count) || count < 0) return std::nullopt;
    days = absl::Hours(24) * count;
    if (end_of_days + 1 == text.size()) return days;
  }
  const size_t begin = end_of_days == std::string::npos ? 0 : end_of_days + 1;
  if (!absl::ParseDuration(text.substr(begin), &rest)) return std::nullopt;
  return days + rest;
}

std::string ReadDuration(const std::string& value, absl::Duration least, absl::Duration most,
                         const char* right, absl::Duration& duration) {
  const std::optional<absl::Duration> parsed = ParseDuration(value);
  if (!parsed || *parsed < least || *parsed > most) return right;
  duration = *parsed;
  return "";
}

template <typename Enum, size_t N>
std::string ReadChoice(const std::string& value,
                       const std::array<std::pair<const char*, Enum>, N>& choices, Enum& choice) {
  std::string names;
  for (const auto& [name, meaning] : choices) {
    if (value == name) {
      choice = meaning;
      return "";
    }
    absl::StrAppend(&names,
                    names.empty()                  ? "give "
                    : name == choices.back().first ? " or "
                                                   : ", ",
                    name);
  }
  return names;
}

std::string ReadText(const std::string& value, const char* right, std::string& text) {
  if (value.empty()) return right;
  text = value;
  return "";
}

std::string ReadHttp(const std::string& value, Config& config) {
  if (!value.empty() && value != "off") return ReadAddress(value, "127.0.0.1:9464", config.http);
  config.http.clear();
  return "";
}

std::string ReadMigrate(const std::string& value, Config& config) {
  constexpr std::array<std::pair<const char*, MigrateMode>, 3> kModes = {
      {{"auto", MigrateMode::kAuto}, {"only", MigrateMode::kOnly}, {"off", MigrateMode::kOff}}};
  return ReadChoice(value, kModes, config.migrate);
}

std::string ReadBool(const std::string& value, bool& flag) {
  constexpr std::array<std::pair<const char*, bool>, 4> kValues = {
      {{"true", true}, {"false", false}, {"1", true}, {"0", false}}};
  return ReadChoice(value, kValues, flag);
}

std::string ReadConnections(const std::string& value, Config& config) {
  int count = 0;
  if (!absl::SimpleAtoi(value, &count) || count < 1 || count > 64) return "give 1 to 64";
  config.database_connections = count;
  return "";
}

std::string ReadLogLevel(const std::string& value, Config& config) {
  constexpr std::array<std::pair<const char*, LogLevel>, 4> kLevels = {
      {{"debug", LogLevel::kDebug},
       {"info", LogLevel::kInfo},
       {"warning", LogLevel::kWarning},
       {"error", LogLevel::kError}}};
  return ReadChoice(value, kLevels, config.log_level);
}

std::string ReadLogFormat(const std::string& value, Config& config) {
  constexpr std::array<std::pair<const char*, LogFormat>, 2> kFormats = {
      {{"json", LogFormat::kJson}, {"text", LogFormat::kText}}};
  return ReadChoice(value, kFormats, config.log_format);
}

constexpr char kDatabaseUrl[] = "database-url";
constexpr char kPgbouncer[] = "pgbouncer";
constexpr char kDataDir[] = "data-dir";
constexpr char kInsecureNoAuth[] = "insecure-no-auth";
constexpr char kConfig[] = "config";

const Setting kSettings[] = {
    {"listen", "HOST:PORT", "Where gRPC listens; port 0 picks a free one [127.0.0.1:50051]",
     [](const std::string& value, Config& config) {
       return ReadAddress(value, "127.0.0.1:50051", config.listen);
     }},
    {"http", "HOST:PORT", "Where /metrics, /healthz and /readyz are; off: nowhere [127.0.0.1:9464]",
     &ReadHttp},
    {kDatabaseUrl, "URL",
     "The PostgreSQL to use, postgresql://USER@HOST:PORT/DATABASE; several hosts are allowed. "
     "Without it the server runs a PostgreSQL of its own. BURSAR_DATABASE_URL_FILE names a file "
     "that holds it",
     [](const std::string& value, Config& config) {
       return ReadText(value, kUrlExample, config.database_url);
     }},
    {kPgbouncer, "",
     "The database URL leads to pgbouncer, which pools by transaction. The role needs settings of "
     "its own then: the server says which",
     [](const std::string& value, Config& config) { return ReadBool(value, config.pgbouncer); }},
    {kDataDir, "DIR", "Where the server's own PostgreSQL and the first key are [bursar-data]",
     [](const std::string& value, Config& config) {
       return ReadText(value, "give a folder", config.data_dir);
     }},
    {"database-connections", "COUNT", "Ledger transactions at once, 1 to 64 [12]",
     &ReadConnections},
    {"migrate", "MODE",
     "auto: bring the database's tables up to date at the start; only: do that and exit; off: "
     "refuse to start if they are not [auto]",
     &ReadMigrate},
    {"admin-key-file", "FILE",
     "Where the first start writes the admin's API key [DATA_DIR/admin.key, or "
     "~/.config/bursar/admin.key with --database-url]",
     [](const std::string& value, Config& config) {
       return ReadText(value, "give a file", config.admin_key_file);
     }},
    {kInsecureNoAuth, "",
     "Ask for no API key: every caller is the admin of tenant \"default\". Only with a --listen "
     "that other machines cannot reach",
     [](const std::string& value, Config& config) {
       return ReadBool(value, config.insecure_no_auth);
     }},
    {"ledger-horizon", "TIME",
     "How long ids and ended reservations are kept, like 45d or 12h [45d]",
     [](const std::string& value, Config& config) {
       return ReadDuration(value, absl::Hours(1), absl::Hours(24 * 3650),
                           "give 1h to 3650d, for example 45d", config.ledger_horizon);
     }},
    {"drain-timeout", "TIME", "How long calls may go on after SIGTERM, like 20s [20s]",
     [](const std::string& value, Config& config) {
       return ReadDuration(value, absl::ZeroDuration(), absl::Hours(1),
                           "give 0s to 1h, for example 20s", config.drain_timeout);
     }},
    {"log-level", "LEVEL", "The least that is logged: debug, info, warning or error [info]",
     &ReadLogLevel},
    {"log-format", "FORMAT", "json or text [text on a terminal, else json]", &ReadLogFormat},
};

// Alone it means true.
bool IsSwitch(const std::string& name) {
  return std::any_of(std::begin(kSettings), std::end(kSettings), [&](const Setting& setting) {
    return setting.name == name && *setting.value_name == '\0';
  });
}

std::string EnvironmentName(const std::string& name) {
  return "BURSAR_" + absl::AsciiStrToUpper(absl::StrReplaceAll(name, {{"-", "_"}}));
}

std::optional<std::string> Environment(const std::string& name) {
  const char* value = getenv(name.c_str());
  if (value == nullptr || *value == '\0') return std::nullopt;
  return value;
}

size_t EditDistance(const std::string& a, const std::string& b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), 0);
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = std::exchange(row[0], i);
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = std::exchange(row[j], std::min({replaced, row[j] + 1, row[j - 1] + 1}));
    }
  }
  return row.back();
}

// ": did you mean --listen?", or where all names are listed if none is close.
std::string Suggestion(const std::string& name, const std::string& prefix) {
  std::string closest;
  size_t least = name.size() / 3 + 2;
  for (const Setting& setting : kSettings) {
    const size_t distance = EditDistance(name, setting.name);
    if (distance < least) {
      least = distance;
      closest = setting.name;
    }
  }
  if (closest.empty()) return ": bursar-server --help lists all";
  return absl::StrCat(": did you mean ", prefix, closest, "?");
}

using GivenByName = std::map<std::string, Given>;

absl::Status UnknownArgument(std::string argument) {
  if (!argument.starts_with("-")) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", argument, "\" is no flag: bursar-server --help lists all"));
  }
  argument = argument.substr(0, argument.find('='));
  const std::string name = argument.substr(argument.find_first_not_of('-') % argument.size());
  return absl::InvalidArgumentError(
      absl::StrCat("there is no flag ", argument, Suggestion(name, "--")));
}

// CLI11 says "--listen: 1 required HOST:PORT missing".
absl::Status MissingValue(const std::string& error) {
  for (const Setting& setting : kSettings) {
    const std::string flag = absl::StrCat("--", setting.name);
    if (!error.starts_with(flag + ":")) continue;
    return absl::InvalidArgumentError(
        absl::StrCat(flag, " needs a value: give ", setting.value_name));
  }
  return absl::InvalidArgumentError(error);
}

// In lines that fit beside the column of flags; CLI11 indents them, but does not break them itself.
std::string Wrapped(const std::string& text) {
  constexpr size_t kColumns = 66;
  std::string wrapped;
  size_t column = 0;
  std::istringstream words(text);
  for (std::string word; words >> word; column += word.size() + 1) {
    if (column + word.size() > kColumns) column = 0;
    if (!wrapped.empty()) wrapped += column == 0 ? '\n' : ' ';
    wrapped += word;
  }
  return wrapped;
}

absl::StatusOr<GivenByName> ReadFlags(int argc, const char* const* argv) {
  CLI::App app(
      "Bursar is the purse of a fleet of LLM agents: it answers whether a model call may be paid,\n"
      "keeps what it cost, and sums it up.",
      "bursar-server");
  app.footer(
      "Each flag --like-this may also be given as BURSAR_LIKE_THIS in the environment, or as a line"
      "\n`like-this = value` in the file of --config; a flag beats the environment, which beats the"
      "\nfile.");
  app.set_help_flag("-h,--help", "Print this and exit");
  app.set_version_flag("--version", "bursar-server " BURSAR_VERSION, "Print the version and exit");
  app.allow_extras();
  std::map<std::string, std::string> values;
  const auto add = [&](const char* name, const char* value_name, const char* help) {
    CLI::Option* option = app.add_option(absl::StrCat("--", name), values[name], Wrapped(help));
    option->type_name(value_name)->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
    if (*value_name == '\0') option->expected(0, 1);
  };
  for (const Setting& setting : kSettings) add(setting.name, setting.value_name, setting.help);
  add(kConfig, "FILE", "A file of settings");
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    return absl::OutOfRangeError(app.help());
  } catch (const CLI::CallForVersion&) {
    return absl::OutOfRangeError("bursar-server " BURSAR_VERSION "\n");
  } catch (const CLI::ParseError& error) {
    return MissingValue(error.what());
  }
  if (!app.remaining().empty()) return UnknownArgument(app.remaining().front());
  GivenByName given;
  for (const auto& [name, value] : values) {
    const std::string flag = absl::StrCat("--", name);
    if (app.count(flag) == 0) continue;
    given[name] = {IsSwitch(name) && value.empty() ? "true" : value, flag};
  }
  return given;
}

std::string Unquoted(std::string value) {
  if (value.size() >= 2 && value.front() == '"' && value.back() == '"') {
    return value.substr(1, value.size() - 2);
  }
  return value;
}

absl::StatusOr<GivenByName> ReadFile(const std::string& path) {
  std::ifstream stream(path);
  if (!stream) {
    return absl::InvalidArgumentError(
        absl::StrCat("--config is \"", path, "\", which cannot be read: give a file of settings"));
  }
  GivenByName given;
  int number = 0;
  for (std::string line; std::getline(stream, line);) {
    const std::string where = absl::StrCat(path, ", line ", ++number);
    line = std::string(absl::StripAsciiWhitespace(line));
    if (line.empty() || line[0] == '#' || line[0] == ';') continue;
    const size_t equals = line.find('=');
    const std::string name(absl::StripAsciiWhitespace(line.substr(0, equals)));
    if (equals == std::string::npos) {
      return absl::InvalidArgumentError(absl::StrCat(where, " is no `name = value`"));
    }
    if (std::none_of(std::begin(kSettings), std::end(kSettings),
                     [&](const Setting& setting) { return setting.name == name; })) {
      return absl::InvalidArgumentError(
          absl::StrCat("there is no setting ", name, " (", where, ")", Suggestion(name, "")));
    }
    given[name] = {Unquoted(std::string(absl::StripAsciiWhitespace(line.substr(equals + 1)))),
                   absl::StrCat(name, " in ", where)};
  }
  return given;
}

// A secret is better kept in a file: mounted by the orchestrator, not shown by `ps` or `docker
// inspect`.
absl::StatusOr<std::optional<Given>> ReadUrlFile() {
  constexpr char kVariable[] = "BURSAR_DATABASE_URL_FILE";
  const std::optional<std::string> path = Environment(kVariable);
  if (!path) return std::nullopt;
  if (Environment("BURSAR_DATABASE_URL")) {
    return absl::InvalidArgumentError(
        "BURSAR_DATABASE_URL and BURSAR_DATABASE_URL_FILE are both set: unset one");
  }
  std::ifstream stream(*path);
  std::ostringstream text;
  if (!stream || !(text << stream.rdbuf())) {
    return absl::InvalidArgumentError(
        absl::StrCat(kVariable, " is \"", *path,
                     "\", which cannot be read or is empty: give a file "
                     "that holds the database URL"));
  }
  return Given{std::string(absl::StripAsciiWhitespace(text.str())), kVariable};
}

// What is set, and by which source: flags beat the environment, which beats the file.
absl::StatusOr<GivenByName> Gather(int argc, const char* const* argv) {
  ASSIGN_OR_RETURN(GivenByName given, ReadFlags(argc, argv));
  for (const Setting& setting : kSettings) {
    const std::string variable = EnvironmentName(setting.name);
    if (auto value = Environment(variable)) given.insert({setting.name, {*value, variable}});
  }
  ASSIGN_OR_RETURN(const std::optional<Given> url, ReadUrlFile());
  if (url) given.insert({kDatabaseUrl, *url});
  std::optional<std::string> path = Environment("BURSAR_CONFIG");
  if (given.count(kConfig) > 0) path = given[kConfig].value;
  if (!path) return given;
  ASSIGN_OR_RETURN(GivenByName in_file, ReadFile(*path));
  given.merge(in_file);
  return given;
}

absl::Status CheckTogether(const GivenByName& given, const Config& config) {
  const auto url = given.find(kDatabaseUrl);
  const auto data_dir = given.find(kDataDir);
  if (url != given.end() && data_dir != given.end()) {
    return absl::InvalidArgumentError(
        absl::StrCat(url->second.source, " and ", data_dir->second.source,
                     " are both given: with a database URL there is no data directory; give one"));
  }
  if (config.pgbouncer && config.database_url.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(given.at(kPgbouncer).source,
                     " without a database URL: give the one that leads to pgbouncer, for example "
                     "--database-url postgresql://bursar@db.example.com:6432/bursar"));
  }
  if (config.insecure_no_auth && !ParseListenAddress(config.listen)->IsLoopback()) {
    return absl::InvalidArgumentError(absl::StrCat(
        given.at(kInsecureNoAuth).source, " with --listen ", config.listen,
        " would let every machine that reaches it spend: listen on 127.0.0.1, or use API keys"));
  }
  return absl::OkStatus();
}

std::string DefaultAdminKeyFile(const Config& config) {
  if (config.database_url.empty()) return config.data_dir + "/admin.key";
  const std::optional<std::string> home = Environment("HOME");
  return home ? *home + "/.config/bursar/admin.key" : "admin.key";
}

}  // namespace

absl::StatusOr<Config> ParseConfig(int argc, const char* const* argv) {
  ASSIGN_OR_RETURN(const GivenByName given, Gather(argc, argv));
  Config config;
  if (isatty(STDERR_FILENO) == 1) config.log_format = LogFormat::kText;
  for (const Setting& setting : kSettings) {
    const auto found = given.find(setting.name);
    if (found == given.end()) continue;
    const std::string right = setting.read(found->second.value, config);
    if (right.empty()) continue;
    return absl::InvalidArgumentError(
        absl::StrCat(found->second.source, " is \"", found->second.value, "\": ", right));
  }
  RETURN_IF_ERROR(CheckTogether(given, config));
  if (config.admin_key_file.empty()) config.admin_key_file = DefaultAdminKeyFile(config);
  return config;
}

}  // namespace bursar
