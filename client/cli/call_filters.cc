#include "cli/call_filters.h"

#include <map>

#include "cli/render.h"

namespace bursar::cli {

Dimensions DimensionsOf(const v1::Subject& subject) {
  const std::pair<const char*, const std::string&> kFields[] = {
      {"project", subject.project()},   {"team", subject.team()},
      {"user", subject.user()},         {"agent", subject.agent()},
      {"workflow", subject.workflow()}, {"tool", subject.tool()},
      {"run", subject.run()},           {"parent_run", subject.parent_run()},
      {"root_run", subject.root_run()},
  };
  Dimensions dimensions;
  for (const auto& [name, value] : kFields) {
    if (!value.empty()) dimensions.emplace_back(name, value);
  }
  const std::map<std::string, std::string> labels(subject.labels().begin(), subject.labels().end());
  for (const auto& [name, value] : labels) dimensions.emplace_back("label:" + name, value);
  return dimensions;
}

std::string SubjectText(const v1::Subject& subject) {
  std::string text;
  for (const auto& [name, value] : DimensionsOf(subject)) {
    if (name == "root_run" && value == subject.run()) continue;
    text += (text.empty() ? "" : ", ") + name + "=" + value;
  }
  return text;
}

std::string ModelText(const v1::Model& model) {
  return model.provider().empty() ? model.name() : model.provider() + "/" + model.name();
}

void AddFilter(const std::string& dimension, const std::string& value, Filters* filters) {
  if (value.empty()) return;
  v1::Filter* filter = filters->Add();
  filter->set_dimension(dimension);
  filter->add_values(value);
}

void CallFilters::AddTo(CLI::App& app) {
  AddSubjectFlags(app, &subject);
  model.AddTo(app);
  app.add_option("--budget", budget, "of this budget alone")->type_name("ID");
}

void CallFilters::FillInto(Filters* filters) const {
  for (const auto& [name, value] : DimensionsOf(subject)) AddFilter(name, value, filters);
  const v1::Model wanted = model.Model();
  AddFilter("provider", wanted.provider(), filters);
  AddFilter("model", wanted.name(), filters);
  AddFilter("service_tier", wanted.service_tier(), filters);
  AddFilter("region", wanted.region(), filters);
  AddFilter("budget", BudgetId(budget), filters);
}

}  // namespace bursar::cli
