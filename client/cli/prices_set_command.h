#pragma once

#include <optional>
#include <string>

#include "absl/time/time.h"
#include "cli/command.h"

namespace bursar::cli {

// bursar prices set: the price of one model, by hand.
class SetPriceCommand final : public Command {
 public:
  explicit SetPriceCommand(CLI::App& prices);

  // The price that was typed; `now` dates its source where none was given.
  // Errors: INVALID_ARGUMENT where the model, its provider or a price is missing, or both prices
  // and --same-as are given.
  StatusOr<v1::Price> Price(absl::Time now) const;
  int Run(Server& server, Output& output) override;

 private:
  void AddPriceFlags();
  void AddScopeFlags();
  bool HasOwnPrices() const;
  // Says so where another row goes on pricing the model, since it counts from a later time on.
  void WarnWhereAnotherCounts(Server& server, const v1::Price& price, const std::string& version,
                              Output& output) const;

  v1::Price price_;
  std::string model_;
  std::string provider_;
  v1::ImportPricesRequest request_;
};

}  // namespace bursar::cli
