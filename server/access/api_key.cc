#include "access/api_key.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace bursar::access {
namespace {

constexpr int kIdChars = 12;
constexpr int kSecretChars = 32;  // 160 bits

// Five random bits a character.
std::string RandomText(int chars) {
  static constexpr char kAlphabet[] = "abcdefghijklmnopqrstuvwxyz234567";
  std::string text(chars, '\0');
  auto* bytes = reinterpret_cast<unsigned char*>(text.data());
  if (RAND_bytes(bytes, chars) != 1)
    std::abort();  // no randomness: no key is better than a weak one
  for (char& c : text) c = kAlphabet[static_cast<unsigned char>(c) & 31];
  return text;
}

std::string Sha256(absl::string_view text) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  EVP_Digest(text.data(), text.size(), digest, &size, EVP_sha256(), nullptr);
  return std::string(reinterpret_cast<char*>(digest), size);
}

}  // namespace

absl::StatusOr<KeyText> ParseKeyText(absl::string_view text) {
  const std::vector<absl::string_view> parts = absl::StrSplit(text, '_');
  if (parts.size() != 4 || parts[0] != "bursar" || parts[1].empty() || parts[2].empty() ||
      parts[3].size() != kSecretChars) {
    return absl::UnauthenticatedError(
        "the API key is not one of Bursar's: it looks like bursar_<tenant>_<id>_<secret>");
  }
  return KeyText{std::string(parts[1]), std::string(parts[2]), std::string(parts[3])};
}

NewKey MakeKey(absl::string_view tenant, Role role, absl::string_view display_name) {
  const std::string secret = RandomText(kSecretChars);
  NewKey made{.key = {.id = RandomText(kIdChars),
                      .tenant = std::string(tenant),
                      .display_name = std::string(display_name),
                      .role = role,
                      .secret_sha256 = Sha256(secret)}};
  made.text = absl::StrCat("bursar_", tenant, "_", made.key.id, "_", secret);
  return made;
}

bool SecretMatches(const ApiKey& key, absl::string_view secret) {
  const std::string given = Sha256(secret);
  return key.secret_sha256.size() == given.size() &&
         CRYPTO_memcmp(key.secret_sha256.data(), given.data(), given.size()) == 0;
}

}  // namespace bursar::access
