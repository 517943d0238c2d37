#include "postgres/json.h"

#include <nlohmann/json.hpp>

namespace bursar::postgres {
namespace {

using Json = nlohmann::json;

struct SubjectField {
  const char* name;
  std::string usage::Subject::*field;
};
constexpr SubjectField kSubjectFields[] = {
    {"project", &usage::Subject::project},   {"team", &usage::Subject::team},
    {"user", &usage::Subject::user},         {"agent", &usage::Subject::agent},
    {"workflow", &usage::Subject::workflow}, {"tool", &usage::Subject::tool},
    {"run", &usage::Subject::run},           {"parent_run", &usage::Subject::parent_run},
    {"root_run", &usage::Subject::root_run},
};

struct ModelField {
  const char* name;
  std::string usage::Model::*field;
};
constexpr ModelField kModelFields[] = {
    {"provider", &usage::Model::provider},
    {"name", &usage::Model::name},
    {"service_tier", &usage::Model::service_tier},
    {"region", &usage::Model::region},
    {"requested_name", &usage::Model::requested_name},
    {"account", &usage::Model::account},
};

// Only the fields that have a value: most are empty.
template <typename T, typename Fields>
Json EncodeFields(const T& value, const Fields& fields) {
  Json json = Json::object();
  for (const auto& known : fields) {
    if (!(value.*known.field).empty()) json[known.name] = value.*known.field;
  }
  return json;
}

template <typename T, typename Fields>
void DecodeFields(const Json& json, const Fields& fields, T& value) {
  for (const auto& known : fields) value.*known.field = json.value(known.name, "");
}

// What this server wrote always decodes; what somebody else changed in the table must not stop a
// server.
template <typename T>
T DecodeOr(absl::string_view text, T (*decode)(const Json&)) {
  const Json json = Json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
  try {
    return json.is_discarded() ? T{} : decode(json);
  } catch (const Json::exception&) {
    return T{};
  }
}

template <typename T>
T DecodeAs(absl::string_view text) {
  return DecodeOr<T>(text, [](const Json& json) { return json.get<T>(); });
}

}  // namespace

std::string EncodeJson(const std::map<std::string, std::string>& values) {
  return Json(values).dump();
}
std::string EncodeJson(const std::map<std::string, int64_t>& counts) { return Json(counts).dump(); }
std::string EncodeJson(const std::vector<std::string>& values) { return Json(values).dump(); }
std::string EncodeJson(const std::vector<int32_t>& values) { return Json(values).dump(); }

std::string EncodeJson(const usage::Subject& subject) {
  Json json = EncodeFields(subject, kSubjectFields);
  if (!subject.labels.empty()) json["labels"] = subject.labels;
  return json.dump();
}

std::string EncodeJson(const usage::Model& model) {
  return EncodeFields(model, kModelFields).dump();
}

std::string EncodeJson(const std::vector<usage::GuardrailHit>& hits) {
  Json json = Json::array();
  for (const auto& hit : hits) {
    json.push_back({{"name", hit.name}, {"action", hit.action}, {"stage", hit.stage}});
  }
  return json.dump();
}

std::string EncodeJson(const std::vector<ledger::Filter>& filters) {
  Json json = Json::array();
  for (const auto& filter : filters) {
    json.push_back(
        {{"dimension", filter.dimension}, {"values", filter.values}, {"exclude", filter.exclude}});
  }
  return json.dump();
}

std::string EncodeJson(const std::vector<ledger::LimitOverride>& overrides) {
  Json json = Json::array();
  for (const auto& entry : overrides) {
    Json one = {{"group", entry.group}, {"limit", entry.limit}, {"reason", entry.reason}};
    if (entry.start_time) one["start"] = absl::ToUnixMicros(*entry.start_time);
    if (entry.expire_time != absl::InfiniteFuture()) {
      one["expire"] = absl::ToUnixMicros(entry.expire_time);
    }
    json.push_back(std::move(one));
  }
  return json.dump();
}

std::map<std::string, std::string> DecodeTexts(absl::string_view json) {
  return DecodeAs<std::map<std::string, std::string>>(json);
}
std::map<std::string, int64_t> DecodeCounts(absl::string_view json) {
  return DecodeAs<std::map<std::string, int64_t>>(json);
}
std::vector<std::string> DecodeTextList(absl::string_view json) {
  return DecodeAs<std::vector<std::string>>(json);
}
std::vector<int32_t> DecodeIntList(absl::string_view json) {
  return DecodeAs<std::vector<int32_t>>(json);
}

usage::Subject DecodeSubject(absl::string_view text) {
  return DecodeOr<usage::Subject>(text, [](const Json& json) {
    usage::Subject subject;
    DecodeFields(json, kSubjectFields, subject);
    if (json.contains("labels")) json["labels"].get_to(subject.labels);
    return subject;
  });
}

usage::Model DecodeModel(absl::string_view text) {
  return DecodeOr<usage::Model>(text, [](const Json& json) {
    usage::Model model;
    DecodeFields(json, kModelFields, model);
    return model;
  });
}

std::vector<usage::GuardrailHit> DecodeGuardrailHits(absl::string_view text) {
  return DecodeOr<std::vector<usage::GuardrailHit>>(text, [](const Json& json) {
    std::vector<usage::GuardrailHit> hits;
    for (const Json& one : json) {
      hits.push_back({one.value("name", ""), one.value("action", ""), one.value("stage", "")});
    }
    return hits;
  });
}

std::vector<ledger::Filter> DecodeFilters(absl::string_view text) {
  return DecodeOr<std::vector<ledger::Filter>>(text, [](const Json& json) {
    std::vector<ledger::Filter> filters;
    for (const Json& one : json) {
      filters.push_back({one.at("dimension").get<std::string>(),
                         one.at("values").get<std::vector<std::string>>(),
                         one.at("exclude").get<bool>()});
    }
    return filters;
  });
}

std::vector<ledger::LimitOverride> DecodeOverrides(absl::string_view text) {
  return DecodeOr<std::vector<ledger::LimitOverride>>(text, [](const Json& json) {
    std::vector<ledger::LimitOverride> overrides;
    for (const Json& one : json) {
      ledger::LimitOverride entry{
          .group = one.at("group").get<std::map<std::string, std::string>>(),
          .limit = one.at("limit").get<int64_t>(),
          .reason = one.value("reason", "")};
      if (one.contains("start"))
        entry.start_time = absl::FromUnixMicros(one["start"].get<int64_t>());
      if (one.contains("expire"))
        entry.expire_time = absl::FromUnixMicros(one["expire"].get<int64_t>());
      overrides.push_back(std::move(entry));
    }
    return overrides;
  });
}

}  // namespace bursar::postgres
