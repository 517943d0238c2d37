#include "cli/watch.h"

#include <future>

#include "absl/time/clock.h"
#include "cli/flags.h"
#include "cli/live_screen.h"
#include "cli/period.h"
#include "cli/signals.h"
#include "src/text.h"

namespace bursar::cli {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kIntervalDefault(2000);
constexpr milliseconds kIntervalMin(100);
constexpr milliseconds kTick(20);  // how soon a signal ends a look that is under way

StatusOr<milliseconds> ParseInterval(std::string_view text) {
  // CLI11 says "true" where the flag stands alone.
  if (text.empty() || text == "true") return kIntervalDefault;
  const auto time = ParseDuration(text);
  if (!time.ok()) return time.status();
  if (*time < kIntervalMin) return WrongValue(text, "is too short", "100ms or more");
  return std::chrono::duration_cast<milliseconds>(*time);
}

bool MayBeBetterLater(StatusCode code) {
  return code != StatusCode::kInvalidArgument && code != StatusCode::kUnauthenticated &&
         code != StatusCode::kPermissionDenied;
}

// A look in a thread of its own; nothing where a signal came first, which also ends the look.
std::optional<StatusOr<std::string>> LookUnlessStopped(const Look& look, Server& server,
                                                       Signals& signals) {
  auto found = std::async(std::launch::async, look, JsonForm::kLine);
  while (found.wait_for(milliseconds(0)) != std::future_status::ready) {
    if (signals.Wait(kTick) == 0) continue;
    do {
      server.Cancel();  // a look may be several calls
    } while (found.wait_for(kTick) != std::future_status::ready);
    return std::nullopt;
  }
  return found.get();
}

// One look after the other, each below the one before.
class Pages {
 public:
  explicit Pages(Output& output) : output_(output) {}

  // Whether somebody still reads.
  bool Show(const std::string& text) {
    if (shown_ && !output_.json) output_.out << "\n";
    shown_ = true;
    failure_.clear();
    output_.out << text << std::flush;
    return output_.out.good();
  }
  void ShowFailure(const std::string& sentence) {
    if (sentence != failure_) output_.err << sentence << std::flush;
    failure_ = sentence;  // once is enough, for as long as it stays the same
  }

 private:
  Output& output_;
  bool shown_ = false;
  std::string failure_;
};

// One look in place of the one before.
class Screen {
 public:
  Screen(Output& output, milliseconds interval)
      : output_(output), every_("every " + internal::FormatDuration(interval)) {
    screen_.emplace(output.out);
  }
  // What was seen last stays to be read.
  ~Screen() {
    screen_.reset();
    output_.out << last_ << std::flush;
  }

  bool Show(const std::string& text) {
    last_ = text;
    screen_->Show(
        last_, output_.palette.Dim(FormatSecond(absl::Now()) + ", " + every_ + "; Ctrl-C ends it"));
    return output_.out.good();
  }
  void ShowFailure(const std::string& sentence) {
    screen_->Show(last_, output_.palette.Red(sentence.substr(0, sentence.find('\n'))));
  }

 private:
  Output& output_;
  const std::string every_;
  std::optional<LiveScreen> screen_;
  std::string last_;
};

// What ended it for good; OK where a signal or the reader did.
template <typename Place>
Status Repeat(Place&& place, const Look& look, milliseconds interval, Server& server) {
  Signals signals({SIGINT, SIGTERM});
  do {
    const auto found = LookUnlessStopped(look, server, signals);
    if (!found) return {};
    if (found->ok()) {
      if (!place.Show(**found)) return {};
    } else if (MayBeBetterLater(found->status().code())) {
      place.ShowFailure(Explain(found->status(), server.endpoint(), server.timeout()));
    } else {
      return found->status();
    }
  } while (signals.Wait(interval) == 0);
  return {};
}

}  // namespace

void WatchFlag::AddTo(CLI::App& app) {
  AddParsedFlag(app, "--watch", "TIME", "show it again every 2s, or as often as said",
                ParseInterval, [this](milliseconds interval) { interval_ = interval; })
      ->expected(0, 1)
      ->option_text("[TIME]");
}

int WatchFlag::Show(const Look& look, Server& server, Output& output) const {
  if (interval_) return Watch(look, server, output);
  const auto text = look(JsonForm::kPage);
  if (!text.ok()) return Fail(text.status(), server, output);
  output.out << *text;
  return kExitOk;
}

int WatchFlag::Watch(const Look& look, Server& server, Output& output) const {
  const Status status = output.live && !output.json
                            ? Repeat(Screen(output, *interval_), look, *interval_, server)
                            : Repeat(Pages(output), look, *interval_, server);
  return status.ok() ? kExitOk : Fail(status, server, output);
}

}  // namespace bursar::cli
