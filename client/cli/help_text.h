#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace bursar::cli {

// What --help prints: a line for each flag, an empty one between groups.
class HelpText final : public CLI::Formatter {
 public:
  std::string make_help(const CLI::App* app, std::string name,
                        CLI::AppFormatMode mode) const override;
  std::string make_option_opts(const CLI::Option* option) const override;
  std::string make_option_usage(const CLI::Option* option) const override;
};

}  // namespace bursar::cli
