#include "cli/command.h"

#include <google/protobuf/util/json_util.h>

#include <algorithm>

namespace bursar::cli {

int Fail(const Status& status, const Server& server, Output& output) {
  output.err << Explain(status, server.endpoint(), server.timeout());
  return status.code() == StatusCode::kInvalidArgument ? kExitUsage : kExitFailed;
}

int FailUsage(const Status& status, Output& output) {
  output.err << "bursar: " << status.message() << "\n";
  return kExitUsage;
}

StatusOr<std::string> JsonText(const google::protobuf::Message& message, JsonForm form) {
  google::protobuf::util::JsonPrintOptions options;
  options.add_whitespace = form == JsonForm::kPage;
  options.always_print_primitive_fields = true;  // a script need not ask whether a 0 is there
  std::string json;
  const auto status = google::protobuf::util::MessageToJsonString(message, &json, options);
  if (!json.empty() && json.back() != '\n') json += '\n';
  if (status.ok()) return json;
  return Status(StatusCode::kInternal,
                "the answer cannot be written as JSON: " + std::string(status.ToString()));
}

int PrintJson(const google::protobuf::Message& message, Output& output) {
  const auto json = JsonText(message);
  if (!json.ok()) {
    output.err << "bursar: " << json.status().message() << "\n";
    return kExitFailed;
  }
  output.out << *json;
  return kExitOk;
}

void PrintPairs(const std::vector<std::pair<std::string, std::string>>& pairs, Output& output) {
  size_t width = 0;
  for (const auto& [name, value] : pairs) {
    if (!value.empty()) width = std::max(width, name.size());
  }
  for (const auto& [name, value] : pairs) {
    if (value.empty()) continue;
    output.out << output.palette.Dim(name) << std::string(width - name.size() + 2, ' ') << value
               << "\n";
  }
}

}  // namespace bursar::cli
