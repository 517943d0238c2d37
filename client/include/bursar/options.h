#pragma once

#include <bursar/status.h>

#include <chrono>
#include <string>

namespace bursar {

// Everything that can be set about a client, with its default and unit.
struct ClientOptions {
  // Where the server is: host:port, [ipv6]:port or unix:/path.
  std::string endpoint = "127.0.0.1:50051";

  // Sent as `authorization: Bearer KEY`. Empty: no key, for a server with --insecure-no-auth.
  std::string api_key;

  // A file that holds the key on its first line; used where api_key is empty. Read once, on
  // connecting.
  std::string api_key_file;

  // Calls travel in plain text; a key is therefore only sent to a loopback address or a unix
  // socket. Set this where something else encrypts the way, e.g. a service mesh's sidecar.
  bool allow_insecure_plaintext = false;

  // How long each call may take in all, retries included. Check and Extend stand in the agent's
  // way, so they are short; Record and Release carry money that is already gone, so they try for
  // longer.
  std::chrono::milliseconds check_timeout{250};    // Check, Extend
  std::chrono::milliseconds record_timeout{2000};  // Record, Release
  std::chrono::milliseconds query_timeout{10000};  // RecordBatch, BudgetStatuses, QueryCosts

  // The wait before a retry: doubles from the first to the second, times a random 0.5 .. 1.
  std::chrono::milliseconds retry_initial_backoff{10};
  std::chrono::milliseconds retry_max_backoff{500};
};

// Reads, for each setting on its own, the environment (BURSAR_ENDPOINT; BURSAR_API_KEY, else
// BURSAR_API_KEY_FILE) and then the file ~/.config/bursar/config, whose lines are
//
//     # a comment
//     endpoint = purse.internal:50051
//     api_key_file = ~/.config/bursar/admin.key
//     api_key = bursar_...
//
// A key or key file in the environment replaces both of the file's. A missing file is no error.
// Errors: INVALID_ARGUMENT for a line that is none of these; FAILED_PRECONDITION for a file that
// exists and cannot be read.
StatusOr<ClientOptions> ClientOptionsFromEnvironment();

}  // namespace bursar
