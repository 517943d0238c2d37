#include <bursar/enclosing_call.h>

#include <algorithm>
#include <utility>
#include <vector>

namespace bursar {
namespace {

constexpr size_t kTraceIdChars = 32;
constexpr size_t kSpanIdChars = 16;

// The living scopes of this thread, the innermost last. One that ends out of turn is taken out of
// the middle.
std::vector<const EnclosingCall*>& Scopes() {
  thread_local std::vector<const EnclosingCall*> scopes;
  return scopes;
}

bool IsId(std::string_view text, size_t chars) {
  return text.size() == chars &&
         text.find_first_not_of("0123456789abcdef") == std::string_view::npos &&
         text.find_first_not_of('0') != std::string_view::npos;
}

}  // namespace

EnclosingCall CurrentCall() { return Scopes().empty() ? EnclosingCall{} : *Scopes().back(); }

EnclosingCallScope::EnclosingCallScope(EnclosingCall call) : call_(std::move(call)) {
  Scopes().push_back(&call_);
}

EnclosingCallScope::~EnclosingCallScope() {
  auto& scopes = Scopes();
  scopes.erase(std::remove(scopes.begin(), scopes.end(), &call_), scopes.end());
}

void Inherit(const EnclosingCall& outer, Subject* subject, std::optional<TraceIds>* trace) {
  if (const Subject& around = outer.subject; !around.run.empty()) {
    const std::string& root = around.root_run.empty() ? around.run : around.root_run;
    if (subject->run.empty() || subject->run == around.run) {  // named or not, the same run
      subject->run = around.run;
      if (subject->parent_run.empty()) subject->parent_run = around.parent_run;
      if (subject->root_run.empty()) subject->root_run = around.root_run;
    } else {
      if (subject->parent_run.empty()) subject->parent_run = around.run;
      if (subject->root_run.empty()) subject->root_run = root;
    }
  }
  if (outer.trace.trace_id.empty() || (*trace && !(*trace)->trace_id.empty())) return;
  if (!*trace) trace->emplace();
  (*trace)->trace_id = outer.trace.trace_id;
  if ((*trace)->parent_span_id.empty()) (*trace)->parent_span_id = outer.trace.span_id;
}

std::optional<TraceIds> ParseTraceparent(std::string_view header) {
  constexpr size_t kLength = 2 + 1 + kTraceIdChars + 1 + kSpanIdChars + 1 + 2;
  if (header.size() < kLength || (header.size() > kLength && header[kLength] != '-')) return {};
  const std::string_view version = header.substr(0, 2);
  const std::string_view trace_id = header.substr(3, kTraceIdChars);
  const std::string_view span_id = header.substr(4 + kTraceIdChars, kSpanIdChars);
  const bool dashes = header[2] == '-' && header[3 + kTraceIdChars] == '-' &&
                      header[4 + kTraceIdChars + kSpanIdChars] == '-';
  if (!dashes || version == "ff" || !IsId(trace_id, kTraceIdChars) ||
      !IsId(span_id, kSpanIdChars)) {
    return {};
  }
  if (version == "00" && header.size() != kLength) return {};
  return TraceIds{.trace_id = std::string(trace_id), .span_id = std::string(span_id)};
}

std::string FormatTraceparent(const TraceIds& trace) {
  if (!IsId(trace.trace_id, kTraceIdChars) || !IsId(trace.span_id, kSpanIdChars)) return "";
  return "00-" + trace.trace_id + "-" + trace.span_id + "-01";
}

}  // namespace bursar
