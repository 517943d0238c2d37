#pragma once

#include <string>
#include <vector>

#include "tidy/source_file.h"

namespace bursar::tidy {

// One place that breaks a rule, and what to do instead.
struct Finding {
  std::string path;
  int line;
  std::string advice;

  std::string ToString() const { return path + ":" + std::to_string(line) + ": " + advice; }
};

using Findings = std::vector<Finding>;
using Rule = Findings (*)(const SourceFile&);

// A file in server/ includes its own folder or one of lower rank.
Findings IncludeDirection(const SourceFile& file);
// SQL and libpq stand in server/postgres alone (and where people play with it: client/demo, tests).
Findings SqlInItsPlace(const SourceFile& file);
// gRPC and generated messages stand in server/rpc alone (and in the client's inside, and tests).
Findings GrpcInItsPlace(const SourceFile& file);
// What a client program includes needs only the standard library (mocks also need gMock).
Findings PublicHeaders(const SourceFile& file);
Findings FileLength(const SourceFile& file);
Findings LineLength(const SourceFile& file);
Findings FunctionLength(const SourceFile& file);
// Names that say nothing: Manager, Util and their like, in files and classes.
Findings Names(const SourceFile& file);
Findings NoMachinePaths(const SourceFile& file);
Findings NoTabs(const SourceFile& file);

}  // namespace bursar::tidy
