#include "cli/flags.h"

#include <cstdlib>
#include <utility>

namespace bursar::cli {
namespace {

void AddDimension(CLI::App& app, v1::Subject* subject, const std::string& flag,
                  const std::string& help, void (*set)(v1::Subject*, const std::string&)) {
  AddTextFlag(app, flag, "TEXT", help, [subject, set](const std::string& text) {
    set(subject, text);
  })->group("Subject");
}

void AddTokens(CLI::App& app, v1::TokenUsage* tokens, bool* given, const std::string& flag,
               const std::string& help, void (v1::TokenUsage::*set)(int64_t)) {
  AddParsedFlag(app, flag, "N", help, ParseCount, [tokens, given, set](int64_t count) {
    (tokens->*set)(count);
    *given = true;
  })->group("Usage");
}

}  // namespace

void AddSubjectFlags(CLI::App& app, v1::Subject* subject) {
  using S = v1::Subject;
  const auto add = [&](const char* flag, const char* help, void (*set)(S*, const std::string&)) {
    AddDimension(app, subject, flag, help, set);
  };
  add("--project", "who spends: project", [](S* s, const std::string& t) { s->set_project(t); });
  add("--team", "team", [](S* s, const std::string& t) { s->set_team(t); });
  add("--user", "user", [](S* s, const std::string& t) { s->set_user(t); });
  add("--agent", "agent", [](S* s, const std::string& t) { s->set_agent(t); });
  add("--workflow", "workflow", [](S* s, const std::string& t) { s->set_workflow(t); });
  add("--tool", "tool", [](S* s, const std::string& t) { s->set_tool(t); });
  add("--run", "one autonomous run", [](S* s, const std::string& t) { s->set_run(t); });
  add("--parent-run", "the run that spawned it",
      [](S* s, const std::string& t) { s->set_parent_run(t); });
  add("--root-run", "the run at the top; default: --run",
      [](S* s, const std::string& t) { s->set_root_run(t); });
  AddRepeatedFlag(app, "--label", "NAME=VALUE", "a dimension of your own; may be repeated",
                  ParseLabel,
                  [subject](const std::pair<std::string, std::string>& label) {
                    (*subject->mutable_labels())[label.first] = label.second;
                  })
      ->group("Subject");
}

void FillRunFromEnvironment(v1::Subject* subject) {
  const char* run = std::getenv("BURSAR_RUN");
  const char* root_run = std::getenv("BURSAR_ROOT_RUN");
  if (subject->run().empty() && run != nullptr) subject->set_run(run);
  if (subject->root_run().empty() && root_run != nullptr) subject->set_root_run(root_run);
}

v1::Model ModelOf(const std::string& provider, const std::string& text) {
  v1::Model out;
  out.set_provider(provider);
  out.set_name(text);
  const size_t slash = text.find('/');
  if (provider.empty() && slash != std::string::npos) {
    out.set_provider(text.substr(0, slash));
    out.set_name(text.substr(slash + 1));
  }
  return out;
}

void ModelFlags::AddTo(CLI::App& app) {
  app.add_option("--model", model, "like openai/gpt-4o, or only the name with --provider")
      ->group("Model");
  app.add_option("--provider", provider, "openai, anthropic, google, bedrock, ...")->group("Model");
  app.add_option("--service-tier", service_tier, "batch, flex, priority, ...")->group("Model");
  app.add_option("--region", region, "where the provider runs it, like eu")->group("Model");
}

v1::Model ModelFlags::Model() const {
  v1::Model out = ModelOf(provider, model);
  out.set_service_tier(service_tier);
  out.set_region(region);
  return out;
}

void AddInputTokenFlags(CLI::App& app, v1::TokenUsage* tokens, bool* given) {
  using T = v1::TokenUsage;
  AddTokens(app, tokens, given, "--input-tokens", "input not read from a cache",
            &T::set_uncached_input_tokens);
  AddTokens(app, tokens, given, "--cache-read-tokens", "input read from a cache",
            &T::set_cache_read_tokens);
  AddTokens(app, tokens, given, "--cache-write-tokens", "input written to a cache (5 minutes)",
            &T::set_cache_write_5m_tokens);
}

void AddOutputTokenFlags(CLI::App& app, v1::TokenUsage* tokens, bool* given) {
  using T = v1::TokenUsage;
  AddTokens(app, tokens, given, "--output-tokens", "visible output", &T::set_visible_output_tokens);
  AddTokens(app, tokens, given, "--reasoning-tokens", "hidden output", &T::set_reasoning_tokens);
}

}  // namespace bursar::cli
