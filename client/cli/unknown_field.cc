#include "cli/unknown_field.h"

#include <nlohmann/json.hpp>
#include <vector>

#include "cli/nearest.h"

namespace bursar::cli {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using Json = nlohmann::json;

// Times, lengths and free objects, which have a form of their own in JSON.
bool IsWellKnown(const Descriptor& type) { return type.file()->package() == "google.protobuf"; }

std::string Search(const Json& json, const Descriptor& type, const std::string& whose,
                   const std::string& path) {
  for (const auto& [key, value] : json.items()) {
    const FieldDescriptor* field = type.FindFieldByCamelcaseName(key);
    if (field == nullptr) field = type.FindFieldByName(key);
    if (field == nullptr) {
      std::vector<std::string> known;
      for (int i = 0; i < type.field_count(); ++i) known.push_back(type.field(i)->json_name());
      const std::string nearest = Nearest(key, known);
      return "\"" + path + key + "\" is no field of " + whose +
             (nearest.empty() ? "" : "; did you mean \"" + nearest + "\"?");
    }
    if (field->message_type() == nullptr || field->is_map()) continue;
    if (IsWellKnown(*field->message_type())) continue;
    const Json items = value.is_array() ? value : Json::array({value});
    for (const Json& item : items) {
      if (!item.is_object()) continue;
      std::string unknown = Search(item, *field->message_type(), whose, path + key + ".");
      if (!unknown.empty()) return unknown;
    }
  }
  return {};
}

}  // namespace

std::string UnknownField(const Json& json, const Descriptor& type, const std::string& whose) {
  return Search(json, type, whose, "");
}

}  // namespace bursar::cli
