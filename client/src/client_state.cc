#include "src/client_state.h"

#include <algorithm>
#include <cctype>
#include <cstdint>
#include <cstdio>
#include <utility>

#include "src/disabled_connection.h"
#include "src/random_id.h"
#include "src/settings.h"
#include "src/unknown_usage.h"

namespace bursar {
namespace {

constexpr std::chrono::seconds kObserveInterval{1};
constexpr size_t kLabelPartBytesMax = 20;  // two of them with hashes are a label of 64 at most

// FNV-1a, 64 bits.
uint64_t HashOf(std::string_view text) {
  uint64_t hash = 14695981039346656037u;
  for (const unsigned char c : text) hash = (hash ^ c) * 1099511628211u;
  return hash;
}

// `text` as far as a file's name may have it, with a hash where that is not all of it.
std::string NamePart(const std::string& text) {
  std::string part = text.substr(0, kLabelPartBytesMax);
  std::replace_if(
      part.begin(), part.end(),
      [](unsigned char c) { return std::isalnum(c) == 0 && c != '.' && c != '-'; }, '_');
  if (part == text) return part;
  char hash[12];
  std::snprintf(hash, sizeof hash, "-%08x", static_cast<unsigned>(HashOf(text)));
  return part + hash;
}

void FillIn(const std::string& from, std::string* to) {
  if (to->empty()) *to = from;
}

ClientOptions Checked(ClientOptions options) {
  options.disabled =
      options.disabled || internal::DisabledByEnvironment(internal::SettingsSource::Process());
  return options;
}

}  // namespace

namespace internal {

std::string JournalLabel(const std::string& endpoint, const std::string& api_key) {
  std::string label = NamePart(endpoint);
  constexpr std::string_view kPrefix = "bursar_";  // of "bursar_<tenant>_<id>_<secret>"
  if (api_key.rfind(kPrefix, 0) != 0) return label;
  const size_t end = api_key.find('_', kPrefix.size());
  if (end == std::string::npos || end == kPrefix.size()) return label;
  return label + "-" + NamePart(api_key.substr(kPrefix.size(), end - kPrefix.size()));
}

}  // namespace internal

Client::State::State(std::shared_ptr<Connection> its_connection, ClientOptions its_options)
    : options(Checked(std::move(its_options))),
      connection(options.disabled ? internal::MakeDisabledConnection() : std::move(its_connection)),
      health(options),
      query_health(options),
      allowance(options),
      keeper(
          [this](const ExtendRequest& request) {
            return Extend(request, {std::chrono::steady_clock::now() + options.check_timeout});
          },
          kObserveInterval) {}

void Client::State::Complete(Subject* subject, std::optional<TraceIds>* trace) const {
  Inherit(CurrentCall(), subject, trace);
  const Subject& defaults = options.subject;
  if (defaults == Subject{}) return;
  Inherit({.subject = defaults}, subject, trace);
  FillIn(defaults.project, &subject->project);
  FillIn(defaults.team, &subject->team);
  FillIn(defaults.user, &subject->user);
  FillIn(defaults.agent, &subject->agent);
  FillIn(defaults.workflow, &subject->workflow);
  FillIn(defaults.tool, &subject->tool);
  for (const auto& [name, value] : defaults.labels) subject->labels.emplace(name, value);
}

void Client::State::Complete(RecordRequest* record) {
  if (record->usage_id.empty()) record->usage_id = internal::RandomUuid();
  if (internal::WouldSettleAsZero(*record)) record->outcome = Outcome::kUnknown;
  allowance.Complete(record);
  // With a reservation an empty subject is the reservation's.
  Subject reserved;
  const bool is_reserved = !record->reservation_id.empty() && record->subject == reserved;
  Complete(is_reserved ? &reserved : &record->subject, &record->trace);
}

StatusOr<Recorder*> Client::State::StartedRecorder() {
  const std::lock_guard lock(recorder_mutex_);
  if (recorder_ == nullptr) {
    auto its = OptionsOfRecorder();
    if (!its.ok()) return its.status();
    auto started = Recorder::Start(connection, *std::move(its));
    if (!started.ok()) return started.status();
    recorder_ = *std::move(started);
  }
  return recorder_.get();
}

Recorder* Client::State::RecorderIfStarted() const {
  const std::lock_guard lock(recorder_mutex_);
  return recorder_.get();
}

StatusOr<RecorderOptions> Client::State::OptionsOfRecorder() {
  RecorderOptions its = options.recorder;
  if (its.journal_label.empty() && !its.journal_folder.empty()) {
    // A key that cannot be read just now must not put the records under another label, where the
    // next process would not look for them.
    const auto key = internal::LoadApiKey(options, internal::SettingsSource::Process());
    if (!key.ok()) return key.status();
    its.journal_label = internal::JournalLabel(options.endpoint, *key);
  }
  its.on_delivered = [this, told = std::move(its.on_delivered)](const std::string& usage_id) {
    allowance.Delivered(usage_id);
    if (told) told(usage_id);
  };
  return its;
}

StatusOr<ExtendResponse> Client::State::Extend(const ExtendRequest& request,
                                               const CallOptions& call) {
  return Call(call.deadline, [&] { return connection->Extend(request, call); });
}

}  // namespace bursar
