#include "cli/completion_command.h"

#include <algorithm>
#include <vector>

namespace bursar::cli {
namespace {

// Walks over the words before the cursor, which says in which command it stands and whether a
// flag's value is wanted there. Bash splits --flag=value into three words.
constexpr char kWalk[] = R"bash(
_bursar() {
  local cur=${COMP_WORDS[COMP_CWORD]} path= flag= word i
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=${COMP_WORDS[i]}
    if [[ $word == = ]]; then continue; fi
    if [[ -n $flag ]]; then flag=; continue; fi
    if [[ $word == -- ]]; then
      if [[ $path == run && $i -eq $((COMP_CWORD - 1)) ]]; then
        COMPREPLY=($(compgen -c -- "$cur"))
      else
        _bursar_files "$cur"
      fi
      return
    fi
    case $word in
      -*) if [[ -n $(_bursar_values "$path" "$word") ]]; then flag=$word; fi ;;
      *) if _bursar_is_command "$path" "$word"; then path=${path:+$path }$word; fi ;;
    esac
  done
  if [[ $cur == = ]]; then cur=; fi
  if [[ -z $flag && $cur == -* ]]; then
    COMPREPLY=($(compgen -W "$(_bursar_flags "$path")" -- "$cur"))
    return
  fi
  local values
  if [[ -n $flag ]]; then
    values=$(_bursar_values "$path" "$flag")
  else
    values="$(_bursar_commands "$path") $(_bursar_values "$path" word)"
  fi
  case $values in
    *@file*) _bursar_files "$cur" ;;
    *@budget*) COMPREPLY=($(compgen -W "$(_bursar_budgets)" -- "$cur")) ;;
    *@text*) ;;
    *@list*) _bursar_list "${values#@list }" "$cur" ;;
    *) COMPREPLY=($(compgen -W "$values" -- "$cur")) ;;
  esac
}
_bursar_is_command() {
  local command
  for command in $(_bursar_commands "$1"); do
    if [[ $command == "$2" ]]; then return 0; fi
  done
  return 1
}
_bursar_files() {
  local IFS=$'\n'
  compopt -o filenames 2>/dev/null
  COMPREPLY=($(compgen -f -- "$1"))
}
# The last of several words with commas between them.
_bursar_list() {
  local before=
  if [[ $2 == *,* ]]; then before=${2%,*},; fi
  compopt -o nospace 2>/dev/null
  COMPREPLY=($(compgen -P "$before" -W "$1" -- "${2##*,}"))
}
# Asks the server that the environment names; says nothing where it does not answer at once.
_bursar_budgets() {
  local id rest
  "${COMP_WORDS[0]}" budgets list --timeout 1s 2>/dev/null | {
    read -r id rest
    if [[ $id != ID ]]; then return; fi
    while read -r id rest; do echo "$id"; done
  }
}
complete -F _bursar bursar
)bash";

constexpr char kDimensions[] =
    "project team user agent workflow tool run parent_run root_run provider model account "
    "service_tier region event_type step outcome cost_basis error_type error_category "
    "error_severity guardrail label:";

// The words of the commands below, "" of the program itself.
std::string PathOf(const CLI::App& app) {
  if (app.get_parent() == nullptr) return {};
  const std::string above = PathOf(*app.get_parent());
  return above.empty() ? app.get_name() : above + " " + app.get_name();
}

std::vector<const CLI::App*> Below(const CLI::App& app) {
  return app.get_subcommands([](const CLI::App*) { return true; });
}

std::string CommandsOf(const CLI::App& app) {
  std::string names;
  for (const CLI::App* command : Below(app)) {
    names += (names.empty() ? "" : " ") + command->get_name();
  }
  return names;
}

std::vector<std::string> NamesOf(const CLI::Option& option) {
  std::vector<std::string> names;
  for (const std::string& name : option.get_lnames()) names.push_back("--" + name);
  for (const std::string& name : option.get_snames()) names.push_back("-" + name);
  return names;
}

std::string FlagsOf(const CLI::App& app) {
  std::string flags;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : NamesOf(*option)) flags += (flags.empty() ? "" : " ") + name;
  }
  return flags;
}

// What stands in its place: words, or @kind for what bash or the server knows; empty for a flag
// without a value.
std::string ValuesOf(const CLI::App& app, const CLI::Option& option) {
  if (option.get_items_expected_min() == 0) return {};
  std::string type = option.get_type_name();
  const std::string name = option.get_name();
  if (type.rfind("FILE", 0) == 0 || name == "file") return "@file";
  const bool of_budgets = PathOf(app).rfind("budgets ", 0) == 0 && app.get_name() != "create";
  if ((name == "--budget" && type == "ID") || (name == "id" && of_budgets)) return "@budget";
  if (type == "DIMENSIONS") return std::string("@list ") + kDimensions;
  if (type.find('|') == std::string::npos) return "@text";
  std::replace(type.begin(), type.end(), '|', ' ');
  return type;
}

void AddValues(const CLI::App& app, std::string* cases) {
  for (const CLI::Option* option : app.get_options()) {
    const std::string values = ValuesOf(app, *option);
    if (values.empty()) continue;
    std::vector<std::string> names = NamesOf(*option);
    if (names.empty()) names.emplace_back("word");  // a positional
    std::string patterns;
    for (const std::string& name : names) {
      patterns += (patterns.empty() ? "'" : "|'") + PathOf(app) + ":" + name + "'";
    }
    *cases += "    " + patterns + ") echo '" + values + "' ;;\n";
  }
  for (const CLI::App* command : Below(app)) AddValues(*command, cases);
}

void AddLine(const CLI::App& app, std::string (*of)(const CLI::App&), std::string* cases) {
  *cases += "    '" + PathOf(app) + "') echo '" + of(app) + "' ;;\n";
  for (const CLI::App* command : Below(app)) AddLine(*command, of, cases);
}

std::string Function(const std::string& name, const std::string& subject,
                     const std::string& cases) {
  return name + "() {\n  case " + subject + " in\n" + cases + "  esac\n}\n";
}

}  // namespace

std::string BashCompletion(const CLI::App& program) {
  std::string commands, flags, values;
  AddLine(program, CommandsOf, &commands);
  AddLine(program, FlagsOf, &flags);
  AddValues(program, &values);
  return "# Completion of bursar in bash. In ~/.bashrc: source <(bursar completion bash)\n" +
         Function("_bursar_commands", "\"$1\"", commands) +
         Function("_bursar_flags", "\"$1\"", flags) +
         Function("_bursar_values", "\"$1:$2\"", values) + (kWalk + 1);
}

BashCompletionCommand::BashCompletionCommand(CLI::App& completion, const CLI::App& program)
    : program_(program) {
  app_ = completion.add_subcommand("bash", "Print it for bash: source <(bursar completion bash)");
}

std::optional<int> BashCompletionCommand::RunAlone(Output& output) {
  output.out << BashCompletion(program_);
  return kExitOk;
}

int BashCompletionCommand::Run(Server&, Output& output) { return *RunAlone(output); }

}  // namespace bursar::cli
