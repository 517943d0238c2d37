#include "pricing/price_document.h"

#include "absl/strings/str_cat.h"
#include "pricing/bursar_format.h"
#include "pricing/feeds.h"
#include "usage/field_error.h"

namespace bursar::pricing {

absl::StatusOr<ReadDocument> ReadPrices(absl::string_view format, absl::string_view text) {
  if (format == "bursar") return ReadBursarPrices(text);
  if (format == "genai-prices") return ReadGenaiPrices(text);
  if (format == "litellm") return ReadLitellmPrices(text);
  return usage::FieldError("format",
                           absl::StrCat("is \"", format.substr(0, 40),
                                        "\"; allowed are bursar, genai-prices and litellm"));
}

}  // namespace bursar::pricing
