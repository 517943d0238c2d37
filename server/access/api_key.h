#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace bursar::access {

// Numbered as bursar.v1.Role.
enum class Role { kAgent = 1, kViewer, kAdmin, kOperator };

// Who calls: what a key, once proven, says.
struct Caller {
  std::string tenant;
  std::string key_id;
  Role role = Role::kAgent;
};

struct ApiKey {
  std::string id;
  std::string tenant;
  std::string display_name;
  Role role = Role::kAgent;
  std::string secret_sha256;  // 32 bytes
  absl::Time create_time;
  absl::Time expire_time = absl::InfiniteFuture();
  absl::Time revoke_time = absl::InfiniteFuture();
};

// The text that a caller sends as `authorization: Bearer TEXT`: "bursar_<tenant>_<id>_<secret>".
// The secret is 160 random bits in base 32; only its SHA-256 is kept.
struct KeyText {
  std::string tenant, id, secret;
};
absl::StatusOr<KeyText> ParseKeyText(absl::string_view text);

struct NewKey {
  ApiKey key;
  std::string text;  // shown once
};
NewKey MakeKey(absl::string_view tenant, Role role, absl::string_view display_name);

// Compares in constant time.
bool SecretMatches(const ApiKey& key, absl::string_view secret);

}  // namespace bursar::access
