#pragma once

#include <cstdint>
#include <string_view>

namespace bursar {

// How many tokens a text may be: one for every 4 bytes, rounded up. About right for English prose
// and code; other scripts can take twice as many, so a caller that has the model's own tokenizer
// does better. For the question before a call, e.g.
//
//     .tokens = TokenUsage{.uncached_input_tokens = EstimateTokens(prompt)}
int64_t EstimateTokens(std::string_view text);

}  // namespace bursar
