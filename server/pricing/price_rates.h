#pragma once

#include <array>
#include <cstdint>

#include "absl/strings/string_view.h"
#include "pricing/price.h"

// What a token class costs that has no price of its own:
//
//   cache_write_1h                          as cache_write_5m, else as input
//   cache_read, cache_write_5m,
//   input_audio, input_image                as input
//   reasoning, output_audio, output_image   as output
//   other "cache_read_X"                    as cache_read, else as input_X, else as input
//   other "cache_write_X"                   as cache_write_5m, else as input_X, else as input
//   other "output..."                       as output
//   any other                               as input
namespace bursar::pricing {

inline constexpr int64_t kNoPrice = -1;

using Rates = std::array<int64_t, usage::kTokenClasses>;  // nano-USD per 10^6 tokens, or kNoPrice

Rates RatesOf(const Price& price);
// `rates`: the price's own. Does not allocate.
int64_t OtherRate(const Price& price, const Rates& rates, const std::string& name);

}  // namespace bursar::pricing
