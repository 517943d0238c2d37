#pragma once

#include <bursar/status.h>

#include <string>
#include <vector>

#include "bursar/v1/telemetry_service.pb.h"
#include "cli/export_state.h"

namespace bursar::cli {

// A bundle is a folder: records.csv (or .csv.zst, .csv.gz), manifest.json, which has the range and
// each file's rows, bytes, cost and SHA-256, and manifest.json.sha256 as `sha256sum` writes it.

// Writes the manifest of `files`, which are in `folder`, and its SHA-256, durably.
Status WriteManifest(const std::string& folder, const v1::ExportUsageRequest& request,
                     const std::vector<ExportedFile>& files);

// What a bundle holds by its manifest, and where it is not so: one sentence for each.
struct VerifiedBundle {
  std::vector<ExportedFile> files;
  std::vector<std::string> faults;
};

// Reads all of it. Errors: FAILED_PRECONDITION where there is no manifest that can be read.
StatusOr<VerifiedBundle> VerifyBundle(const std::string& folder);

}  // namespace bursar::cli
