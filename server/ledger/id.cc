#include "ledger/id.h"

#include <openssl/evp.h>

#include <memory>

namespace bursar::ledger {
namespace {

// Fetched once: looking the algorithm up takes longer than hashing.
const EVP_MD* Sha256() {
  static EVP_MD* const md = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  return md;
}

int HexValue(char c) { return c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10; }

}  // namespace

IdHash& IdHash::Add(absl::string_view part) {
  const uint32_t length = static_cast<uint32_t>(part.size());
  const char* const size = reinterpret_cast<const char*>(&length);
  bytes_.insert(bytes_.end(), size, size + sizeof(length));
  bytes_.insert(bytes_.end(), part.begin(), part.end());
  return *this;
}

IdHash& IdHash::Add(int64_t number) {
  return Add(absl::string_view(reinterpret_cast<const char*>(&number), sizeof(number)));
}

Id IdHash::Finish() const {
  thread_local const std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> digest(EVP_MD_CTX_new(),
                                                                               EVP_MD_CTX_free);
  unsigned char out[EVP_MAX_MD_SIZE];
  EVP_DigestInit_ex2(digest.get(), Sha256(), nullptr);
  EVP_DigestUpdate(digest.get(), bytes_.data(), bytes_.size());
  EVP_DigestFinal_ex(digest.get(), out, nullptr);
  auto word = [&](int at) {
    uint64_t value = 0;
    for (int i = 0; i < 8; ++i) value = value << 8 | out[at + i];
    return value;
  };
  return Id{word(0), word(8)};
}

Id HashId(std::initializer_list<absl::string_view> parts) {
  IdHash hash(*parts.begin());
  for (auto part = parts.begin() + 1; part != parts.end(); ++part) hash.Add(*part);
  return hash.Finish();
}

std::string ToUuid(const Id& id) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  text.reserve(36);
  for (int nibble = 0; nibble < 32; ++nibble) {
    if (nibble == 8 || nibble == 12 || nibble == 16 || nibble == 20) text.push_back('-');
    const uint64_t word = nibble < 16 ? id.high : id.low;
    text.push_back(kDigits[word >> (60 - 4 * (nibble % 16)) & 0xF]);
  }
  return text;
}

Id FromUuid(absl::string_view uuid) {
  Id id;
  int nibble = 0;
  for (char c : uuid) {
    if (c == '-') continue;
    uint64_t& word = nibble++ < 16 ? id.high : id.low;
    word = word << 4 | static_cast<uint64_t>(HexValue(c));
  }
  return id;
}

}  // namespace bursar::ledger
