#include "cli/export_state.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "cli/input.h"
#include "src/file_descriptor.h"

namespace bursar::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kVersion = 1;

Json ToJson(const ExportedFile& file) {
  return {{"name", file.name},
          {"table", file.table},
          {"rows", file.rows},
          {"bytes", file.bytes},
          {"cost_nanousd", file.cost_nanousd},
          {"cursor", file.cursor},
          {"complete", file.complete}};
}

ExportedFile FileOf(const Json& json) {
  return {.name = json.at("name"),
          .table = json.at("table"),
          .rows = json.at("rows"),
          .bytes = json.at("bytes"),
          .cost_nanousd = json.at("cost_nanousd"),
          .cursor = json.at("cursor"),
          .complete = json.at("complete")};
}

}  // namespace

StatusOr<std::optional<ExportState>> ReadExportState(const std::string& path) {
  if (!std::filesystem::exists(path)) return std::optional<ExportState>();
  const auto text = ReadInput(path);
  if (!text.ok()) return text.status();
  try {
    const Json json = Json::parse(*text);
    ExportState state{.asked = json.at("asked"), .request = json.at("request")};
    for (const Json& file : json.at("files")) state.files.push_back(FileOf(file));
    if (json.at("version") == kVersion) return std::optional(std::move(state));
  } catch (const nlohmann::json::exception&) {
  }
  return Status(StatusCode::kFailedPrecondition,
                path + " is not how far an export is; without it the export begins anew");
}

Status WriteExportState(const std::string& path, const ExportState& state) {
  Json files = Json::array();
  for (const ExportedFile& file : state.files) files.push_back(ToJson(file));
  const Json json = {
      {"version", kVersion}, {"asked", state.asked}, {"request", state.request}, {"files", files}};
  const std::string draft = path + ".new";
  const auto fd = internal::OpenFile(draft, O_WRONLY | O_CREAT | O_TRUNC);
  if (!fd.ok()) return fd.status();
  const std::string text =
      json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
  if (Status status = internal::WriteAt(*fd, 0, text, draft); !status.ok()) return status;
  if (fdatasync(fd->get()) != 0 || std::rename(draft.c_str(), path.c_str()) != 0) {
    return internal::SystemError("cannot write", path);
  }
  return {};
}

}  // namespace bursar::cli
