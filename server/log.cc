#include "log.h"

#include <spdlog/logger.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>

#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace bursar {
namespace {

using Json = nlohmann::ordered_json;

// Never destroyed: threads may still log while the process ends.
struct Output {
  LogLevel lowest = LogLevel::kInfo;
  LogFormat format = LogFormat::kJson;
  spdlog::logger logger{"bursar", std::make_shared<spdlog::sinks::stderr_sink_mt>()};
};

Output& TheOutput() {
  static Output* const output = [] {
    auto* made = new Output;
    made->logger.set_pattern("%v");
    made->logger.set_level(spdlog::level::trace);
    return made;
  }();
  return *output;
}

std::string_view NameOf(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return "debug";
    case LogLevel::kInfo:
      return "info";
    case LogLevel::kWarning:
      return "warning";
    case LogLevel::kError:
      return "error";
  }
  return "error";
}

std::string Now() {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E6SZ", absl::Now(), absl::UTCTimeZone());
}

Json ToJson(const LogField& field) {
  return std::visit([](const auto& value) { return Json(value); }, field.value);
}

// Invalid UTF-8 becomes U+FFFD: a log line is always one JSON object.
std::string Dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string JsonLine(LogLevel level, std::string_view event,
                     std::initializer_list<LogField> fields) {
  Json line;
  line["time"] = Now();
  line["level"] = NameOf(level);
  line["event"] = event;
  for (const LogField& field : fields) line[std::string(field.key)] = ToJson(field);
  return Dump(line);
}

// A plain word stands as it is; anything else is quoted as in JSON, so that a line stays a line.
std::string TextValue(const LogField& field) {
  const auto* text = std::get_if<std::string>(&field.value);
  const bool plain = text != nullptr && !text->empty() &&
                     std::all_of(text->begin(), text->end(),
                                 [](char c) { return c > ' ' && c < 127 && c != '"' && c != '='; });
  return plain ? *text : Dump(ToJson(field));
}

std::string TextLine(LogLevel level, std::string_view event,
                     std::initializer_list<LogField> fields) {
  std::string line = Now();
  line += ' ';
  line += NameOf(level);
  line.append(8 - NameOf(level).size(), ' ');
  line += event;
  for (const LogField& field : fields) {
    line += ' ';
    line += field.key;
    line += '=';
    line += TextValue(field);
  }
  return line;
}

}  // namespace

void ConfigureLog(LogLevel lowest, LogFormat format) {
  TheOutput().lowest = lowest;
  TheOutput().format = format;
}

bool Logs(LogLevel level) { return level >= TheOutput().lowest; }

void Log(LogLevel level, std::string_view event, std::initializer_list<LogField> fields) {
  if (!Logs(level)) return;
  Output& output = TheOutput();
  const std::string line = output.format == LogFormat::kJson ? JsonLine(level, event, fields)
                                                             : TextLine(level, event, fields);
  output.logger.log(spdlog::level::info, spdlog::string_view_t(line));
}

}  // namespace bursar
