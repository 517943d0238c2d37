#pragma once

#include <bursar/status.h>

#include <CLI/CLI.hpp>
#include <string>
#include <string_view>

#include "bursar/v1/types.pb.h"
#include "cli/parse.h"

// Flags that fill a request while they are read.
namespace bursar::cli {

// Adds `flag`; its text goes through `parse` (text to StatusOr) and the value to `set`. A text that
// `parse` refuses ends the reading with "flag: what parse said".
template <typename Parse, typename Set>
CLI::Option* AddParsedFlag(CLI::App& app, const std::string& flag, const std::string& type,
                           const std::string& help, Parse parse, Set set) {
  return app
      .add_option_function<std::string>(
          flag,
          [flag, parse, set](const std::string& text) {
            auto value = parse(text);
            if (!value.ok()) throw CLI::ValidationError(flag, value.status().message());
            set(*std::move(value));
          },
          help)
      ->type_name(type);
}

// The same for a flag that takes one of some words. Completion finds them in the type's name.
template <typename T, typename Set>
CLI::Option* AddChoiceFlag(CLI::App& app, const std::string& flag, const std::string& help,
                           const Choices<T>& choices, Set set) {
  std::string words;
  for (const auto& [word, value] : choices) words += (words.empty() ? "" : "|") + std::string(word);
  return AddParsedFlag(
             app, flag, words, help,
             [choices](const std::string& text) { return ParseChoice(text, choices); }, set)
      ->option_text("WORD");
}

// The same for a flag that may be given several times, a value each time.
template <typename Parse, typename Set>
CLI::Option* AddRepeatedFlag(CLI::App& app, const std::string& flag, const std::string& type,
                             const std::string& help, Parse parse, Set set) {
  return app
      .add_option_function<std::vector<std::string>>(
          flag,
          [flag, parse, set](const std::vector<std::string>& texts) {
            for (const std::string& text : texts) {
              auto value = parse(text);
              if (!value.ok()) throw CLI::ValidationError(flag, value.status().message());
              set(*std::move(value));
            }
          },
          help)
      ->type_name(type)
      ->allow_extra_args(false);
}

// A flag whose text is taken as it is.
template <typename Set>
CLI::Option* AddTextFlag(CLI::App& app, const std::string& flag, const std::string& type,
                         const std::string& help, Set set) {
  return app
      .add_option_function<std::string>(
          flag, [set](const std::string& text) { set(text); }, help)
      ->type_name(type);
}

// --project --team --user --agent --workflow --tool --run --parent-run --root-run --label
void AddSubjectFlags(CLI::App& app, v1::Subject* subject);

// A process that `bursar run` started belongs to that run: where `subject` names no run or root
// run, it gets BURSAR_RUN and BURSAR_ROOT_RUN.
void FillRunFromEnvironment(v1::Subject* subject);

// "openai/gpt-4o" in its two parts. With a provider of its own, a slash belongs to the name:
// "meta-llama/llama-3-70b".
v1::Model ModelOf(const std::string& provider, const std::string& text);

// --model PROVIDER/NAME, or --provider and --model; --service-tier and --region.
struct ModelFlags {
  std::string provider;
  std::string model;
  std::string service_tier;
  std::string region;

  void AddTo(CLI::App& app);
  v1::Model Model() const;
};

// --input-tokens --cache-read-tokens --cache-write-tokens: what goes in.
void AddInputTokenFlags(CLI::App& app, v1::TokenUsage* tokens, bool* given);
// --output-tokens --reasoning-tokens: what comes out.
void AddOutputTokenFlags(CLI::App& app, v1::TokenUsage* tokens, bool* given);

}  // namespace bursar::cli
