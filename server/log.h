#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <variant>

namespace bursar {

enum class LogLevel { kDebug, kInfo, kWarning, kError };
enum class LogFormat { kJson, kText };

struct LogField {
  std::string_view key;
  std::variant<std::string, int64_t, double, bool> value;
};

// Sets what is written and how; to standard error. Call once, before the first thread. Default:
// info, JSON.
void ConfigureLog(LogLevel lowest, LogFormat format);

// Whether lines of this level are written: ask before making fields that cost something.
bool Logs(LogLevel level);

// Writes one line for one event:
// {"time":"2026-11-22T12:00:00.123456Z","level":"info","event":"...", fields}. `event` is a stable
// name in snake_case. Thread-safe. Never pass a secret, a prompt or another's data.
void Log(LogLevel level, std::string_view event, std::initializer_list<LogField> fields = {});

}  // namespace bursar
