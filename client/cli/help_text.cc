#include "cli/help_text.h"

namespace bursar::cli {

std::string HelpText::make_help(const CLI::App* app, std::string name,
                                CLI::AppFormatMode mode) const {
  const std::string text = CLI::Formatter::make_help(app, std::move(name), mode);
  std::string tidied;
  for (const char c : text) {
    if (c == '\n' && tidied.size() >= 2 && tidied.substr(tidied.size() - 2) == "\n\n") continue;
    tidied += c;
  }
  return tidied;
}

std::string HelpText::make_option_opts(const CLI::Option* option) const {
  if (option->get_positional()) return {};
  // Which flags exclude each other is said where both are given.
  const std::string text = CLI::Formatter::make_option_opts(option);
  return text.substr(0, text.find(" Excludes:"));
}

std::string HelpText::make_option_usage(const CLI::Option* option) const {
  const std::string& text = option->get_option_text();
  return text.empty() ? CLI::Formatter::make_option_usage(option) : text;
}

}  // namespace bursar::cli
