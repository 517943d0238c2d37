#include "fail_point.h"

#ifdef BURSAR_FAIL_POINTS

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <mutex>
#include <string>

#include "absl/time/clock.h"

namespace bursar {
namespace {

enum class Action { kNone, kCrash, kError, kDelay };

struct Setting {
  std::string name;
  Action action = Action::kNone;
  absl::Duration delay;
  int every = 1;
};

std::string FromEnvironment(const char* variable) {
  const char* text = std::getenv(variable);
  return text == nullptr ? "" : text;
}

// A setting that cannot be read ends the process: a test that sets none tries nothing.
Setting ReadSetting() {
  const std::string text = FromEnvironment("BURSAR_FAIL_POINT");
  if (text.empty()) return {};
  const size_t equals = text.find('='), at = text.find('@'), colon = text.find(':');
  if (equals == std::string::npos || at == std::string::npos || at < equals) {
    std::fprintf(stderr, "BURSAR_FAIL_POINT is %s; NAME=crash@N is right\n", text.c_str());
    std::abort();
  }
  Setting setting{.name = text.substr(0, equals), .every = std::atoi(text.c_str() + at + 1)};
  const std::string action = text.substr(equals + 1, std::min(at, colon) - equals - 1);
  if (action == "crash") setting.action = Action::kCrash;
  if (action == "error") setting.action = Action::kError;
  if (action == "delay" && colon != std::string::npos) {
    setting.action = Action::kDelay;
    setting.delay = absl::Milliseconds(std::atoi(text.c_str() + colon + 1));
  }
  if (setting.action == Action::kNone || setting.every < 1) std::abort();
  return setting;
}

const Setting& Set() {
  static const Setting setting = ReadSetting();
  return setting;
}

// At once and whole, for the process may be killed the moment after.
void Tell(const std::string& what) {
  static const std::string path = FromEnvironment("BURSAR_FAULT_LOG");
  if (path.empty()) return;
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  const std::string line = what + "\n";
  if (fd < 0 || write(fd, line.data(), line.size()) < 0) std::abort();
  close(fd);
}

}  // namespace

absl::Status ReachFailPoint(const char* name) {
  if (!IsFailPointSet(name)) return absl::OkStatus();
  static std::atomic<int> reached = 0;
  if (++reached % Set().every != 0) return absl::OkStatus();
  Tell(name);
  if (Set().action == Action::kCrash) kill(getpid(), SIGKILL);
  if (Set().action == Action::kError) {
    return absl::UnavailableError("a test made this fail: try again");
  }
  absl::SleepFor(Set().delay);
  return absl::OkStatus();
}

bool IsFailPointSet(const char* name) { return Set().name == name; }

bool IsPlanted(const char* bug) {
  static const std::string planted = FromEnvironment("BURSAR_PLANT");
  if (planted != bug) return false;
  static const bool told = (Tell(bug), true);
  return told;
}

const char* Spoiled(const char* bug, const char* text, const char* from, const char* to) {
  if (!IsPlanted(bug)) return text;
  static std::mutex mutex;
  static std::map<std::string, std::string> spoiled;
  const std::lock_guard<std::mutex> lock(mutex);
  const auto [known, is_new] = spoiled.try_emplace(text, text);
  if (is_new) {
    const size_t begin = known->second.find(from);
    if (begin == std::string::npos) std::abort();  // the statement has changed: plant it anew
    known->second.replace(begin, std::string(from).size(), to);
  }
  return known->second.c_str();
}

}  // namespace bursar

#endif
