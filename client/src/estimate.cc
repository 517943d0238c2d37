#include <bursar/estimate.h>

namespace bursar {
namespace {

constexpr size_t kBytesPerToken = 4;

}  // namespace

int64_t EstimateTokens(std::string_view text) {
  const size_t whole = text.size() / kBytesPerToken;
  return static_cast<int64_t>(whole + (text.size() % kBytesPerToken == 0 ? 0 : 1));
}

}  // namespace bursar
