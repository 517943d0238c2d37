#include "metrics/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <array>
#include <map>
#include <mutex>
#include <shared_mutex>
#include <utility>
#include <vector>

namespace bursar::metrics {
namespace {

using prometheus::Counter;
using prometheus::Gauge;
using prometheus::Histogram;

// From a call that no disk delays to one that a client has given up.
const Histogram::BucketBoundaries kSeconds = {0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005,
                                              0.01,   0.025,   0.05,   0.1,   0.25,   0.5,
                                              1,      2.5,     5,      10};
const Histogram::BucketBoundaries kOperations = {1,   2,   4,   8,    16,   32,  64,
                                                 128, 256, 512, 1024, 2048, 4096};

// A metric with N labels, and what has been counted for each combination of their values so far.
// Finding one again builds nothing and waits for nobody.
template <typename Metric, size_t N>
class Labelled {
 public:
  using Values = std::array<std::string_view, N>;
  using Names = std::array<const char*, N>;

  Labelled(prometheus::Family<Metric>& family, Names names) : family_(family), names_(names) {}

  template <typename... Arguments>
  Metric& Of(const Values& values, const Arguments&... arguments) {
    {
      const std::shared_lock<std::shared_mutex> lock(mutex_);
      if (const auto known = known_.find(values); known != known_.end()) return *known->second;
    }
    Key key;
    for (size_t i = 0; i < N; ++i) key[i] = values[i];
    const std::lock_guard<std::shared_mutex> lock(mutex_);
    Metric*& metric = known_[key];
    if (metric == nullptr) metric = &family_.Add(LabelsOf(key), arguments...);
    return *metric;
  }

 private:
  using Key = std::array<std::string, N>;
  struct Less {
    using is_transparent = void;
    template <typename A, typename B>
    bool operator()(const A& a, const B& b) const {
      return std::lexicographical_compare(a.begin(), a.end(), b.begin(), b.end());
    }
  };

  prometheus::Labels LabelsOf(const Key& values) const {
    prometheus::Labels labels;
    for (size_t i = 0; i < N; ++i) labels[names_[i]] = values[i];
    return labels;
  }

  prometheus::Family<Metric>& family_;
  const Names names_;
  std::shared_mutex mutex_;
  std::map<Key, Metric*, Less> known_;
};

prometheus::Family<Counter>& NewCounter(prometheus::Registry& registry, const char* name,
                                        const char* help) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(registry);
}

prometheus::Family<Histogram>& NewHistogram(prometheus::Registry& registry, const char* name,
                                            const char* help) {
  return prometheus::BuildHistogram().Name(name).Help(help).Register(registry);
}

prometheus::Family<Gauge>& NewGauge(prometheus::Registry& registry, const char* name,
                                    const char* help) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(registry);
}

}  // namespace

struct Metrics::Families {
  explicit Families(prometheus::Registry& registry)
      : rpcs(NewCounter(registry, "bursar_rpc_total", "Calls answered, by method and gRPC code."),
             {"method", "code"}),
        rpc_seconds(NewHistogram(registry, "bursar_rpc_duration_seconds",
                                 "From the arrival of a call to its answer."),
                    {"method"}),
        decisions(NewCounter(registry, "bursar_decisions_total",
                             "Answers of CheckBudget; no reason when allowed."),
                  {"decision", "reason"}),
        batches(NewCounter(registry, "bursar_lane_batches_total",
                           "Batches of the ledger, each one transaction, by outcome."),
                {"outcome"}),
        batch_operations(NewHistogram(registry, "bursar_lane_batch_operations",
                                      "Operations in a batch of the ledger.")
                             .Add({}, kOperations)),
        batch_seconds(NewHistogram(registry, "bursar_lane_batch_seconds",
                                   "What a batch of the ledger takes, its transaction included.")
                          .Add({}, kSeconds)),
        queue(NewGauge(registry, "bursar_lane_queue_operations",
                       "Operations that wait for a batch, over all lanes.")
                  .Add({})),
        records(NewCounter(registry, "bursar_usage_records_total",
                           "Usage records kept, by what their cost is based on."),
                {"cost_basis"}),
        expired(NewCounter(registry, "bursar_reservations_expired_total",
                           "Reservations that ended because nobody settled or released them.")
                    .Add({})) {
    for (const char* outcome : {"committed", "read_only", "retried", "failed"}) {
      batches.Of({outcome});  // there from the start, so that rates begin at zero
    }
  }

  Labelled<Counter, 2> rpcs;
  Labelled<Histogram, 1> rpc_seconds;
  Labelled<Counter, 2> decisions;
  Labelled<Counter, 1> batches;
  Histogram& batch_operations;
  Histogram& batch_seconds;
  Gauge& queue;
  Labelled<Counter, 1> records;
  Counter& expired;
};

Metrics::Metrics()
    : registry_(std::make_shared<prometheus::Registry>()),
      families_(std::make_unique<Families>(*registry_)) {}

Metrics::~Metrics() = default;

void Metrics::RpcFinished(std::string_view method, std::string_view code, absl::Duration duration) {
  families_->rpcs.Of({method, code}).Increment();
  families_->rpc_seconds.Of({method}, kSeconds).Observe(absl::ToDoubleSeconds(duration));
}

void Metrics::Decided(std::string_view decision, std::string_view reason) {
  families_->decisions.Of({decision, reason}).Increment();
}

void Metrics::BatchFinished(std::string_view outcome, int operations, absl::Duration duration) {
  families_->batches.Of({outcome}).Increment();
  families_->batch_operations.Observe(operations);
  families_->batch_seconds.Observe(absl::ToDoubleSeconds(duration));
}

void Metrics::QueueChanged(int delta) { families_->queue.Increment(delta); }

void Metrics::Recorded(std::string_view cost_basis) {
  families_->records.Of({cost_basis}).Increment();
}

void Metrics::Expired(int count) { families_->expired.Increment(count); }

std::string Metrics::Expose() const {
  return prometheus::TextSerializer().Serialize(registry_->Collect());
}

}  // namespace bursar::metrics
