#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

namespace bursar::bench {

// A program that this benchmark runs beside itself: ended with this object.
class Process {
 public:
  // `argv[0]` is a path. Its standard output and error are read by ReadLine().
  explicit Process(std::vector<std::string> argv);
  ~Process();  // closes its standard input, SIGTERM, waits
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  pid_t pid() const { return pid_; }
  std::string ReadLine();       // "" at the end of its output
  int64_t MemoryBytes() const;  // resident, of the process alone

 private:
  pid_t pid_ = -1;
  int input_ = -1, output_ = -1;
  std::string buffered_;
};

// A bursar-server on a database, without keys: running, with its address.
struct Server {
  std::unique_ptr<Process> process;
  std::string address;
};
Server StartServer(const std::string& database_url, std::vector<std::string> flags = {});
Server StartNoopServer(int budgets_per_answer);

}  // namespace bursar::bench
