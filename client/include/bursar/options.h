#pragma once

#include <bursar/status.h>
#include <bursar/types.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

namespace bursar {

// A record that Record() took, and that will not be delivered.
struct DroppedRecord {
  std::string usage_id;
  Status why;             // the server's refusal, or what failed here
  std::string set_aside;  // the file that has it now; empty: it is lost
};

// Everything that can be set about a recorder, with its default and unit.
struct RecorderOptions {
  // The folder of the journal; empty: records are kept in memory alone, and a crash loses those
  // that are not delivered. It should be on a local disk. Processes may share it.
  std::string journal_folder;

  // Whose records these are: [A-Za-z0-9._-], at most 64 bytes. A recorder delivers what dead
  // processes left under the same label, with its own connection and key: so give each server and
  // tenant that share a folder a label of their own. Empty: a Client makes one of its endpoint and
  // its key's tenant; a Recorder of its own takes "default".
  std::string journal_label;

  uint64_t journal_bytes_max = 256 << 20;           // all segments together: 256 MiB
  uint64_t segment_bytes_max = 4 << 20;             // one file of it: 4 MiB; at most 2 GiB
  uint64_t set_aside_bytes_max = 64 << 20;          // what is set aside for people: 64 MiB
  std::chrono::milliseconds adopt_interval{30000};  // between two looks for what dead ones left

  // What may wait in memory: for the journal; without one, for delivery. Over either, Record()
  // refuses.
  size_t memory_records_max = 10000;
  size_t memory_bytes_max = 32 << 20;  // 32 MiB

  // One call to the server has at most so many records (the server's own bound is 1000) and, unless
  // one alone is bigger, so many bytes. A record waits `linger` for others at most; a full batch
  // goes at once.
  size_t batch_records_max = 100;
  size_t batch_bytes_max = 1 << 20;  // 1 MiB
  std::chrono::milliseconds linger{50};

  std::chrono::milliseconds send_timeout{5000};  // one call to the server
  // The wait before a batch is tried again: doubles from the first to the second, times a random
  // 0.5 .. 1, and at least as long as the server asks.
  std::chrono::milliseconds retry_initial_backoff{100};
  std::chrono::milliseconds retry_max_backoff{30000};
  std::chrono::milliseconds retry_after_max{3600000};  // a server cannot ask for more than 1 h

  // How long Close and the destructor wait for delivery. A call under way is not cut off, so it
  // can be as long as send_timeout if that is more.
  std::chrono::milliseconds close_timeout{5000};

  // Told of every record that Record() took and that is dropped; on a thread of the recorder, which
  // waits for it, at the end on the one that closes it. May call Record and Stats, not Flush or
  // Close. What it throws is ignored.
  std::function<void(const DroppedRecord&)> on_drop;
  // The same, of every record that the server has counted.
  std::function<void(const std::string& usage_id)> on_delivered;
};

// What a check answers while the server cannot be reached.
enum class FailurePolicy : int {
  kFailClosed = 0,  // the error; nobody may spend
  kFailOpen = 1,    // allowed, as long as the offline allowance lasts
};

// Everything that can be set about a client, with its default and unit.
struct ClientOptions {
  // Where the server is: host:port, [ipv6]:port or unix:/path. Of a name with several addresses,
  // and of several ip:port with commas between them, all that are reachable are used in turn.
  std::string endpoint = "127.0.0.1:50051";

  // Sent as `authorization: Bearer KEY`. Empty: no key, for a server with --insecure-no-auth.
  std::string api_key;

  // A file that holds the key on its first line; used where api_key is empty. Read on connecting,
  // and again (at most once a second) when the server refuses the key: so a key can be replaced
  // without a restart.
  std::string api_key_file;

  // TLS. The server is proven by the system's authorities or by those of tls_ca_file, under the
  // name of the endpoint or tls_server_name. For mTLS, give certificate and key. All files are PEM,
  // read on connecting.
  bool tls = false;
  std::string tls_ca_file;
  std::string tls_certificate_file;
  std::string tls_key_file;
  std::string tls_server_name;

  // Without TLS a key is only sent to a loopback address or a unix socket. Set this where something
  // else encrypts the way, e.g. a service mesh's sidecar.
  bool allow_insecure_plaintext = false;

