#include "cli/program.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>

#include "absl/time/time.h"
#include "cli/adjust_command.h"
#include "cli/apply_command.h"
#include "cli/budgets_command.h"
#include "cli/check_command.h"
#include "cli/completion_command.h"
#include "cli/costs_command.h"
#include "cli/events_command.h"
#include "cli/explain_command.h"
#include "cli/export_command.h"
#include "cli/global_flags.h"
#include "cli/help_text.h"
#include "cli/holds_command.h"
#include "cli/nearest.h"
#include "cli/prices_command.h"
#include "cli/prices_reprice_command.h"
#include "cli/prices_set_command.h"
#include "cli/raise_command.h"
#include "cli/record_command.h"
#include "cli/run_command.h"
#include "cli/runs_command.h"
#include "cli/status_command.h"
#include "cli/usage_command.h"
#include "cli/verify_command.h"

namespace bursar::cli {
namespace {

constexpr char kDescription[] = "The purse of a fleet of LLM agents: asks, records and shows.";
constexpr char kShortFooter[] =
    "`bursar --help` says how server and key are found, and what exit codes mean.";
constexpr char kFooter[] =
    "The server and the key: flags, else BURSAR_ENDPOINT, BURSAR_API_KEY, BURSAR_API_KEY_FILE and\n"
    "BURSAR_TLS..., else the lines `endpoint = ...`, `api_key = ...`, `api_key_file = ...`,\n"
    "`tls_ca_file = ...` and so on of ~/.config/bursar/config.\n\n"
    "Exit codes:\n"
    "  0  done; a check was allowed\n"
    "  1  the server or the network failed, or what was asked for is not there\n"
    "  2  an unknown command or flag, or a wrong value\n"
    "  3  the check was denied; run: the cap ended the command\n"
    "  4  costs --fail-over: more was spent than that\n"
    "run otherwise exits as the command that it runs: with its exit code, 128 and the signal that\n"
    "it died by, 126 where it cannot be run, 127 where it is not there.";

// What commands are for.
constexpr char kCalls[] = "Around a call";
constexpr char kMoney[] = "Where the money is";
constexpr char kRules[] = "What the rules are";
constexpr char kLedger[] = "Whether the ledger is right";
constexpr char kShell[] = "For the shell";

// All commands and their flags.
struct Program {
  CLI::App app{kDescription, "bursar"};
  std::vector<CLI::App*> groups;  // of commands: budgets, prices, completion
  GlobalFlags global;
  std::vector<std::unique_ptr<Command>> commands;
  RunCommand* run = nullptr;

  Program() {
    app.formatter(std::make_shared<HelpText>());
    app.set_help_flag("-h,--help", "print this");
    app.set_version_flag("--version", "bursar " BURSAR_VERSION, "print the version");
    app.group("Commands")->footer(kShortFooter);  // those below begin with the same
    app.require_subcommand(0, 1);
    app.allow_extras();
    global.AddTo(app, "10s");
    Add<CheckCommand>(kCalls);
    Add<RecordCommand>(kCalls);
    run = Add<RunCommand>(kCalls);
    Add<CostsCommand>(kMoney);
    Add<UsageCommand>(kMoney);
    Add<RunsCommand>(kMoney);
    Add<StatusCommand>(kMoney);
    Add<HoldsCommand>(kMoney);
    Add<EventsCommand>(kMoney);
    Add<ExplainCommand>(kMoney);
    Add<ExportCommand>(kMoney);
    AddBudgets(AddGroup("budgets", "Create, show, change, raise, freeze and delete budgets"));
    AddPrices(AddGroup("prices", "Import, set and show prices; price records again"));
    Add<VerifyCommand>(kLedger);
    Add<AdjustCommand>(kLedger);
    commands.push_back(std::make_unique<BashCompletionCommand>(
        AddGroup("completion", "Print what completes command lines"), app));
    groups[0]->group(kRules);
    groups[1]->group(kRules);
    groups[2]->group(kShell);
    app.footer(kFooter);
    for (const auto& command : commands) {
      command->app()->allow_extras();  // so that what is unknown is explained here, not by CLI11
      const auto timeout = absl::FromChrono(command->default_timeout());
      global.AddTo(*command->app(), absl::FormatDuration(timeout));
    }
  }

  template <typename C>
  C* Add(const char* purpose) {
    auto command = std::make_unique<C>(app);
    command->app()->group(purpose);
    C* added = command.get();
    commands.push_back(std::move(command));
    return added;
  }

  CLI::App& AddGroup(const char* name, const char* description) {
    CLI::App* group = app.add_subcommand(name, description);
    group->require_subcommand(0, 1);
    group->allow_extras();
    groups.push_back(group);
    return *group;
  }

  void AddBudgets(CLI::App& budgets) {
    commands.push_back(std::make_unique<CreateBudgetCommand>(budgets));
    commands.push_back(std::make_unique<ListBudgetsCommand>(budgets));
    commands.push_back(std::make_unique<GetBudgetCommand>(budgets));
    commands.push_back(std::make_unique<UpdateBudgetCommand>(budgets));
    commands.push_back(std::make_unique<DeleteBudgetCommand>(budgets));
    commands.push_back(std::make_unique<ApplyBudgetsCommand>(budgets));
    commands.push_back(std::make_unique<RaiseBudgetCommand>(budgets));
    commands.push_back(std::make_unique<FreezeBudgetCommand>(budgets, v1::Budget::STATE_FROZEN));
    commands.push_back(std::make_unique<FreezeBudgetCommand>(budgets, v1::Budget::STATE_ACTIVE));
  }

