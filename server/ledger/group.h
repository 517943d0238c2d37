#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>

namespace bursar::ledger {

// The values of a budget's group_by dimensions that one counter is kept for: {"user": "carol"}.
// Never changed, so that a copy shares it: a counter's group travels into every answer about it.
class Group {
 public:
  using Values = std::map<std::string, std::string>;

  Group() = default;
  Group(Values values)  // NOLINT: a group is its values
      : values_(values.empty() ? nullptr : std::make_shared<const Values>(std::move(values))) {}

  const Values& values() const {
    static const Values none;
    return values_ == nullptr ? none : *values_;
  }
  operator const Values&() const { return values(); }
  bool empty() const { return values_ == nullptr; }
  Values::const_iterator begin() const { return values().begin(); }
  Values::const_iterator end() const { return values().end(); }

 private:
  std::shared_ptr<const Values> values_;  // null: no dimension
};

}  // namespace bursar::ledger
