#pragma once

#include <string>
#include <utility>
#include <vector>

#include "bursar/v1/types.pb.h"
#include "cli/flags.h"

// Which calls are meant: those of a user, a run, a model, a budget.
namespace bursar::cli {

using Dimensions = std::vector<std::pair<std::string, std::string>>;

// What is given of a subject, as filters and groups name it: {"user", "carol"}, {"label:env", "x"}.
Dimensions DimensionsOf(const v1::Subject& subject);

// "user=carol, run=r-1"; a root run that is the run itself is left out.
std::string SubjectText(const v1::Subject& subject);
// "openai/gpt-4o".
std::string ModelText(const v1::Model& model);

using Filters = google::protobuf::RepeatedPtrField<v1::Filter>;
void AddFilter(const std::string& dimension, const std::string& value, Filters* filters);

// The flags of a subject and a model, and --budget, as filters. Must stay where it is once added.
struct CallFilters {
  v1::Subject subject;
  ModelFlags model;
  std::string budget;

  void AddTo(CLI::App& app);
  void FillInto(Filters* filters) const;
};

}  // namespace bursar::cli