  // What a request's subject leaves empty, and no call around it says.
  Subject subject;

  // Check and every other call answer at once and do nothing: for tests, and to switch Bursar off.
  // Also set by BURSAR_DISABLED=1 in the environment, whatever stands here.
  bool disabled = false;

  // How long each call may take in all, retries included. Check and Extend stand in the agent's
  // way, so they are short; Record and Release carry money that is already gone, so they try for
  // longer.
  std::chrono::milliseconds check_timeout{250};    // Check, Extend
  std::chrono::milliseconds record_timeout{2000};  // Record, Release
  std::chrono::milliseconds query_timeout{10000};  // RecordBatch, BudgetStatuses, QueryCosts

  // The wait before a retry: doubles from the first to the second, times a random 0.5 .. 1.
  std::chrono::milliseconds retry_initial_backoff{10};
  std::chrono::milliseconds retry_max_backoff{500};

  // The retry budget of gRFC A6: it starts full, a failed attempt takes 1, a good one gives
  // retry_budget_ratio back, and nothing is repeated while it is at half or below.
  double retry_budget_max = 10;
  double retry_budget_ratio = 0.1;

  // The circuit breaker: after so many attempts in a row that ended UNAVAILABLE or
  // DEADLINE_EXCEEDED, calls fail at once for so long; then one call tries. 0: no breaker.
  int breaker_failures = 5;
  std::chrono::milliseconds breaker_open_time{1000};

  // Only a server that cannot be reached (UNAVAILABLE, DEADLINE_EXCEEDED) is a reason to allow
  // offline; a denial, a wrong key or a bad request never is. Each call allowed so takes its cost
  // from the allowance: cost_nanousd of its check, else the largest of offline_call_nanousd and
  // what the server has estimated for the same model; where all are 0 it is not allowed. What its
  // records say that it cost counts instead, all together. It comes back when the server has
  // counted the record, or the reservation is released. A record that does not know what the call
  // used is charged what was granted. Counted for each Client, in memory.
  FailurePolicy failure_policy = FailurePolicy::kFailClosed;
  int64_t offline_allowance_nanousd = 0;
  int64_t offline_call_nanousd = 0;

  // For RecordAsync and Guards. Begins on connecting where there is a journal_folder, else with the
  // first record.
  RecorderOptions recorder;
};

// Reads, for each setting on its own, the environment and then the file ~/.config/bursar/config,
// whose lines are
//
//     # a comment
//     endpoint = purse.internal:50051
//     api_key_file = ~/.config/bursar/admin.key
//
// | environment                  | file                  | sets                              |
// | BURSAR_ENDPOINT              | endpoint              | endpoint                          |
// | BURSAR_API_KEY               | api_key               | api_key                           |
// | BURSAR_API_KEY_FILE          | api_key_file          | api_key_file                      |
// | BURSAR_TLS (1 or 0)          | tls                   | tls                               |
// | BURSAR_TLS_CA_FILE           | tls_ca_file           | tls_ca_file; each of these four   |
// | BURSAR_TLS_CERTIFICATE_FILE  | tls_certificate_file  | also tls, unless that is set to 0 |
// | BURSAR_TLS_KEY_FILE          | tls_key_file          |                                   |
// | BURSAR_TLS_SERVER_NAME       | tls_server_name       |                                   |
// | BURSAR_JOURNAL_FOLDER        | journal_folder        | recorder.journal_folder           |
// | BURSAR_OFFLINE_ALLOWANCE_USD | offline_allowance_usd | kFailOpen, and its allowance      |
// | BURSAR_OFFLINE_CALL_USD      | offline_call_usd      | offline_call_nanousd              |
// | BURSAR_RUN, BURSAR_ROOT_RUN  |                       | subject.run, subject.root_run     |
// | BURSAR_DISABLED (1 or 0)     |                       | disabled                          |
//
// A key or key file in the environment replaces both of the file's. A missing file is no error.
// Errors: INVALID_ARGUMENT for a line or a value that cannot be; FAILED_PRECONDITION for a file
// that exists and cannot be read.
StatusOr<ClientOptions> ClientOptionsFromEnvironment();

}  // namespace bursar