  void AddPrices(CLI::App& prices) {
    commands.push_back(std::make_unique<ImportPricesCommand>(prices));
    commands.push_back(std::make_unique<SetPriceCommand>(prices));
    commands.push_back(std::make_unique<ListPricesCommand>(prices));
    commands.push_back(std::make_unique<ShowPriceCommand>(prices));
    commands.push_back(std::make_unique<RepriceCommand>(prices));
  }

  // The last app that was named: a command, a group without one, or the program itself.
  const CLI::App* Last() const {
    if (const Command* chosen = Chosen()) return chosen->app();
    for (const CLI::App* group : groups) {
      if (group->parsed()) return group;
    }
    return &app;
  }

  // The one that was named, if any.
  Command* Chosen() const {
    for (const auto& command : commands) {
      if (command->app()->parsed()) return command.get();
    }
    return nullptr;
  }
};

std::vector<std::string> FlagNames(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  }
  return names;
}

std::vector<std::string> CommandNames(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    names.push_back(command->get_name());
  }
  return names;
}

std::string Join(const std::vector<std::string>& words) {
  std::string text;
  for (size_t i = 0; i < words.size(); ++i) {
    if (i > 0) text += i + 1 == words.size() ? " or " : ", ";
    text += words[i];
  }
  return text;
}

// "bursar budgets" of the command budgets.
std::string FullName(const CLI::App* app) {
  return app->get_parent() == nullptr ? app->get_name()
                                      : FullName(app->get_parent()) + " " + app->get_name();
}

// About a word that `app` does not know.
std::string UnknownText(const CLI::App& app, const std::string& word) {
  const bool flag = word.rfind('-', 0) == 0;
  const std::string name = flag ? word.substr(0, word.find('=')) : word;
  const std::vector<std::string> known = flag ? FlagNames(app) : CommandNames(app);
  std::string text = "bursar: ";
  if (flag) {
    text += "unknown flag " + name;
  } else if (!known.empty()) {
    text += "unknown command \"" + word + "\"";
  } else {
    text += "unexpected word \"" + word + "\"";
  }
  const std::string nearest = Nearest(name, known);
  if (!nearest.empty()) {
    text += "; did you mean " + nearest + "?";
  } else if (!flag && !known.empty()) {
    text += "; there are " + Join(known);
  }
  return text + " (`" + FullName(&app) + " --help` shows all)\n";
}

// What was wrong with the words as a whole; empty where nothing was.
std::string UsageError(const Program& program) {
  const Command* chosen = program.Chosen();
  const CLI::App* last = program.Last();
  for (const CLI::App* app : {static_cast<const CLI::App*>(&program.app), last}) {
    for (const std::string& extra : app->remaining(false)) {
      if (extra != "--") return UnknownText(*app, extra);
    }
  }
  if (chosen == nullptr) {
    return "bursar: a command is missing after `" + FullName(last) + "`; there are " +
           Join(CommandNames(*last)) + " (`" + FullName(last) + " --help` shows more)\n";
  }
  return {};
}

int RunChosen(Program& program, std::ostream& out, std::ostream& err) {
  Output output{.out = out,
                .err = err,
                .palette = PaletteFor(STDOUT_FILENO),
                .json = program.global.json,
                .live = IsTerminal(STDOUT_FILENO),
                .live_err = IsTerminal(STDERR_FILENO)};
  Command& chosen = *program.Chosen();
  if (const auto code = chosen.RunAlone(output)) return *code;
  const auto base = ClientOptionsFromEnvironment();
  if (!base.ok()) return FailUsage(base.status(), output);
  const auto timeout = program.global.timeout.value_or(chosen.default_timeout());
  const auto server = Server::Open(program.global.Over(*base), timeout);
  if (!server.ok()) return FailUsage(server.status(), output);
  return chosen.Run(**server, output);
}

int RunWords(const std::vector<std::string>& arguments, std::ostream& out, std::ostream& err) {
  Program program;
  try {
    program.app.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));
  } catch (const CLI::Success& asked) {  // --help, --version
    return program.app.exit(asked, out, err);
  } catch (const CLI::ArgumentMismatch& error) {
    // CLI11 says "--user: At Most 1 required but received 2", or "--user: 1 required TEXT missing".
    const std::string text = error.what();
    err << "bursar: " << text.substr(0, text.find(':')) << " takes one value, given once\n";
    return kExitUsage;
  } catch (const CLI::ParseError& error) {
    err << "bursar: " << error.what() << "\n";
    return kExitUsage;
  }
  if (const std::string wrong = UsageError(program); !wrong.empty()) {
    err << wrong;
    return kExitUsage;
  }
  // As they are: CLI11 would take "[a,b]" apart.
  const auto mark = std::find(arguments.begin(), arguments.end(), "--");
  if (mark != arguments.end()) program.run->SetCommandLine({mark + 1, arguments.end()});
  return RunChosen(program, out, err);
}

}  // namespace

int RunProgram(const std::vector<std::string>& arguments, std::ostream& out, std::ostream& err) {
  const int code = RunWords(arguments, out, err);
  if (out.flush()) return code;
  err << "bursar: the answer could not be written to standard output, or not all of it\n";
  return code == kExitOk ? kExitFailed : code;
}

}  // namespace bursar::cli
