#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "postgres/session.h"

namespace bursar::postgres {

// The statements that one connection has prepared, by their text.
class PreparedNames {
 public:
  // The statement's name, or null if the server does not know it yet.
  const std::string* Find(std::string_view sql) const;
  std::string NewName();  // never given before, so that a failed Prepare is no obstacle
  void Add(const char* sql, std::string name) { names_.insert_or_assign(sql, std::move(name)); }
  void Clear() { names_.clear(); }  // the next use prepares again, by another name

 private:
  struct Hash {
    using is_transparent = void;  // a lookup copies no text
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };
  std::unordered_map<std::string, std::string, Hash, std::equal_to<>> names_;
  int64_t next_ = 0;
};

// Sends all statements with one sync in libpq's pipeline mode and gives the rows of each, or the
// first error. `connection` must be non-blocking, and is out of pipeline mode again unless it was
// lost or the deadline passed: then it must be closed. `prepared` null: nothing is prepared.
absl::StatusOr<std::vector<Rows>> RunPipeline(pg_conn* connection, PreparedNames* prepared,
                                              const std::vector<Statement>& statements,
                                              absl::Time deadline);

}  // namespace bursar::postgres
