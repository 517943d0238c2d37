#include "src/telemetry_registry.h"

#include <algorithm>
#include <exception>
#include <iostream>
#include <map>
#include <mutex>

#include "src/telemetry_client_port.h"
#include "src/telemetry_console_port.h"
#include "src/telemetry_text.h"

namespace bursar {
namespace internal {
namespace {

constexpr char kClient[] = "client";
constexpr char kConsole[] = "console";
constexpr char kNone[] = "none";

using MadePort = StatusOr<std::unique_ptr<TelemetryPort>>;

MadePort MakeClientPort(const TelemetryOptions& options) {
  if (options.client) return MadePort(std::make_unique<ClientPort>(*options.client));
  const auto settings = ClientOptionsFromEnvironment();
  if (!settings.ok()) return settings.status();
  auto client = Client::Connect(*settings);
  if (!client.ok()) return client.status();
  return MadePort(std::make_unique<ClientPort>(*std::move(client)));
}

MadePort MakeConsolePort(const TelemetryOptions& options) {
  std::ostream* const out = options.console == nullptr ? &std::cerr : options.console;
  return MadePort(std::make_unique<ConsolePort>(out, options.console_json));
}

// The makers by name, for all of the process: what is registered is code, and there is one of it.
class Registry {
 public:
  static Registry& OfProcess() {
    static auto* const registry = new Registry();  // threads may ask to the very end
    return *registry;
  }

  Status Add(const std::string& name, TelemetryPortMaker maker) {
    const std::lock_guard lock(mutex_);
    if (name != kNone && makers_.emplace(name, std::move(maker)).second) return {};
    return {StatusCode::kAlreadyExists, "a telemetry port \"" + name + "\" is registered already"};
  }

  // Errors: INVALID_ARGUMENT says which names there are.
  StatusOr<TelemetryPortMaker> Find(const std::string& name) const {
    const std::lock_guard lock(mutex_);
    const auto found = makers_.find(name);
    if (found != makers_.end()) return found->second;
    std::string names = kNone;
    for (const auto& [known, maker] : makers_) names += ", " + known;
    return Status(
        StatusCode::kInvalidArgument,
        "there is no telemetry port \"" + Printable(name, 256) + "\"; there are " + names);
  }

 private:
  mutable std::mutex mutex_;
  std::map<std::string, TelemetryPortMaker> makers_ = {{kClient, MakeClientPort},
                                                       {kConsole, MakeConsolePort}};
};

std::string NameFrom(const TelemetryOptions& options, const SettingsSource& source) {
  if (!options.port.empty()) return options.port;
  if (const auto name = source.environment("BURSAR_TELEMETRY")) return *name;
  return options.client ? kClient : kNone;
}

MadePort Make(const std::string& name, const TelemetryOptions& options) {
  const auto maker = Registry::OfProcess().Find(name);
  if (!maker.ok()) return maker.status();
  MadePort port = (*maker)(options);
  if (port.ok() && *port == nullptr) {
    return Status(StatusCode::kInternal,
                  "the maker of the telemetry port \"" + name + "\" gave none");
  }
  return port;
}

MadePort MakeWithoutThrowing(const std::string& name, const TelemetryOptions& options) {
  std::string what;
  try {
    return Make(name, options);
  } catch (const std::exception& error) {
    what = std::string(": ") + error.what();
  } catch (...) {
  }
  return Status(StatusCode::kInternal,
                "the maker of the telemetry port \"" + name + "\" threw" + what);
}

}  // namespace

Telemetry MakeTelemetry(const TelemetryOptions& options, const SettingsSource& source,
                        Status* problem) {
  *problem = Status();
  if (DisabledByEnvironment(source)) return {};
  const std::string name = NameFrom(options, source);
  if (name == kNone) return {};
  MadePort port = MakeWithoutThrowing(name, options);
  if (!port.ok()) {
    *problem = port.status();
    return {};
  }
  double ratio = options.sample_ratio;
  if (!(ratio >= 0 && ratio <= 1)) {
    ratio = ratio > 1 ? 1 : 0;
    *problem = Status(StatusCode::kInvalidArgument,
                      "sample_ratio is " + FormatNumber(options.sample_ratio) +
                          "; 0 to 1 would be right, " + FormatNumber(ratio) + " is taken");
  }
  return Telemetry(*std::move(port), ratio);
}

}  // namespace internal

Status RegisterTelemetryPort(const std::string& name, TelemetryPortMaker make) {
  if (name.empty() || !make) {
    return {StatusCode::kInvalidArgument, "a telemetry port needs a name and what makes it"};
  }
  return internal::Registry::OfProcess().Add(name, std::move(make));
}

Telemetry MakeTelemetry(const TelemetryOptions& options, Status* problem) {
  Status status;
  Telemetry telemetry =
      internal::MakeTelemetry(options, internal::SettingsSource::Process(), &status);
  if (problem != nullptr) {
    *problem = status;
  } else if (!status.ok()) {
    std::cerr << "bursar: " << status.message()
              << (telemetry.off() ? "; telemetry is off\n" : "\n");
  }
  return telemetry;
}

}  // namespace bursar
