#pragma once

#include <bursar/types.h>

#include <optional>
#include <string>
#include <string_view>

namespace bursar {

// What calls made inside another call inherit from it.
struct EnclosingCall {
  Subject subject;  // of it: run, parent_run and root_run
  TraceIds trace;   // trace_id, and in span_id the surrounding call
};

// Of this thread: the innermost EnclosingCallScope or allowed Guard that lives; empty where there
// is none.
EnclosingCall CurrentCall();

// Makes a call this thread's current one while it lives: to carry one to another thread, or to
// begin with one that came with a request.
//
//     std::thread([call = bursar::CurrentCall()] {
//       bursar::EnclosingCallScope scope(call);
//       ...
//     });
//
// To be destroyed on its own thread.
class EnclosingCallScope {
 public:
  explicit EnclosingCallScope(EnclosingCall call);
  ~EnclosingCallScope();
  EnclosingCallScope(const EnclosingCallScope&) = delete;
  EnclosingCallScope& operator=(const EnclosingCallScope&) = delete;

 private:
  EnclosingCall call_;
};

// Fills in what `subject` and `trace` leave empty, as Client does for each request from
// CurrentCall():
// - no run: run, parent_run and root_run of `outer`;
// - another run than its: it is the parent_run, and its root_run the root_run;
// - no trace_id: its own, with its span as parent_span_id.
void Inherit(const EnclosingCall& outer, Subject* subject, std::optional<TraceIds>* trace);

// Ids of a W3C `traceparent` header, "00-<trace id>-<span id>-<flags>"; nothing for another text.
std::optional<TraceIds> ParseTraceparent(std::string_view header);
// "" where the ids are not of that form.
std::string FormatTraceparent(const TraceIds& trace);

}  // namespace bursar
